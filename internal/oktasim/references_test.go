package oktasim_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestOnlySomeRolesHaveTargets(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	takes := map[string]string{"APP_ADMIN": "apps", "USER_ADMIN": "groups", "HELP_DESK_ADMIN": "groups", "GROUP_MEMBERSHIP_ADMIN": "groups"}
	for service, of := range map[string]string{"user": "/api/v1/users/", "group": "/api/v1/groups/", "client": "/oauth2/v1/clients/"} {
		for i, object := range org.All(service + "_roles") {
			var is struct{ Type string }
			require.NoError(t, json.Unmarshal(object, &is))
			at := of + org.ParentID(service+"_roles", i) + "/roles/" + org.ID(service+"_roles", i) + "/targets/"
			for kind, path := range map[string]string{"apps": "catalog/apps", "groups": "groups"} {
				w := get(t, org, at+path)
				if takes[is.Type] == kind {
					require.NotEmpty(t, objects(t, w))
				} else {
					require.Equal(t, "E0000001", errorCode(t, w.Body.Bytes()), is.Type)
				}
			}
		}
	}
}

func TestTheAssigneesAreTheUsersThatHaveRoles(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for i := range org.Count("users") {
		id := org.ID("users", i)
		_, assignee := org.Find("role_assignees", "", id)
		require.Equal(t, assignee, len(objects(t, get(t, org, "/api/v1/users/"+id+"/roles"))) > 0, id)
	}
}

func TestWhatAnAppIsDecidesWhatItHas(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for i, object := range org.All("apps") {
		var app struct {
			SignOnMode string
			Features   []string
		}
		require.NoError(t, json.Unmarshal(object, &app))
		at := "/api/v1/apps/" + org.ID("apps", i)
		jwks, features := get(t, org, at+"/credentials/jwks"), get(t, org, at+"/features")
		require.Equal(t, app.SignOnMode == "OPENID_CONNECT", jwks.Code == http.StatusOK)
		require.Equal(t, len(app.Features) > 0, features.Code == http.StatusOK)
		if features.Code != http.StatusOK {
			require.Contains(t, features.Body.String(), "Provisioning is not supported.")
		}
	}
}

func TestReferencesAreTrue(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	of := map[string][]string{
		"00u": {"users"}, "00g": {"groups"}, "cr0": {"roles"}, "iam": {"resource_sets"}, "aus": {"auth_servers"}, "bnd": {"brands"},
		"nzo": {"zones"}, "oty": {"user_types"}, "guo": {"devices", "realms"}, "0oa": {"apps", "clients", "idps", "log_streams", "agent_pools", "api_services"},
	}
	for _, service := range oktasim.Services()[7:] {
		for _, object := range org.All(service) {
			for _, id := range ids(object) {
				for _, one := range of[id[:3]] {
					if _, ok := org.Find(one, "", id); ok {
						id = ""
						break
					}
				}
				require.True(t, id == "" || of[id[:3]] == nil, "%s: %s in %s", service, id, object)
			}
		}
	}
}

// ids are the texts in an object that look like ids, whole or as parts of a path.
func ids(object []byte) []string {
	return slices.DeleteFunc(strings.FieldsFunc(string(object), func(r rune) bool {
		return strings.ContainsRune(`"/?&=:`, r)
	}), func(text string) bool { return len(text) != 20 || !strings.HasSuffix(text, "0g4") })
}

func TestTheOrderOfMembersDiffersFromAnswerToAnswer(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(20) })
	for _, service := range []string{"devices", "device_assurances"} {
		forms := map[string]bool{}
		for range 4 {
			all, _ := paged(t, org, listings(org, service)[0])
			forms[string(all[2])] = true
			require.JSONEq(t, string(org.Object(service, 2)), string(all[2]))
		}
		require.Len(t, forms, 3)
		require.Len(t, org.Revisions(service, 2), 3)
	}
}

func TestDevicesNameTheirUsersOnlyIfAsked(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(20) })
	require.NotContains(t, get(t, org, "/api/v1/devices").Body.String(), "_embedded")
	require.Equal(t, 20, strings.Count(get(t, org, "/api/v1/devices?expand=user").Body.String(), `"_embedded":{"users":[`))
}

func TestLimitsAMinuteAreThoseOfTheEndpoint(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts, c.Unlimited, c.Plan = everything(20), false, "workforce" })
	for service, limit := range map[string]int{
		"agent_pools": 10, "devices": 50, "policies": 500, "policy_rules": 500, "brands": 100, "email_templates": 600, "log_streams": 300,
		"group_rules": 500, "user_factors": 600, "features": 1000, "hook_keys": 1200, "resource_set_members": 100, "client_roles": 100,
	} {
		w := get(t, org, listings(org, service)[0])
		require.Equal(t, strconv.Itoa(limit), w.Header().Get("X-Rate-Limit-Limit"), service)
	}
}

func TestObjectsAreAboutAsLargeAsRecordedOnes(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for service, recorded := range map[string]int{
		"group_rules": 442, "group_owners": 174, "user_roles": 298, "role_permissions": 332, "resource_set_resources": 389, "api_tokens": 506,
		"devices": 1052, "authenticators": 772, "authenticator_methods": 274, "policies": 793, "policy_rules": 624, "auth_servers": 1845,
		"auth_server_scopes": 470, "auth_server_claims": 383, "auth_server_policies": 791, "auth_server_policy_rules": 876, "behaviors": 469,
		"brands": 531, "email_templates": 856, "email_customizations": 1115, "domains": 415, "event_hooks": 885, "inline_hooks": 779,
		"features": 773, "log_streams": 500, "mappings": 663, "user_types": 556, "linked_objects": 346, "ui_schemas": 575,
		"trusted_origins": 574, "realms": 287, "realm_assignments": 517, "device_assurances": 1380, "push_providers": 366, "rate_limits": 330,
		"captchas": 263, "sms_templates": 299, "app_grants": 681, "app_keys": 1902, "idp_keys": 2095, "app_push_groups": 472, "user_factors": 782,
	} {
		var sizes []int
		for _, object := range org.All(service) {
			sizes = append(sizes, len(object))
		}
		slices.Sort(sizes)
		require.InEpsilon(t, recorded, sizes[len(sizes)/2], 0.4, "%s: median", service)
	}
}
