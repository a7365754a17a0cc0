package okta_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/redact"
)

// eventOf is an event of the System Log with these targets.
func eventOf(kind, outcome string, targets ...string) string {
	return fmt.Sprintf(`{"actor":{"id":"00uadmin","type":"User","alternateId":"admin@acme.test"},"displayMessage":"a message",`+
		`"eventType":%q,"outcome":%s,"published":"2026-03-01T11:30:00.000Z","severity":"INFO",`+
		`"debugContext":{"debugData":{"eventType":"group.lifecycle.delete"}},"uuid":"0d8c4f60-1f0a-11f1-8b7f-3f1f6f3d7a10","version":"0","target":[%s]}`,
		kind, outcome, strings.Join(targets, ","))
}

func targetOf(kind, id string) string {
	return fmt.Sprintf(`{"id":%q,"type":%q,"alternateId":"unknown","displayName":"a name","detailEntry":null}`, id, kind)
}

// deletedBy returns what the events of one page say was deleted: the service, the id, and the parents with their members.
func deletedBy(t testing.TB, change func(*okta.Config), events ...string) (all []string, page *okta.Page) {
	t.Helper()
	r := orgOf(t, elements(events), change).Reader(service(t, "logs"), okta.Begin{}, atEpoch)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	for _, d := range page.Deleted(0, len(page.Objects)) {
		text := d.Service + " " + d.ID
		for _, p := range d.Parents {
			text += " " + p.Name + "=" + p.ID
		}
		all = append(all, text)
	}
	return all, page
}

func asTheyAre(*okta.Config) {}

const success = `{"result":"SUCCESS","reason":null}`

func TestEventsSayWhatWasDeleted(t *testing.T) {
	user, group, app := targetOf("User", "00u1"), targetOf("UserGroup", "00g1"), targetOf("AppInstance", "0oa1")
	appUser := targetOf("AppUser", "0ua1")
	policy, rule := targetOf("PolicyEntity", "00p1"), targetOf("PolicyRule", "0pr1")
	for event, test := range map[string]struct {
		targets []string
		want    string
	}{
		"user.lifecycle.delete.completed":     {[]string{user}, "users 00u1"},
		"group.lifecycle.delete":              {[]string{group}, "groups 00g1"},
		"system.import.group.delete":          {[]string{app, group}, "groups 00g1"},
		"application.lifecycle.delete":        {[]string{app}, "apps 0oa1"},
		"application.user_membership.remove":  {[]string{appUser, app, user}, "app_users 00u1 @okta_app_id=0oa1"},
		"group.application_assignment.remove": {[]string{app, group}, "app_groups 00g1 @okta_app_id=0oa1"},
		"group.user_membership.remove":        {[]string{user, group}, "group_members 00u1 @okta_group_id=00g1"},
		"user.account.privilege.revoke":       {[]string{user}, "role_assignees 00u1"},
		"policy.lifecycle.delete":             {[]string{policy}, "policies 00p1"},
		"policy.rule.delete":                  {[]string{policy, rule}, "policy_rules 0pr1 @okta_policy_id=00p1"},
		"system.api_token.revoke":             {[]string{targetOf("Token", "00T1")}, "api_tokens 00T1"},
	} {
		t.Run(event, func(t *testing.T) {
			all, page := deletedBy(t, asTheyAre, eventOf(event, success, test.targets...))
			require.Equal(t, []string{test.want}, all)
			require.Equal(t, "0d8c4f60-1f0a-11f1-8b7f-3f1f6f3d7a10", page.Deleted(0, 1)[0].Event)
			require.Equal(t, "2026-03-01T11:30:00.000Z", page.Deleted(0, 1)[0].Published)
			require.Empty(t, page.Warnings)
			for i := range test.targets {
				others := slices.Delete(slices.Clone(test.targets), i, i+1)
				partly, _ := deletedBy(t, asTheyAre, eventOf(event, success, others...))
				require.Subset(t, []string{test.want}, partly, "without the parent, nobody knows of which one the object is gone")
			}
		})
	}
}

