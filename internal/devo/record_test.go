package devo

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

var recordPattern = regexp.MustCompile(`^<14>2026-11-22T06:27:00\.123Z host-1 auth\.okta\.system: (\{.*\})$`)

var at = time.Date(2026, 11, 22, 7, 27, 0, 123_456_789, time.FixedZone("CET", 3600))

// render returns the lines of a batch and what frame says of it.
func render(t testing.TB, f *framer, head []byte, batch Batch) (string, Stats, error) {
	t.Helper()
	var out bytes.Buffer
	stats, err := f.frame(func(string) []byte { return head }, "", batch, func(lines []byte) error {
		require.True(t, bytes.HasSuffix(lines, []byte("\n")), "a block ends with a whole line")
		out.Write(lines)
		return nil
	})
	return out.String(), stats, err
}

func batchOf(members string, objects ...string) Batch {
	p := Batch{Members: []byte(members)}
	for _, o := range objects {
		p.Objects = append(p.Objects, []byte(o))
	}
	return p
}

func TestRecordIsDevosSyslogLine(t *testing.T) {
	f := framer{cfg: Config{MaxEvent: 1 << 20}}
	out, stats, err := render(t, &f, recordHead(at, "host-1", "auth.okta.system"), batchOf(`"@devo_pulling_id":1`, `{"uuid":"a"}`))
	require.NoError(t, err)
	require.Equal(t, `<14>2026-11-22T06:27:00.123Z host-1 auth.okta.system: {"uuid":"a","@devo_pulling_id":1}`+"\n", out)
	require.Equal(t, Stats{Bytes: int64(len(`{"uuid":"a","@devo_pulling_id":1}`))}, stats)
}

