package okta_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/redact"
)

// membership is an org with groups, whose members changed at times that the test sets.
type membership struct {
	now     time.Time
	changed []time.Time // by group; zero if the group is deleted
	members int         // of each group
}

func newMembership(groups, members int) *membership {
	m := &membership{now: epoch, members: members}
	for range groups {
		m.changed = append(m.changed, epoch.Add(-time.Hour))
	}
	return m
}

func (m *membership) Now() time.Time { return m.now }

func (m *membership) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", m.now.Format(http.TimeFormat))
	var all []string
	var group int
	if n, _ := fmt.Sscanf(r.URL.Path, "/api/v1/groups/00g%d/users", &group); n == 1 {
		if m.changed[group].IsZero() {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errorCode":"E0000007"}`)
			return
		}
		for i := range m.members {
			all = append(all, fmt.Sprintf(`{"id":"00u%d-%d"}`, group, i))
		}
	} else {
		since := time.Time{}
		if filter := r.URL.Query().Get("filter"); filter != "" {
			_, text, _ := strings.Cut(strings.TrimSuffix(filter, `"`), `lastMembershipUpdated gt "`)
			since, _ = time.Parse(time.RFC3339, text)
		}
		for group, changed := range m.changed {
			if changed.After(since) {
				all = append(all, fmt.Sprintf(`{"id":"00g%d"}`, group))
			}
		}
	}
	elements(all).ServeHTTP(w, r)
}

// expected are the members of some groups, in order.
func (m *membership) expected(groups ...int) []string {
	var all []string
	for _, group := range groups {
		for i := range m.members {
			all = append(all, fmt.Sprintf(`{"id":"00u%d-%d"},"@okta_group_id":"00g%d"`, group, i, group))
		}
	}
	return all
}

func TestOfAThousandGroupsOnlyThoseWhoseMembersChangedAreListedWhole(t *testing.T) {
	sim := newMembership(1000, 3)
	org, w := newOrg(t, sim)
	r := org.Reader(service(t, "group_members"), okta.Begin{}, sim.Now)
	full := pull(t, r, checkpoint.Position{})
	require.Len(t, full.objects, 3000)
	require.Equal(t, 15*time.Minute, full.wait)
	require.EqualValues(t, 3000, full.position.FullObjects)

	sim.now = epoch.Add(15 * time.Minute)
	w.asked = nil
	idle := pull(t, r, full.position)
	require.Empty(t, idle.objects)
	require.Equal(t, 1, len(w.asked), "nothing has changed")

	sim.now = epoch.Add(30 * time.Minute)
	for _, group := range []int{7, 500, 999} {
		sim.changed[group] = sim.now.Add(-time.Second)
	}
	w.asked = nil
	changes := pull(t, r, idle.position)
	same(t, sim.expected(7, 500, 999), changes.withMembers(t))
	require.LessOrEqual(t, len(w.asked), 10)
	require.Contains(t, w.asked[0], "/api/v1/groups?filter="+url.QueryEscape(`lastMembershipUpdated gt "2026-03-01T12:14:00.000Z"`))
	require.Zero(t, changes.oddities)
	require.Equal(t, 15*time.Minute, changes.wait)
	require.Equal(t, full.position.LastFull, changes.position.LastFull)
	require.EqualValues(t, 3000, changes.position.FullObjects, "of the last full pull")
	require.Greater(t, changes.id(t), full.id(t))

	sim.now = epoch.Add(24 * time.Hour)
	changes.position.ChangedSince = sim.now.Add(-15 * time.Minute)
	require.Len(t, pull(t, r, changes.position).objects, 3000, "a full pull is due")
	for _, c := range []okta.Collection{service(t, "app_users"), service(t, "app_groups")} {
		require.Nil(t, c.Under[0].Changed, "nothing says when they change")
	}
}