func TestTheOnlyTargetOfAnEventIsTheObjectThatWasDeleted(t *testing.T) {
	typed := []string{
		"users", "groups", "apps", "app_users", "app_groups", "group_members", "role_assignees", "policies", "policy_rules", "api_tokens",
	}
	for event, of := range okta.DeletionEvents() {
		if slices.Contains(typed, of) {
			continue
		}
		t.Run(event, func(t *testing.T) {
			all, _ := deletedBy(t, asTheyAre, eventOf(event, success, targetOf("Anything", "0xx1")))
			require.Equal(t, []string{of + " 0xx1"}, all)
			all, page := deletedBy(t, asTheyAre, eventOf(event, success, targetOf("Anything", "0xx1"), targetOf("Other", "0xx2")))
			require.Empty(t, all, "one of several is none")
			require.Equal(t, okta.WarnDeleted, page.Warnings[0].Kind)
		})
	}
}

func TestDeletionsAreOfTheCatalog(t *testing.T) {
	for event, of := range okta.DeletionEvents() {
		_, ok := okta.Lookup(of)
		require.True(t, ok, "%s is of %s", event, of)
	}
	for of, parents := range okta.DeletionParents() {
		c := service(t, of)
		require.Len(t, parents, len(c.Under), of)
		for i, kind := range parents {
			require.Equal(t, c.Under[i].Member == "", kind == "", of)
		}
	}
	for name := range okta.RecordTables {
		_, ok := okta.Lookup(name)
		require.False(t, ok, "no service is named %s", name)
	}
}

func TestEachObjectOfAnEventIsDeletedOnce(t *testing.T) {
	all, _ := deletedBy(t, asTheyAre, eventOf("group.user_membership.remove", success,
		targetOf("User", "00u1"), targetOf("UserGroup", "00g1"), targetOf("User", "00u2"), targetOf("User", "00u1")))
	require.Equal(t, []string{"group_members 00u1 @okta_group_id=00g1", "group_members 00u2 @okta_group_id=00g1"}, all)
}

func TestOnlyWhatSucceededIsDeleted(t *testing.T) {
	for outcome, want := range map[string]int{
		success: 1, `null`: 1, `{}`: 1, `{"result":null}`: 1,
		`{"result":"FAILURE"}`: 0, `{"result":"SKIPPED"}`: 0, `{"result":""}`: 0, `{"result":7}`: 0,
		`{"result":"` + strings.Repeat("x", 5000) + `"}`: 0,
	} {
		all, page := deletedBy(t, asTheyAre, eventOf("group.lifecycle.delete", outcome, targetOf("UserGroup", "00g1")))
		require.Len(t, all, want, outcome)
		require.Empty(t, page.Warnings, outcome)
	}
	all, _ := deletedBy(t, asTheyAre, `{"uuid":"a","eventType":"group.lifecycle.delete","target":[`+targetOf("UserGroup", "00g1")+`]}`)
	require.Equal(t, []string{"groups 00g1"}, all, "an event without an outcome")
	all, _ = deletedBy(t, asTheyAre, eventOf("user.session.start", success, targetOf("UserGroup", "00g1")))
	require.Empty(t, all, "the type is the event's own, not one of debugData")
}