func TestMembersAreAddedBeforeTheLastBrace(t *testing.T) {
	for _, c := range []struct{ name, environment, members, object, want string }{
		{"nothing to add", "", ``, `{"a":1}`, `{"a":1}`},
		{"one", "", `"@x":1`, `{"a":{}}`, `{"a":{},"@x":1}`},
		{"environment only", "prod", ``, `{"a":1}`, `{"a":1,"@devo_environment":"prod"}`},
		{"both", "prod", `"@x":1`, `{"a":1}`, `{"a":1,"@x":1,"@devo_environment":"prod"}`},
		{"an environment that needs quoting", "a\"b\nc", ``, `{}`, `{"@devo_environment":"a\"b\nc"}`},
		{"empty object", "", `"@x":1`, `{}`, `{"@x":1}`},
		{"empty object with nothing to add", "", ``, `{}`, `{}`},
		{"blank object", "", `"@x":1`, `{ }`, `{ "@x":1}`},
		{"line ends between members", "", `"@x":1`, "{\"a\":1,\r\n\"b\":2}", `{"a":1,  "b":2,"@x":1}`},
		{"odd numbers, nulls, order", "", `"@x":1`, `{"z":1.50e+3,"a":null,"z2":-0}`, `{"z":1.50e+3,"a":null,"z2":-0,"@x":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := framer{cfg: Config{MaxEvent: 1 << 20, Environment: c.environment}}
			out, stats, err := render(t, &f, nil, batchOf(c.members, c.object))
			require.NoError(t, err)
			require.Equal(t, c.want+"\n", out)
			require.EqualValues(t, len(c.want), stats.Bytes)
		})
	}
}

func TestBatchThatCannotBeRenderedWritesNothing(t *testing.T) {
	for name, p := range map[string]Batch{
		"an array":             batchOf(``, `{"a":1}`, `[]`),
		"nothing":              batchOf(``, `{"a":1}`, ``),
		"half an object":       batchOf(``, `{"a":1}`, `{"a":`),
		"one brace":            batchOf(``, `{`),
		"members with braces":  batchOf(`{"a":1}`, `{}`),
		"members with a comma": batchOf(`,"a":1`, `{}`),
		"members too long":     batchOf(`"a":"`+strings.Repeat("x", maxMembers)+`"`, `{}`),
	} {
		t.Run(name, func(t *testing.T) {
			f := framer{cfg: Config{MaxEvent: 1 << 20}}
			out, _, err := render(t, &f, nil, p)
			require.Error(t, err)
			require.Empty(t, out)
		})
	}
}

func TestObjectAboveTheLimitIsCutAndMarked(t *testing.T) {
	object := `{"actor":{"id":"inner"},"uuid":"u-1","published":"2026-11-22T00:00:00.000Z","id":"` + strings.Repeat("x", maxKept) +
		`","text":"` + strings.Repeat(`é\n😀`, 4096) + `"}`
	f := framer{cfg: Config{MaxEvent: minMaxEvent}}
	out, stats, err := render(t, &f, nil, batchOf(`"@devo_pulling_id":7`, object, `{"small":1}`))
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Cut)

	cut, rest, _ := strings.Cut(out, "\n")
	require.Equal(t, `{"small":1,"@devo_pulling_id":7}`+"\n", rest, "the others are shipped whole")
	require.LessOrEqual(t, len(cut), minMaxEvent)
	require.Greater(t, len(cut), minMaxEvent-16, "what fits is kept")
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(cut), &got))
	require.Equal(t, "u-1", got["uuid"])
	require.Equal(t, "2026-11-22T00:00:00.000Z", got["published"])
	require.NotContains(t, got, "id", "a long id is not kept")
	require.EqualValues(t, 7, got["@devo_pulling_id"])
	require.EqualValues(t, len(object), got["@okta_size"])
	require.True(t, strings.HasPrefix(object, got["@okta_cut"].(string)), "what was kept is the beginning of the text")
}

func TestACutObjectKeepsTheListOfWhatWasRedactedInIt(t *testing.T) {
	object := `{"id":"1","text":"` + strings.Repeat("x", 8192) + `","@okta_redacted":["a.b","c"]}`
	f := framer{cfg: Config{MaxEvent: minMaxEvent}}
	out, _, err := render(t, &f, nil, batchOf(`"@devo_pulling_id":7`, object))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, `{"id":"1","@okta_redacted":["a.b","c"],"@devo_pulling_id":7,"@okta_cut":"{`), out[:100])
}

func TestObjectOfExactlyTheLimitIsWhole(t *testing.T) {
	object := func(size int) string {
		return `{"a":"` + strings.Repeat("x", size-len(`{"a":"",`)-len(`"@x":1}`)) + `"}`
	}
	f := framer{cfg: Config{MaxEvent: minMaxEvent}}
	out, stats, err := render(t, &f, nil, batchOf(`"@x":1`, object(minMaxEvent)))
	require.NoError(t, err)
	require.Zero(t, stats.Cut)
	require.Len(t, out, minMaxEvent+1)
	_, stats, err = render(t, &f, nil, batchOf(`"@x":1`, object(minMaxEvent+1)))
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Cut)
}

func TestTagIsCheckedByDevosRules(t *testing.T) {
	for _, tag := range []string{"auth.okta", "my.app.okta.app_users", "a.b.c.d.e.f", "A-1.b"} {
		require.NoError(t, CheckTag(tag), tag)
	}
	for _, tag := range []string{"", "auth", "a.b.c.d.e.f.g", "a..b", ".a.b", "a.b.", "a.b c", "a.b\n", "a.b:", "a./b", "a.é", "a." + strings.Repeat("b", 1023)} {
		require.Error(t, CheckTag(tag), tag)
	}
}