func TestAPullOfChangedGroupsGoesOnFromEveryPosition(t *testing.T) {
	for what, deleted := range map[string]bool{"as it was": false, "and a group is deleted meanwhile": true} {
		t.Run(what, func(t *testing.T) {
			sim := newMembership(250, 201)
			for group := range sim.changed {
				sim.changed[group] = epoch.Add(-time.Minute)
			}
			sim.changed = sim.changed[:205] // two pages
			org, _ := newOrg(t, sim)
			c := service(t, "group_members")
			last := checkpoint.Position{ChangedSince: epoch.Add(-15 * time.Minute), LastFull: epoch.Add(-time.Hour), FullObjects: 9}
			whole := pull(t, org.Reader(c, okta.Begin{}, sim.Now), last)
			require.Len(t, whole.objects, 205*201)
			shipped := 0
			for i, pos := range whole.positions[:len(whole.positions)-1] {
				shipped += whole.sizes[i]
				if i%90 != 1 {
					continue
				}
				worker, _ := newOrg(t, sim)
				r := worker.Reader(c, okta.Begin{}, sim.Now)
				kept, dropped := r.Checked(checkpoint.Checkpoint{Position: pos})
				require.Empty(t, dropped)
				require.Equal(t, pos, kept.Position)
				want := whole.withMembers(t)[shipped:]
				if deleted {
					sim.changed[204] = time.Time{}
					want = want[:max(len(want)-201, 0)]
				}
				rest := pull(t, r, pos)
				same(t, want, rest.withMembers(t), "from position ", i)
				require.Empty(t, rest.warnings)
				sim.changed[204] = epoch.Add(-time.Minute)
			}
		})
	}
}

func TestAChangedGroupThatCannotBeListedStopsNoOtherPull(t *testing.T) {
	for _, answer := range append([]string{"403 E0000006", "400 E0000001"}, off...) {
		t.Run(answer, func(t *testing.T) {
			sim := newMembership(3, 1)
			sim.changed[1] = epoch.Add(-time.Minute)
			org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v1/groups/00g1/users" {
					answers{r.URL.Path: answer}.ServeHTTP(w, r)
					return
				}
				sim.ServeHTTP(w, r)
			}))
			r := org.Reader(service(t, "group_members"), okta.Begin{}, sim.Now)
			last := checkpoint.Position{ChangedSince: epoch.Add(-15 * time.Minute), LastFull: epoch.Add(-time.Hour), FullObjects: 3}
			first := pull(t, r, last)
			require.EqualValues(t, 1, first.oddities.Missing)
			require.Equal(t, last.ChangedSince, first.position.ChangedSince, "it is tried once more")
			second := pull(t, r, first.position)
			require.Equal(t, epoch, second.position.ChangedSince, "and left to the next full pull")

			sim.now = epoch.Add(15 * time.Minute)
			sim.changed[2] = sim.now.Add(-time.Minute)
			same(t, sim.expected(2), pull(t, r, second.position).withMembers(t))
		})
	}
}

func TestARefusedCursorOfTheChangedGroupsGoesOnBehindWhatIsDone(t *testing.T) {
	sim := newMembership(450, 1)
	for group := range sim.changed {
		sim.changed[group] = epoch.Add(-time.Minute)
	}
	refused := false
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/groups" && r.URL.Query().Has("after") && !refused {
			refused = true
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errorCode":"E0000031"}`)
			return
		}
		sim.ServeHTTP(w, r)
	}))
	last := checkpoint.Position{ChangedSince: epoch.Add(-15 * time.Minute), LastFull: epoch.Add(-time.Hour)}
	p := pull(t, org.Reader(service(t, "group_members"), okta.Begin{}, sim.Now), last)
	require.True(t, refused)
	require.Len(t, p.objects, 450, "each once")
	for _, asked := range w.requests("/api/v1/groups?") {
		require.Contains(t, asked, "lastMembershipUpdated")
	}
}

