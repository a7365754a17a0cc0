package field

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// notInOrg is the reason of a service that the org does not have.
const notInOrg workflows.WaitReason = "not in this org"

const tenant = "odd"

func id(service string) string { return workflows.WorkflowID(tenant, service) }

func TestAnOrgWithEveryConditionAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, map[string]oktasim.Config{tenant: oddOrg()})
	org := s.orgs[tenant].Org
	spoilTheMiddle(org)
	s.start(tenant, services...)

	reports := map[string]report{}
	for _, service := range services {
		switch service {
		case "logs":
			want := len(expect(org, service, everything).objects)
			reports[service] = s.until(id(service), fmt.Sprintf("has read %d events", want), func(r report) bool {
				return r.CaughtUp && r.Checkpoint.Totals.Events-r.Checkpoint.Totals.Repeated >= int64(want)
			})
		case "zones":
			reports[service] = s.until(id(service), "is not in this org", func(r report) bool { return r.Reason == notInOrg })
		default:
			reports[service] = s.pulled(id(service), 1)
		}
	}

	t.Run("every readable object is delivered exactly once, and what is unreadable is marked", func(t *testing.T) {
		for _, service := range services {
			if service == "zones" {
				continue
			}
			t.Run(service, func(t *testing.T) {
				together := ofPull
				if service == "logs" {
					together = atAll
				}
				pulls := s.in(t).read(id(service), together)
				require.Len(t, pulls, 1)
				for _, got := range pulls {
					compare(t, expect(org, service, reachable(org, service)), got, secret[service])
					require.LessOrEqual(t, got.repeated(), reports[service].Checkpoint.Totals.Repeated, "repeats that are not counted")
				}
			})
		}
	})

	t.Run("the status explains each condition", func(t *testing.T) {
		for _, c := range conditions {
			t.Run(c.name, func(t *testing.T) {
				r, said := reports[c.of], s.in(t).shown(id(c.of))
				for _, kind := range c.warns {
					w, ok := r.warned(kind)
					require.True(t, ok, "%q is not among the warnings of %s: %v", kind, c.of, r.Warnings)
					require.Positive(t, w.Count)
					require.WithinDuration(t, time.Now(), w.At, patience)
					require.Contains(t, said, oneLine(w.Message))
				}
				requireAtLeast(t, c.counts, r.Checkpoint.Totals.Oddities)
				require.Regexp(t, c.says, said)
			})
		}
		require.Equal(t, workflows.StateWaiting, reports["zones"].State, "a collection that the org has not got is no alert")
		expired := func(r oktasim.Request) bool { return r.Service == "groups" && r.Status == http.StatusBadRequest }
		require.True(t, slices.ContainsFunc(org.Requests(), expired), "a cursor has expired")
		for _, kind := range []string{"put aside", "incomplete"} {
			w, _ := reports["app_users"].warned(kind)
			require.True(t, slices.ContainsFunc([]int{2, 6, 18}, func(app int) bool { return strings.Contains(w.Message, org.ID("apps", app)) }),
				"%s names no app that failed: %s", kind, w.Message)
		}
	})

	t.Run("a backfill of the log ends, though there is always a next page", func(t *testing.T) {
		s := s.in(t)
		bounds := checkpoint.Range{Since: published(t, org, 100), Until: published(t, org, 3000)}
		backfill := workflows.BackfillID(tenant, "logs", bounds)
		s.starter("backfill", id("logs"), "--since", bounds.Since.Format(time.RFC3339Nano), "--until", bounds.Until.Format(time.RFC3339Nano))
		s.until(backfill, "is done", func(r report) bool { return r.State == workflows.StateDone })
		within := func(i int) bool {
			at := published(t, org, i)
			return !at.Before(bounds.Since) && at.Before(bounds.Until)
		}
		got := s.read(backfill, atAll)[0]
		compare(t, expect(org, "logs", within), got, false)
		require.Zero(t, got.repeated())
	})

	t.Run("an empty list that had objects is no complete pull, unless it is the second in a row", func(t *testing.T) {
		s := s.in(t)
		before := reports["idps"].Checkpoint.Totals
		off, err := org.SwitchOn(oktasim.Odd{Name: "empty", Of: "idps"})
		require.NoError(t, err)
		defer off()
		s.starter("poll", id("idps"))
		once := s.pulled(id("idps"), before.Pulls+before.Incomplete+1)
		require.Equal(t, before.Incomplete+1, once.Checkpoint.Totals.Incomplete)
		w, ok := once.warned("empty")
		require.True(t, ok, "%v", once.Warnings)
		require.Contains(t, s.shown(id("idps")), oneLine(w.Message))

		s.starter("poll", id("idps"))
		twice := s.pulled(id("idps"), before.Pulls+before.Incomplete+2)
		require.Equal(t, before.Pulls+1, twice.Checkpoint.Totals.Pulls)
		w, _ = twice.warned("empty")
		require.Equal(t, 2, w.Count)
	})
}

