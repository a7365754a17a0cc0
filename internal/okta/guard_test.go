package okta_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// listing serves pages without end: page n has the given objects and links to the given page.
func listing(t *testing.T, page func(n int) (objects string, next int)) (*wire, func() pulled) {
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("after"))
		objects, next := page(n)
		w.Header().Set("Date", epoch.Format(http.TimeFormat)) // so that no time passes, however long it takes
		if next >= 0 {
			w.Header().Add("Link", fmt.Sprintf(`<http://acme.test/api/v1/apps?after=%d&limit=200>; rel="next"`, next))
		}
		fmt.Fprint(w, objects)
	}))
	return w, func() pulled {
		return pull(t, org.Reader(service(t, "apps"), okta.Begin{}, atEpoch), checkpoint.Position{})
	}
}

// cutOff are the warnings of a pull of which one listing was cut off.
var cutOff = []okta.WarningKind{okta.WarnNext, okta.WarnIncomplete}

func one(id int) string { return fmt.Sprintf(`[{"id":"0oa%d"}]`, id) }

func TestAListingWhosePagesLeadBackEnds(t *testing.T) {
	for _, tail := range []int{0, 1, 2, 7, 30} {
		for _, cycle := range []int{1, 2, 3, 10, 33} {
			t.Run(fmt.Sprintf("%d pages, then %d in a circle", tail, cycle), func(t *testing.T) {
				w, collect := listing(t, func(n int) (string, int) {
					if n == tail+cycle-1 {
						return one(n), tail
					}
					return one(n), n + 1
				})
				p := collect()
				require.Equal(t, cutOff, p.kinds)
				require.Contains(t, p.warnings[0], "leads back")
				require.Contains(t, p.warnings[1], "incomplete")
				require.Nil(t, p.position.Pull)
				require.Zero(t, p.position.Guard)
				require.Equal(t, 15*time.Minute, p.wait)
				require.LessOrEqual(t, len(w.asked), 3*(tail+cycle)+2, "it is noticed soon")
				seen := map[string]bool{}
				for _, o := range p.json() {
					seen[o] = true
				}
				require.Len(t, seen, tail+cycle, "everything there is was read")
			})
		}
	}
}

func TestAPullThatIsCutOffIsRepeatedOnceBeforeItCounts(t *testing.T) {
	// The listing leads back, until it is mended.
	var mended bool
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mended {
			w.Header().Add("Link", `<http://acme.test/api/v1/groups?after=x&limit=200>; rel="next"`)
		}
		w.Header().Set("Date", epoch.Format(http.TimeFormat))
		fmt.Fprint(w, `[{"id":"1"},{"id":"2"}]`)
	}))
	r := org.Reader(service(t, "groups"), okta.Begin{}, func() time.Time { return epoch })
	before := epoch.Add(-time.Hour)
	for name, from := range map[string]checkpoint.Position{
		"of changes":    {ChangedSince: before, LastFull: before},
		"full":          {ChangedSince: before, LastFull: before.Add(-24 * time.Hour)},
		"the first one": {},
	} {
		t.Run(name, func(t *testing.T) {
			mended, w.asked = false, nil
			first := pull(t, r, from)
			require.Equal(t, cutOff, first.kinds)
			require.EqualValues(t, 1, first.oddities.Incomplete)
			require.Equal(t, from.ChangedSince, first.position.ChangedSince)
			require.Equal(t, from.LastFull, first.position.LastFull)
			asked := w.asked[0]

			w.asked = nil
			second := pull(t, r, first.position)
			require.Equal(t, asked, w.asked[0], "what was not listed is asked for again")
			require.Equal(t, epoch, second.position.ChangedSince, "Okta ends it no other way")
			third := pull(t, r, second.position)
			require.Equal(t, cutOff, third.kinds, "it is still said")
			require.Equal(t, epoch, third.position.ChangedSince, "and nothing is repeated any more")

			mended, w.asked = true, nil
			other := pull(t, r, first.position)
			require.Equal(t, asked, w.asked[0])
			require.Equal(t, epoch, other.position.ChangedSince)
			require.False(t, other.position.Incomplete)
		})
	}
}

func TestAPageThatIsItsOwnNextIsReadOnce(t *testing.T) {
	sim, c := newSim(t, nil)
	sim.SetFaults(func(r *http.Request, _ int) oktasim.Fault {
		return oktasim.NextTo("http://acme.test" + r.URL.RequestURI())
	})
	org, w := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "groups"), okta.Begin{}, c.Now), checkpoint.Position{})
	require.Equal(t, cutOff, p.kinds)
	require.Len(t, w.asked, 1)
	same(t, everything(sim, "groups")[:200], p.json())
}

func TestTheSameObjectsUnderEverNewCursorsAreNoProgress(t *testing.T) {
	for _, distinct := range []int{1, 2, 5} {
		w, collect := listing(t, func(n int) (string, int) { return one(n % distinct), n + 1 })
		p := collect()
		require.Equal(t, cutOff, p.kinds)
		require.LessOrEqual(t, len(w.asked), 3*distinct+2)
	}
}

func TestEmptyPagesEndAListingAfterAHundred(t *testing.T) {
	w, collect := listing(t, func(n int) (string, int) { return "[]", n + 1 })
	p := collect()
	require.Equal(t, cutOff, p.kinds)
	require.Empty(t, p.objects)
	require.Len(t, w.asked, 101)
}

func TestAHundredEmptyPagesBetweenObjectsAreFollowed(t *testing.T) {
	_, collect := listing(t, func(n int) (string, int) {
		switch {
		case n == 303:
			return one(n), -1
		case n%101 == 0:
			return one(n), n + 1
		default:
			return "[]", n + 1
		}
	})
	p := collect()
	require.Empty(t, p.warnings)
	require.Len(t, p.objects, 4)
}

func TestALongListingIsNoCircle(t *testing.T) {
	w, collect := listing(t, func(n int) (string, int) {
		if n == 2999 {
			return one(n), -1
		}
		return one(n), n + 1
	})
	p := collect()
	require.Empty(t, p.warnings)
	require.Len(t, w.asked, 3000)
}

func TestObjectsWithoutAnIDAreNoCircle(t *testing.T) {
	_, collect := listing(t, func(n int) (string, int) {
		if n == 200 {
			return "[{}]", -1
		}
		return "[{}]", n + 1
	})
	require.Empty(t, collect().warnings)
}