func TestDevicesAreAskedForWithTheirUsersAndByWhatHasChanged(t *testing.T) {
	org, w := newOrg(t, lists(`[{"id":"guo1"}]`))
	r := org.Reader(service(t, "devices"), okta.Begin{}, atEpoch)
	full := pull(t, r, checkpoint.Position{})
	pull(t, r, full.position)
	require.Len(t, w.asked, 2)
	for i, search := range []string{"", `lastUpdated gt "2026-03-01T10:59:00.000Z"`} { // the answers have no Date
		u, err := url.Parse(w.asked[i])
		require.NoError(t, err)
		require.Equal(t, "user", u.Query().Get("expand"))
		require.Equal(t, search, u.Query().Get("search"))
	}
}

func TestOnlyTheParentsThatTheRowSelectsAreListedUnder(t *testing.T) {
	roles := `[{"id":"r1","type":"SUPER_ADMIN"},{"id":"r2","type":"APP_ADMIN"},{"type":"SUPER_ADMIN"},{"id":"r3","type":"\u0041PP_ADMIN"},` +
		`{"id":"r4","type":["APP_ADMIN"]},{"id":"r5","label":"APP_ADMIN","more":{"type":"APP_ADMIN"}},{"id":"r6","type":"HELP_DESK_ADMIN"}]`
	sim := answers{
		"/api/v1/iam/assignees/users":  `{"value":[{"id":"00u1"},{"id":"00u2"}]}`,
		"/api/v1/users/00u1/roles":     `[{"id":"r1","type":"SUPER_ADMIN"}]`,
		"/api/v1/users/00u2/roles":     roles,
		"/api/v1/apps":                 `[{"id":"0oa1","signOnMode":"SAML_2_0"},{"id":"0oa2","signOnMode":"OPENID_CONNECT"}]`,
		"/api/v1/users/00u2/roles/r2/": "",
	}
	for _, list := range []string{
		"/api/v1/users/00u2/roles/r2/targets/catalog/apps", "/api/v1/users/00u2/roles/r3/targets/catalog/apps",
		"/api/v1/users/00u2/roles/r6/targets/groups", "/api/v1/apps/0oa2/credentials/jwks",
	} {
		sim[list] = `[{"id":"x"}]`
	}
	for name, under := range map[string][]string{"user_role_apps": {"r2", "r3"}, "user_role_groups": {"r6"}, "app_jwks": {"0oa2"}} {
		org, w := newOrg(t, sim)
		p := pull(t, org.Reader(service(t, name), okta.Begin{}, atEpoch), checkpoint.Position{})
		require.Len(t, p.objects, len(under), name)
		for i, id := range under {
			require.Contains(t, p.objects[i].members, `"`+id+`"`)
		}
		require.Empty(t, p.warnings, "the others are no oddity")
		require.Zero(t, p.oddities)
		require.Equal(t, epoch, p.position.LastFull)
		levels := map[string]int{"user_role_apps": 3, "user_role_groups": 3, "app_jwks": 1}[name]
		require.Len(t, w.asked, levels+len(under))
	}

	sim["/api/v1/users/00u2/roles"] = `[{"id":"r1","type":"SUPER_ADMIN"}]`
	org, _ := newOrg(t, sim)
	p := pull(t, org.Reader(service(t, "user_role_apps"), okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Empty(t, p.objects)
	require.Equal(t, epoch, p.position.LastFull, "nobody has a role that can be limited, and the pull is complete")
}

func TestAParentIsSelectedByWhatOktaSaysAlthoughTheMemberIsRedacted(t *testing.T) {
	sim := answers{"/api/v1/apps": `[{"id":"0oa2","signOnMode":"OPENID_CONNECT"}]`, "/api/v1/apps/0oa2/credentials/jwks": `[{"id":"x"}]`}
	org := orgOf(t, sim, func(c *okta.Config) {
		c.Redact = map[string][]redact.Rule{"apps": {{Path: "signOnMode"}}}
	})
	require.Len(t, pull(t, org.Reader(service(t, "app_jwks"), okta.Begin{}, atEpoch), checkpoint.Position{}).objects, 1)
}