// FuzzRecord: whatever objects there are, under whatever parent, each becomes one record; a cut one
// stays below the limit; and one that is as Okta's are is read by the stand-in with every byte of it.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, "{\n\"a\"\r\n:[{},null]}", `{"uuid":"x","id":"\u0000\\"}`, "{\"a\":\"\xff\"}", "not JSON", `{"a":`, "}{", "{\n<14>2026 x y: {}\n}"} {
		f.Add([]byte(seed), "prod", "0oa1", uint16(1))
		f.Add([]byte(seed), "", "a\"\r\n<14>", uint16(9000))
	}
	f.Fuzz(func(t *testing.T, object []byte, environment, parent string, pad uint16) {
		if len(environment) > maxEnvironment {
			return
		}
		original := bytes.Clone(object)
		// Padding after the opening brace makes large objects of small seeds.
		if len(object) > 0 && object[0] == '{' {
			object = append(append([]byte{'{'}, bytes.Repeat([]byte{' '}, int(pad))...), object[1:]...)
		}
		id, err := json.Marshal(parent)
		require.NoError(t, err)
		members := append([]byte(`"@devo_pulling_id":1,"@okta_app_id":`), id...)
		fr := framer{cfg: Config{MaxEvent: minMaxEvent, Environment: environment}}
		head := recordHead(at, "host-1", "auth.okta.system")
		out, stats, err := render(t, &fr, head, Batch{Objects: [][]byte{object, []byte(`{"last":true}`)}, Members: members})
		if !isObject(object) || len(members) > maxMembers {
			require.Error(t, err)
			require.Empty(t, out)
			return
		}
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		require.Len(t, lines, 2)
		require.NotContains(t, out, "\r")
		var total int64
		for _, line := range lines {
			m := recordPattern.FindStringSubmatch(line)
			require.NotNil(t, m, line)
			require.LessOrEqual(t, len(m[1]), minMaxEvent)
			total += int64(len(m[1]))
			if json.Valid(object) || strings.Contains(line, `"@okta_cut":`) && stats.Cut == 1 {
				require.True(t, json.Valid([]byte(m[1])), m[1])
			}
		}
		require.Equal(t, stats.Bytes, total)

		// The source gives compact objects only, and none of Okta's has our members.
		if _, err := devosim.ParseObject(original); err != nil || bytes.Contains(original, []byte(`"@`)) {
			return
		}
		out, stats, err = render(t, &fr, head, Batch{Objects: [][]byte{original}, Members: members})
		require.NoError(t, err)
		r, err := devosim.ParseRecord([]byte(strings.TrimSuffix(out, "\n")))
		require.NoError(t, err, out)
		require.Equal(t, "auth.okta.system", r.Tag)
		require.EqualValues(t, 1, r.Object.Pull)
		if stats.Cut == 0 {
			require.Equal(t, devosim.Sum(original), r.Object.Sum)
		}
	})
}

// A host or tag that is accepted never breaks a record.
func FuzzNames(f *testing.F) {
	f.Add("host", "auth.okta.system")
	f.Add("..", "a.b\n")
	f.Add("a b", "a.b: c")
	f.Fuzz(func(t *testing.T, host, tag string) {
		if !validHost.MatchString(host) || CheckTag(tag) != nil {
			return
		}
		head := string(recordHead(at, host, tag))
		fields := strings.Split(head, " ")
		require.Equal(t, []string{"<14>2026-11-22T06:27:00.123Z", host, tag + ":", ""}, fields)
		require.NotContains(t, head, "\n")
		require.NotContains(t, host+tag, "/")
		require.NotEqual(t, "..", host)
	})
}

// Names never lead out of the directory, and different ones never share a file.
func FuzzFileName(f *testing.F) {
	f.Add("okta/acme/logs", "okta/acme/users")
	f.Add("../../etc/passwd", "a//b")
	f.Add("a%2Fb", "a/b")
	f.Add(".", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{a, b} {
			for segment := range strings.SplitSeq(fileName(name), "/") {
				require.Regexp(t, `^[A-Za-z0-9_%-][A-Za-z0-9._%-]*$`, segment)
			}
		}
		require.Equal(t, a == b, fileName(a) == fileName(b))
	})
}
