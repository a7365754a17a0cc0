package oktasim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// everything counts objects of every service: so many of what is listed once, a few of what is listed under parents.
func everything(n int) map[string]int {
	all := map[string]int{}
	for _, s := range oktasim.Services() {
		if all[s] = n; strings.Contains(oktasim.Path(s), "{}") {
			all[s] = 3
		}
	}
	all["user_roles"] = 8
	all["role_assignees"] = min(n, 12)
	all["policies"], all["rate_limits"] = 4, 4
	return all
}

// required are the parameters without which services are not listed.
var required = map[string][]string{
	"policies": {
		"type=OKTA_SIGN_ON", "type=PASSWORD", "type=MFA_ENROLL", "type=IDP_DISCOVERY", "type=ACCESS_POLICY", "type=PROFILE_ENROLLMENT",
		"type=POST_AUTH_SESSION", "type=ENTITY_RISK", "type=DEVICE_SIGNAL_COLLECTION", "type=SESSION_VIOLATION_DETECTION", "type=CLIENT_UPDATE",
		"type=IDENTITY_CLAIM_SOURCING",
	},
	"rate_limits": {`filter=principalType+eq+"SSWS_TOKEN"`, `filter=principalType+eq+"OAUTH_CLIENT"`},
	"devices":     {"expand=user"},
	"users":       {`filter=lastUpdated+gt+"1970-01-01T00:00:00Z"`},
}

// listings are the addresses that list a service, in the order of its objects.
func listings(org *oktasim.Org, service string) []string {
	var all []string
	for i := range org.All(service) {
		path := oktasim.Path(service)
		for id := range strings.SplitSeq(org.ParentID(service, i), "/") {
			path = strings.Replace(path, "{}", url.PathEscape(id), 1)
		}
		if !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	if queries := required[service]; len(queries) > 0 {
		path := all[0]
		all = all[:0]
		for _, query := range queries {
			all = append(all, path+"?"+strings.ReplaceAll(query, `"`, "%22"))
		}
	}
	return all
}

// with adds a parameter to an address.
func with(target, parameter string) string {
	if strings.Contains(target, "?") {
		return target + "&" + parameter
	}
	return target + "?" + parameter
}

// paged follows the links of any service to the end, and returns the objects and the number of pages.
func paged(t testing.TB, org *oktasim.Org, target string) (all []json.RawMessage, pages int) {
	t.Helper()
	for target != "" {
		w := get(t, org, target)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", target, w.Body)
		pages++
		require.Less(t, pages, 1000)
		target = related(w, "next")
		if w.Body.Bytes()[0] == '[' {
			var page []json.RawMessage
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &page))
			if all = append(all, page...); len(page) == 0 {
				return all, pages // the log never ends
			}
			continue
		}
		var answer map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		var links struct {
			Next struct{ Href string } `json:"next"`
		}
		if raw, ok := answer["_links"]; ok {
			require.NoError(t, json.Unmarshal(raw, &links))
		}
		delete(answer, "_links")
		objects, enveloped := only(answer)
		if !enveloped {
			return append(all, w.Body.Bytes()), pages
		}
		all, target = append(all, objects...), links.Next.Href
	}
	return all, pages
}

// only returns the array that is the only member of an object.
func only(answer map[string]json.RawMessage) (objects []json.RawMessage, ok bool) {
	for _, member := range answer {
		return objects, len(answer) == 1 && json.Unmarshal(member, &objects) == nil
	}
	return nil, false
}

// keys are the members that identify objects of services which have no id.
var keys = map[string]string{
	"logs": "uuid", "clients": "client_id", "user_clients": "client_id", "app_keys": "kid", "idp_keys": "kid", "role_permissions": "label",
	"authenticator_methods": "type", "app_features": "name", "email_templates": "name", "org_contacts": "contactType",
	"user_role_apps": "name", "group_role_apps": "name", "client_role_apps": "name", "user_devices": "deviceUserId",
}

func TestEveryServiceListsEachOfItsObjectsOnce(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for _, service := range oktasim.Services() {
		if service == "logs" {
			continue // whose order is another one
		}
		require.Positive(t, org.Count(service), service)
		n := 0
		for _, listing := range listings(org, service) {
			all, _ := paged(t, org, listing)
			require.NotEmpty(t, all, listing)
			for _, object := range all {
				forms := org.Revisions(service, n)
				require.True(t, slices.ContainsFunc(forms, func(form []byte) bool { return string(form) == string(object) }), "%s %d: %s", service, n, object)
				require.Equal(t, string(forms[0]), string(org.Object(service, n)))
				n++
			}
		}
		require.Equal(t, org.Count(service), n, service)
	}
}