func TestOddTargetsAreSkippedWithAWarning(t *testing.T) {
	group := targetOf("UserGroup", "00g1")
	long := strings.Repeat("g", 257)
	for name, target := range map[string]string{
		"no array": group, "null": "null", "empty": "[]", "a text": `"UserGroup"`, "numbers": "[1,2]", "arrays": "[[],[" + group + "]]",
		"no id": `[{"type":"UserGroup"}]`, "id is a number": `[{"type":"UserGroup","id":7}]`, "id is null": `[{"type":"UserGroup","id":null}]`,
		"another type": "[" + targetOf("User", "00u1") + "]", "type is an object": `[{"type":{},"id":"00g1"}]`,
		"empty id": "[" + targetOf("UserGroup", "") + "]", "long id": "[" + targetOf("UserGroup", long) + "]",
		"long in escapes": `[{"type":"UserGroup","id":"` + strings.Repeat(`\u0067`, 257) + `"}]`,
		"a path":          "[" + targetOf("UserGroup", "../users") + "]", "a quote": `[{"type":"UserGroup","id":"a\"b"}]`, "a line end": `[{"type":"UserGroup","id":"a\nb"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			event := `{"uuid":"a","eventType":"group.lifecycle.delete","target":` + target + `}`
			all, page := deletedBy(t, asTheyAre, event)
			require.Empty(t, all)
			require.Len(t, page.Objects, 1, "the event itself is shipped")
			require.Equal(t, okta.WarnDeleted, page.Warnings[0].Kind)
			all, _ = deletedBy(t, asTheyAre, event, eventOf("group.lifecycle.delete", success, group))
			require.Equal(t, []string{"groups 00g1"}, all, "the others are read")
		})
	}
}

func TestThousandsOfTargetsCostBoundedMemory(t *testing.T) {
	var targets []string
	users := []string{targetOf("UserGroup", "00g1")}
	for i := range 5000 {
		users = append(users, targetOf("User", fmt.Sprintf("00u%d", i)))
		targets = append(targets, targetOf("User", fmt.Sprintf("00u%d", i)), targetOf("UserGroup", fmt.Sprintf("00g%d", i)))
	}
	event := eventOf("group.user_membership.remove", success, targets...)
	all, page := deletedBy(t, asTheyAre, event)
	require.Len(t, all, 64)
	require.Equal(t, okta.WarnDeleted, page.Warnings[0].Kind, "the others have no record")
	all, page = deletedBy(t, asTheyAre, eventOf("group.user_membership.remove", success, users[:65]...))
	require.Len(t, all, 64)
	require.Empty(t, page.Warnings, "all have one")

	var events []string
	few := eventOf("group.user_membership.remove", success, targets[:128]...)
	for range 400 {
		events = append(events, few)
	}
	all, page = deletedBy(t, asTheyAre, events...)
	require.LessOrEqual(t, len(all), 10_000)
	require.Equal(t, okta.WarnDeleted, page.Warnings[0].Kind)
}

func TestWhatIsDeletedGoesWithTheBatchOfItsEventWhetherThatIsDroppedOrNot(t *testing.T) {
	var events []string
	for i := range 12 {
		kind := []string{"group.lifecycle.delete", "x.y", "user.lifecycle.delete.completed", "a.b"}[i%4]
		events = append(events, eventOf(kind, success, targetOf("UserGroup", fmt.Sprintf("00g%d", i)), targetOf("User", fmt.Sprintf("00u%d", i))))
	}
	drop := func(c *okta.Config) { c.DropEvents = []string{"x.y", "user.lifecycle.delete.completed"} }
	all, page := deletedBy(t, drop, events...)
	require.Equal(t, []string{"groups 00g0", "users 00u2", "groups 00g4", "users 00u6", "groups 00g8", "users 00u10"}, all)
	require.Len(t, page.Objects, 6)
	r := orgOf(t, elements(events), drop).Reader(service(t, "logs"), okta.Begin{}, atEpoch)
	for n := 1; n < len(page.Objects); n++ {
		rest, err := r.Next(t.Context(), durable(t, page.After(n)))
		require.NoError(t, err)
		var ids []string
		for _, d := range append(page.Deleted(0, n), rest.Deleted(0, len(rest.Objects))...) {
			ids = append(ids, d.Service+" "+d.ID)
		}
		require.Equal(t, all, ids, "whatever was delivered, the rest is delivered once, after %d", n)
	}
	onlyDropped, page := deletedBy(t, drop, events[2])
	require.Equal(t, []string{"users 00u2"}, onlyDropped)
	require.Empty(t, page.Objects)
	require.True(t, page.Ships())
}

func TestIdsOfWhatIsDeletedAreRedactedAsInTheEvent(t *testing.T) {
	event := eventOf("user.lifecycle.delete.completed", success, targetOf("User", "00usecret"))
	for name, drop := range map[string][]string{"an event": nil, "a dropped event": {"user.lifecycle.delete.completed"}} {
		t.Run(name, func(t *testing.T) {
			all, page := deletedBy(t, func(c *okta.Config) {
				c.DropEvents = drop
				c.Redact = map[string][]redact.Rule{"logs": {{Path: "target.id", Action: redact.Remove}}}
			}, event)
			require.NotContains(t, fmt.Sprint(all, page.Warnings), "00usecret")
			require.Empty(t, all)
		})
	}
}

func TestABackfillOfLogsSaysWhatWasDeletedToo(t *testing.T) {
	org, _ := newOrg(t, elements([]string{eventOf("group.lifecycle.delete", success, targetOf("UserGroup", "00g1"))}))
	r := org.Backfill(service(t, "logs"), checkpoint.Range{Since: epoch.Add(-24 * time.Hour), Until: epoch}, atEpoch)
	defer r.Close()
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	require.Equal(t, "00g1", page.Deleted(0, 1)[0].ID)
}

// Whatever an event of a deletion looks like, what is read of it is small and can stand in a record.
func FuzzDeletedObjects(f *testing.F) {
	for _, target := range []string{
		targetOf("User", "00u1") + "," + targetOf("UserGroup", "00g1"), `[`, `{"type":"User","id":"a\ud800"}`, `null,7,"x",{}`,
		`{"id":"00u1","type":"User","type":"UserGroup"}`, "{\"id\":\"\xff\",\"type\":\"User\"}",
	} {
		f.Add(target, "2026-03-01T11:30:00.000Z")
	}
	f.Fuzz(func(t *testing.T, target, published string) {
		event := fmt.Sprintf(`{"uuid":"a","eventType":"group.user_membership.remove","published":%q,"target":[%s]}`, published, target)
		r := orgOf(t, elements([]string{event}), asTheyAre).Reader(service(t, "logs"), okta.Begin{}, atEpoch)
		page, err := r.Next(t.Context(), checkpoint.Position{})
		if err != nil {
			return // it was no list
		}
		all := page.Deleted(0, len(page.Objects))
		require.LessOrEqual(t, len(all), 64)
		for _, d := range all {
			for _, text := range []string{d.ID, d.Event, d.Published, d.Parents[0].ID} {
				require.LessOrEqual(t, len(text), 256)
				require.NotContains(t, text, `"`)
				require.NotContains(t, text, "\n")
			}
			require.NotEmpty(t, d.ID)
		}
		page.Release()
	})
}

func TestEachObjectThatAnOrgDeletesIsReadOnce(t *testing.T) {
	sim, c := newSim(t, func(c *oktasim.Config) {
		c.Counts = map[string]int{}
		for _, name := range oktasim.Services() {
			c.Counts[name] = 60
		}
		c.Counts["group_members"], c.Counts["app_users"] = 6, 6
		c.LiveEvery, c.TurnEvery = time.Second, 2
	})
	c.Advance(10 * time.Minute)
	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "logs"), okta.Begin{Since: epoch}, c.Now)
	defer r.Close()
	got := map[string]int{}
	for pos := (checkpoint.Position{}); ; {
		page, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		for _, d := range page.Deleted(0, len(page.Objects)) {
			got[d.Event+" "+d.Service+" "+d.ID]++
		}
		pos = page.Position
		if page.CaughtUp {
			break
		}
	}
	want := map[string]int{}
	for _, d := range sim.Deletions() {
		want[d.Event+" "+d.Service+" "+sim.ID(d.Service, d.Number)]++
	}
	require.NotEmpty(t, want)
	require.Equal(t, want, got)
}
