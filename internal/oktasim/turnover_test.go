package oktasim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// newTurningOrg makes an org in which every second live event tells of a turn; there is one a second.
func newTurningOrg(t testing.TB) (*oktasim.Org, *clock) {
	return newOrg(t, func(c *oktasim.Config) {
		c.Counts = everything(60)
		c.Counts["group_members"], c.Counts["app_users"] = 6, 6
		c.LiveEvery, c.TurnEvery = time.Second, 2
	})
}

// event is what a test reads of a log event.
type event struct {
	EventType, UUID string
	Target          []struct{ ID, Type string }
}

// told are the events of the log by their uuid, since the epoch.
func told(t testing.TB, org *oktasim.Org) map[string]event {
	t.Helper()
	all := map[string]event{}
	polled, _ := listed(t, pollOnce{org}, "/api/v1/logs?limit=1000&since="+url.QueryEscape(epoch.Format(time.RFC3339)))
	for _, text := range polled {
		var e event
		require.NoError(t, json.Unmarshal(text, &e))
		all[e.UUID] = e
	}
	return all
}

// pollOnce leaves out the next link of an empty page of the log.
type pollOnce struct{ *oktasim.Org }

func (o pollOnce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.Org.ServeHTTP(w, r)
	if links := w.Header()["Link"]; len(links) > 1 && strings.TrimSuffix(links[0], `rel="self"`) == strings.TrimSuffix(links[1], `rel="next"`) {
		w.Header()["Link"] = links[:1]
	}
}

func TestWhatIsDeletedIsGoneAndTheLogTellsOfIt(t *testing.T) {
	org, c := newTurningOrg(t)
	before := map[string][]string{}
	for _, service := range oktasim.Services() {
		for i := range org.Count(service) + 1000 {
			before[service] = append(before[service], string(org.Object(service, i)))
		}
	}
	require.Empty(t, org.Deletions())
	c.Advance(10 * time.Minute)
	events := told(t, org)
	kinds := map[string]int{}
	for _, d := range org.Deletions() {
		kinds[d.EventType]++
		require.Nil(t, org.Object(d.Service, d.Number))
		require.NotEmpty(t, before[d.Service][d.Number], "%s %d", d.Service, d.Number)
		require.Contains(t, strings.Join(textsOf(org.Revisions(d.Service, d.Number)), "\n"), before[d.Service][d.Number])

		e := events[d.Event]
		require.Equal(t, d.EventType, e.EventType)
		var ids []string
		for _, target := range e.Target {
			ids = append(ids, target.ID)
		}
		require.Contains(t, ids, org.ID(d.Service, d.Number))
		if parent := org.ParentID(d.Service, d.Number); parent != "" {
			require.Contains(t, ids, parent)
		}
	}
	for _, eventType := range []string{
		"user.lifecycle.delete.completed", "group.lifecycle.delete", "application.lifecycle.delete", "group.user_membership.remove",
		"application.user_membership.remove", "policy.lifecycle.delete", "policy.rule.delete", "device.lifecycle.delete", "zone.delete",
		"system.api_token.revoke", "system.idp.lifecycle.delete",
	} {
		require.Positive(t, kinds[eventType], eventType)
	}
}

func textsOf(objects [][]byte) (texts []string) {
	for _, o := range objects {
		texts = append(texts, string(o))
	}
	return texts
}

func TestListsAreWithoutWhatIsGoneWithItsParentToo(t *testing.T) {
	org, c := newTurningOrg(t)
	c.Advance(10 * time.Minute)
	for _, service := range oktasim.Services() {
		if service == "logs" {
			continue
		}
		var want, got []string
		for i := range org.All(service) {
			want = append(want, org.ParentID(service, i)+"/"+org.ID(service, i))
		}
		require.Len(t, want, org.Count(service))
		for _, listing := range listings(org, service) {
			all, _ := paged(t, org, listing)
			for _, object := range all {
				require.Less(t, len(got), len(want), "%s: %s", service, object)
				got = append(got, want[len(got)])
				require.Contains(t, string(object), got[len(got)-1][strings.LastIndex(got[len(got)-1], "/")+1:])
			}
		}
		require.Len(t, got, len(want), service)
	}
	for _, d := range org.Deletions() {
		for _, below := range []struct{ of, path string }{
			{"groups", "/api/v1/groups/{}/users"}, {"groups", "/api/v1/groups/{}/owners"}, {"apps", "/api/v1/apps/{}/users"},
			{"policies", "/api/v1/policies/{}/rules"}, {"users", "/api/v1/users/{}/factors"}, {"idps", "/api/v1/idps/{}/users"},
		} {
			if d.Service == below.of {
				w := get(t, org, strings.Replace(below.path, "{}", org.ID(d.Service, d.Number), 1))
				require.Equal(t, "E0000007", errorCode(t, w.Body.Bytes()), d)
			}
		}
	}
}