func TestEveryIdentityLeadsBackToItsObject(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for _, service := range oktasim.Services() {
		seen := map[string]bool{}
		for i, object := range org.All(service) {
			parent, id := org.ParentID(service, i), org.ID(service, i)
			require.False(t, seen[parent+"/"+id], "%s %d", service, i)
			seen[parent+"/"+id] = true
			found, ok := org.Find(service, parent, id)
			require.True(t, ok, "%s %d", service, i)
			require.Equal(t, i, found, service)
			if service == "threat_configuration" || service == "bot_protection" {
				require.Empty(t, id)
				continue
			}
			var members map[string]any
			require.NoError(t, json.Unmarshal(object, &members))
			if service == "linked_objects" {
				members = members["primary"].(map[string]any)
				members["id"] = members["name"]
			}
			key := "id"
			if keys[service] != "" {
				key = keys[service]
			}
			require.Equal(t, id, members[key], service)
		}
	}
}

func TestPageSizesAreThoseOfOkta(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) {
		c.Counts = everything(130)
		c.Counts["email_templates"], c.Counts["role_permissions"] = 22, 10
	})
	for service, standard := range map[string]int{
		"group_rules": 50, "devices": 130, "behaviors": 10, "brands": 20, "email_templates": 10, "log_streams": 20, "mappings": 20,
		"trusted_origins": 20, "realms": 10, "realm_assignments": 20, "idp_keys": 20, "auth_servers": 130, "roles": 20, "resource_sets": 20,
		"role_permissions": 10, "authenticators": 130, "event_hooks": 130, "features": 130, "api_tokens": 130, "domains": 130, "email_servers": 130,
		"service_accounts": 20,
	} {
		listing := listings(org, service)[0]
		all, pages := paged(t, org, listing)
		require.Equal(t, (len(all)+standard-1)/standard, pages, service)
	}
	_, pages := paged(t, org, "/api/v1/realms?limit=65")
	require.Equal(t, 2, pages)
	_, pages = paged(t, org, "/api/v1/iam/assignees/users?limit=5")
	require.Equal(t, 3, pages, "the link in the body keeps the limit")
}

func TestAnEndpointWithoutALimitIgnoresOneAndRefusesTwo(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for _, service := range []string{"api_tokens", "authenticators", "behaviors", "policies", "roles", "user_factors"} {
		listing := listings(org, service)[0]
		plain, pages := paged(t, org, listing)
		limited, same := paged(t, org, with(listing, "limit=1"))
		require.Len(t, limited, len(plain), service)
		require.Equal(t, pages, same, service)
		require.Equal(t, "E0000037", errorCode(t, get(t, org, with(listing, "limit=1&limit=2")).Body.Bytes()))
	}
}

func TestEveryServiceRefusesWhatItDoesNotKnow(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	for _, service := range oktasim.Services() {
		listing := listings(org, service)[0]
		require.Equal(t, http.StatusBadRequest, get(t, org, with(listing, "sortBy=name")).Code, service)
		require.Equal(t, http.StatusBadRequest, get(t, org, with(listing, "after=x")).Code, service)
		if strings.Contains(oktasim.Path(service), "{}") {
			w := get(t, org, strings.ReplaceAll(oktasim.Path(service), "{}", "x"))
			require.Equal(t, "E0000007", errorCode(t, w.Body.Bytes()), service)
		}
	}
	for _, target := range []string{
		"/api/v1/policies", "/api/v1/policies?type=okta_sign_on", "/api/v1/principal-rate-limits", "/api/v1/principal-rate-limits?filter=SSWS_TOKEN",
		"/api/v1/realms?limit=0", "/api/v1/realms?limit=201", "/api/v1/principal-rate-limits?filter=principalType+eq+%22SSWS_TOKEN%22&limit=51",
	} {
		require.Equal(t, "E0000001", errorCode(t, get(t, org, target).Body.Bytes()), target)
	}
	for _, target := range []string{
		"/api/v1/devices?expand=userSummary", "/api/v1/devices?search=status+eq+%22ACTIVE%22+or", "/api/v1/devices?filter=status+eq+%22ACTIVE%22",
		"/api/v1/devices?search=profile.platform+eq+%22MACOS%22",
	} {
		require.Equal(t, "E0000031", errorCode(t, get(t, org, target).Body.Bytes()), target)
	}
}

// roles says of each role assignment what it is.
type role struct{ Type string }

func TestOnlySomeRolesHaveTargets(t *testing.T) {
	org, _ := newOrg(t, func(c *oktasim.Config) { c.Counts = everything(130) })
	takes := map[string]string{"APP_ADMIN": "apps", "USER_ADMIN": "groups", "HELP_DESK_ADMIN": "groups", "GROUP_MEMBERSHIP_ADMIN": "groups"}
	for service, of := range map[string]string{"user": "/api/v1/users/", "group": "/api/v1/groups/", "client": "/oauth2/v1/clients/"} {
		for i, object := range org.All(service + "_roles") {
			var is role
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
