package field

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// mark is what a record says that stands for something unreadable. Its text is that of Okta, or "" where the collection
// holds secrets.
type mark struct {
	Text   *string `json:"@okta_unreadable"`
	Reason string  `json:"@okta_reason"`
	Size   int     `json:"@okta_size"`
}

// delivered is what is in a file, of one pull or of all polls of the log.
type delivered struct {
	// objects are the checksums of the readable objects, and times how often each was delivered.
	objects map[devosim.Identity]uint64
	times   map[devosim.Identity]int
	// replaced is how many bytes were replaced in how many objects.
	replaced []int
	marks    []mark
}

// repeated is how many objects were delivered again.
func (d *delivered) repeated() (again int64) {
	for _, n := range d.times {
		again += int64(n) - 1
	}
	return again
}

// read reads the objects in the file of a workflow. Every line has to be one compact JSON object in UTF-8. by says what belongs
// together.
func (s *stage) read(id string, by func(devosim.Object) int64) map[int64]*delivered {
	s.t.Helper()
	file, err := os.Open(filepath.Join(s.files(), strings.ReplaceAll(id, ":", "%3A")+".jsonl"))
	require.NoError(s.t, err)
	defer file.Close()
	all := map[int64]*delivered{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 2<<20)
	for lines.Scan() {
		if bytes.Contains(lines.Bytes(), []byte(`"@okta_pull":`)) || bytes.Contains(lines.Bytes(), []byte(`"@okta_event":`)) {
			continue // no object
		}
		object, err := devosim.ParseObject(oneForEachRun(lines.Bytes()))
		require.NoError(s.t, err)
		d := all[by(object)]
		if d == nil {
			d = &delivered{objects: map[devosim.Identity]uint64{}, times: map[devosim.Identity]int{}}
			all[by(object)] = d
		}
		d.add(s.t, object)
	}
	require.NoError(s.t, lines.Err())
	return all
}

// ofPull tells pulls apart; atAll does not.
func ofPull(o devosim.Object) int64 { return o.Pull }
func atAll(devosim.Object) int64    { return 0 }

func (d *delivered) add(t *testing.T, object devosim.Object) {
	var said struct {
		mark
		Replaced int `json:"@okta_replaced"`
	}
	require.NoError(t, json.Unmarshal(object.JSON, &said))
	if said.Text != nil {
		d.marks = append(d.marks, said.mark)
		return
	}
	if said.Replaced > 0 {
		d.replaced = append(d.replaced, said.Replaced)
	}
	if sum, known := d.objects[object.Identity]; known {
		require.Equal(t, sum, object.Sum, "an object was delivered in two forms")
	}
	d.objects[object.Identity] = object.Sum
	d.times[object.Identity]++
}

// replacements are characters that stand for bytes that are no UTF-8.
var replacements = regexp.MustCompile("\uFFFD+")

// oneForEachRun leaves one replacement for each run of bytes: whether there is one for each byte is not Okta's matter.
func oneForEachRun(text []byte) []byte {
	return replacements.ReplaceAll(bytes.ToValidUTF8(text, []byte("\uFFFD")), []byte("\uFFFD"))
}

// expected is what has to be delivered of a service of an org.
type expected struct {
	objects map[devosim.Identity]uint64
	// replaced is how many objects have bytes that are no UTF-8.
	replaced int
	// unreadable are the others, as the org sends them.
	unreadable [][]byte
}

// expect finds what an org has of a service. reachable leaves out what nobody can list.
func expect(org *oktasim.Org, service string, reachable func(i int) bool) expected {
	e := expected{objects: map[devosim.Identity]uint64{}}
	for i := range org.All(service) {
		if !reachable(i) {
			continue
		}
		sent, readable := org.Sent(service, i)
		if !readable {
			e.unreadable = append(e.unreadable, slices.Clone(sent))
			continue
		}
		clean := oneForEachRun(sent)
		if !bytes.Equal(clean, sent) {
			e.replaced++
		}
		e.objects[devosim.IdentityOf(org.ParentID(service, i), org.ID(service, i))] = devosim.Sum(oktasim.Redacted(clean))
	}
	return e
}

func everything(int) bool { return true }

// compare requires that everything that is expected was delivered, byte for byte, and nothing else. secret says that
// no byte of what is unreadable may be.
func compare(t *testing.T, want expected, got *delivered, secret bool) {
	t.Helper()
	require.NotNil(t, got, "nothing was delivered")
	missing, changed := 0, 0
	for id, sum := range want.objects {
		switch arrived, ok := got.objects[id]; {
		case !ok:
			missing++
		case arrived != sum:
			changed++
		}
	}
	require.Zero(t, missing, "objects that were not delivered, of %d", len(want.objects))
	require.Zero(t, changed, "objects that were delivered changed")
	require.Len(t, got.objects, len(want.objects), "objects that the org does not have")

	require.Len(t, got.replaced, want.replaced)
	for _, n := range got.replaced {
		require.Equal(t, 3, n, "bytes that are no UTF-8")
	}

	// The place behind a trailing comma may be marked too: nothing is in it.
	marks := slices.DeleteFunc(slices.Clone(got.marks), func(m mark) bool { return m.Size == 0 })
	require.Len(t, marks, len(want.unreadable), "marked records")
	for _, m := range marks {
		require.NotEmpty(t, m.Reason)
		require.Equal(t, secret, *m.Text == "", "the text of what is unreadable: %.200q", *m.Text)
	}
	for _, sent := range want.unreadable {
		require.True(t, slices.ContainsFunc(marks, func(m mark) bool {
			// Where elements cannot be told apart, a page of one object is marked, with its brackets.
			return m.Size >= len(sent) && (secret || bytes.Contains([]byte(*m.Text), sent))
		}), "no record has what the org sent: %.200q", sent)
	}
}