func TestAGroupWhoseMembersChangeSaysSo(t *testing.T) {
	org, c := newTurningOrg(t)
	changed := func(since time.Time) map[string]bool {
		all, _ := listed(t, org, "/api/v1/groups?filter="+url.QueryEscape(`lastMembershipUpdated gt "`+since.Format(time.RFC3339)+`"`))
		ids := map[string]bool{}
		for _, group := range all {
			ids[identity(t, "groups", group)] = true
		}
		return ids
	}
	members := func() map[string]string {
		all := map[string]string{}
		for i := range org.All("group_members") {
			all[org.ParentID("group_members", i)] += " " + org.ID("group_members", i)
		}
		return all
	}
	require.Empty(t, changed(epoch))
	before := members()
	c.Advance(3 * time.Minute)
	differ := map[string]bool{}
	after := members()
	for id, were := range before {
		if _, gone := org.Find("groups", "", id); gone && after[id] != "" && after[id] != were {
			differ[id] = true
		}
	}
	require.NotEmpty(t, differ)
	require.Equal(t, differ, changed(epoch))
	require.Empty(t, changed(c.Now()))
}

func TestNothingIsDeletedWithoutALogThatTellsOfIt(t *testing.T) {
	_, err := oktasim.New(oktasim.Config{Token: token, TurnEvery: 1})
	require.ErrorContains(t, err, "without live log events")
}

func TestAFeatureThatIsOffIsSaidInTheMannerOfItsKind(t *testing.T) {
	off := []string{
		"auth_servers", "devices", "agent_pools", "captchas", "email_servers", "realms", "sms_templates", "rate_limits", "roles", "policies/ENTITY_RISK",
	}
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts, c.Off = everything(60), off })
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"/api/v1/authorizationServers":                              {401, "E0000015"},
		"/api/v1/authorizationServers/x/policies/y/rules":           {401, "E0000015"},
		"/api/v1/devices?expand=user":                               {401, "E0000015"},
		"/api/v1/agentPools":                                        {405, "E0000022"},
		"/api/v1/email-servers":                                     {404, "E0000008"},
		"/api/v1/iam/roles":                                         {404, "E0000008"},
		"/api/v1/templates/sms":                                     {400, "E0000002"},
		"/api/v1/policies?type=ENTITY_RISK":                         {400, "E0000002"},
		"/api/v1/principal-rate-limits?filter=principalType+eq+%22": {400, "E0000001"},
	} {
		w := get(t, org, target)
		require.Equal(t, want.status, w.Code, target)
		require.Equal(t, want.code, errorCode(t, w.Body.Bytes()), target)
		require.Empty(t, w.Header().Get("X-Rate-Limit-Limit"), target)
	}
	require.Equal(t, http.StatusOK, get(t, org, "/api/v1/policies?type=PASSWORD").Code)
	for _, service := range []string{"auth_servers", "auth_server_policy_rules", "devices", "role_permissions"} {
		require.Zero(t, org.Count(service), service)
		require.Nil(t, org.Object(service, 0))
	}
	whole, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(60) })
	require.Equal(t, whole.Count("policies")*11/12, org.Count("policies"))
	_, err := oktasim.New(oktasim.Config{Token: token, Off: []string{"gadgets", "policies/GADGET", "users/x"}})
	for _, name := range []string{"gadgets", "policies/GADGET", "users/x"} {
		require.ErrorContains(t, err, name)
	}
}