// published returns when a log event was published.
func published(t *testing.T, org *oktasim.Org, i int) time.Time {
	_, after, _ := strings.Cut(string(org.Object("logs", i)), `"published":"`)
	text, _, _ := strings.Cut(after, `"`)
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

func requireAtLeast(t *testing.T, want, got checkpoint.Oddities) {
	require.GreaterOrEqual(t, got.Unreadable, want.Unreadable, "unreadable")
	require.GreaterOrEqual(t, got.Replaced, want.Replaced, "replaced")
	require.GreaterOrEqual(t, got.Gone, want.Gone, "gone")
	require.GreaterOrEqual(t, got.Aside, want.Aside, "put aside")
	require.GreaterOrEqual(t, got.Missing, want.Missing, "missing")
	require.GreaterOrEqual(t, got.Incomplete, want.Incomplete, "incomplete")
}

func TestAnOrgInOrderIsDeliveredOnceAndNothingIsWarnedOf(t *testing.T) {
	t.Parallel()
	s := newStage(t, map[string]oktasim.Config{"order": {Seed: 8, Counts: counts}})
	s.start("order", services...)
	for _, service := range services {
		t.Run(service, func(t *testing.T) {
			s, id := s.in(t), workflows.WorkflowID("order", service)
			want := expect(s.orgs["order"].Org, service, everything)
			r := s.until(id, "has caught up", func(r report) bool {
				return r.State == workflows.StateWaiting && r.CaughtUp && r.Checkpoint.Totals.Events >= int64(len(want.objects))
			})
			require.Empty(t, r.Warnings)
			require.Zero(t, r.Checkpoint.Totals.Oddities)
			got := s.read(id, atAll)[0]
			compare(t, want, got, false)
			require.Zero(t, got.repeated())
		})
	}
}

func TestANextLinkThatIsAlwaysThePageItselfAdvancesWithEveryPollAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, map[string]oktasim.Config{"stuck": {
		Seed: 10, Counts: map[string]int{"logs": 1500}, LiveEvery: 20 * time.Millisecond, Odd: []oktasim.Odd{{Name: "next-is-self"}},
	}})
	stuck := workflows.WorkflowID("stuck", "logs")
	s.start("stuck", "logs")
	r := s.until(stuck, "has read the live events of some polls", func(r report) bool { return r.Checkpoint.Totals.Events > 1700 })
	w, ok := r.warned("next link")
	require.True(t, ok, "%v", r.Warnings)
	require.Contains(t, s.shown(stuck), oneLine(w.Message))
	require.Zero(t, r.Checkpoint.Totals.Repeated)

	got := s.read(stuck, atAll)[0]
	require.Zero(t, got.repeated())
	all := expect(s.orgs["stuck"].Org, "logs", func(i int) bool { return i < len(got.objects) })
	compare(t, all, got, false)
}

func TestHoweverTooMuchForOnePageShowsSmallerPagesAreAskedFor(t *testing.T) {
	t.Parallel()
	orgs := map[string]oktasim.Config{}
	for _, name := range []string{"500", "503", "504", "cut", "silent"} {
		odd := oktasim.Odd{Name: "too-much-" + name, Of: "zones", N: 60, For: 100 * time.Millisecond}
		orgs["toomuch"+name] = oktasim.Config{Seed: 11, Counts: map[string]int{"zones": 70}, Odd: []oktasim.Odd{odd}}
	}
	s := newStage(t, orgs)
	for tenant := range orgs {
		s.start(tenant, "zones")
	}
	for tenant, org := range s.orgs {
		t.Run(tenant, func(t *testing.T) {
			s := s.in(t)
			zones := workflows.WorkflowID(tenant, "zones")
			r := s.pulled(zones, 1)
			require.Zero(t, r.Checkpoint.Totals.Incomplete)
			_, ok := r.warned("smaller page")
			require.True(t, ok, "%v", r.Warnings)
			for _, got := range s.read(zones, ofPull) {
				compare(t, expect(org.Org, "zones", everything), got, false)
				require.Zero(t, got.repeated())
			}
		})
	}
}

func TestACollectionThatTheOrgHasNotGotIsNoAlertHoweverOktaSaysSo(t *testing.T) {
	t.Parallel()
	orgs := map[string]oktasim.Config{}
	for tenant, name := range map[string]string{"flag": "feature-flag", "path": "no-such-endpoint", "method": "no-such-method", "off": "not-enabled"} {
		orgs[tenant] = oktasim.Config{Seed: 12, Counts: map[string]int{"zones": 10, "idps": 10}, Odd: []oktasim.Odd{{Name: name, Of: "zones"}}}
	}
	s := newStage(t, orgs)
	for tenant := range orgs {
		s.start(tenant, "zones", "idps")
	}
	for tenant := range orgs {
		t.Run(tenant, func(t *testing.T) {
			s := s.in(t)
			zones := workflows.WorkflowID(tenant, "zones")
			r := s.until(zones, "is not in this org", func(r report) bool { return r.Reason == notInOrg })
			require.Equal(t, workflows.StateWaiting, r.State)
			require.Contains(t, s.shown(zones), string(notInOrg))
			s.pulled(workflows.WorkflowID(tenant, "idps"), 1)
		})
	}
}

func TestEveryOddityOfTheSimulatedOrgIsAConditionOfThese(t *testing.T) {
	apart := []string{"too-much-503", "too-much-504", "too-much-silent", "no-such-endpoint", "no-such-method", "not-enabled", "empty"}
	for _, oddity := range oktasim.Oddities() {
		inOrg := slices.ContainsFunc(conditions, func(c condition) bool {
			return slices.ContainsFunc(c.odd, func(o oktasim.Odd) bool { return o.Name == oddity.Name })
		})
		ofTokens := strings.HasPrefix(oddity.Name, "token-") // of signing in, see TestAServiceAppCollectsEverythingWhileItsTokensEnd
		require.True(t, inOrg || ofTokens || slices.Contains(apart, oddity.Name), oddity.Name)
	}
}
