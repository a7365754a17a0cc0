package okta_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
)

func TestAGroupHasWhatItsNameSays(t *testing.T) {
	names := func(c okta.Catalog) (names []string) {
		for _, collection := range c {
			names = append(names, collection.Name)
		}
		return names
	}
	require.Equal(t, okta.DefaultServices, names(okta.Services().Choose(okta.GroupDefault)))

	identity := names(okta.Services().Choose(okta.GroupIdentity))
	for _, name := range []string{
		"user_roles", "group_roles", "client_roles", "user_role_apps", "group_role_groups", "roles", "role_permissions", "resource_sets",
		"resource_set_members", "api_tokens", "devices", "authenticators", "group_rules", "group_owners", "policies", "policy_rules",
	} {
		require.Contains(t, identity, name)
	}

	all := names(okta.Services().Choose(okta.GroupAll))
	require.Subset(t, all, okta.DefaultServices)
	require.Subset(t, all, identity)
	for _, c := range okta.Services() {
		require.Equal(t, !strings.HasPrefix(c.Path, "/api/v1/users/{user}/") || c.Under[0].Of == "role_assignees", c.In(okta.GroupAll), c.Name)
	}
}

func TestANameChoosesOneServiceAndAnUnknownOneNone(t *testing.T) {
	chosen := okta.Services().Choose("user_factors")
	require.Len(t, chosen, 1)
	require.Equal(t, "user_factors", chosen[0].Name)
	require.Empty(t, okta.Services().Choose("nosuch"))
	require.Empty(t, okta.Services().Choose(""))
}

func TestNoServiceHasTheNameOfAGroup(t *testing.T) {
	for _, group := range okta.Groups() {
		require.NotContains(t, okta.ServiceNames(), group)
		require.NotEmpty(t, okta.Services().Choose(group))
	}
}

func TestTheScopesOfAServiceAreThoseOfWhatIsAboveItToo(t *testing.T) {
	require.Equal(t, []string{"okta.networkZones.read"}, okta.Services().Choose("zones").Scopes())
	require.Equal(t, []string{"okta.groups.read", "okta.roles.read"}, okta.Services().Choose("group_role_apps").Scopes())
	require.Equal(t, []string{"okta.policies.read"}, okta.Services().Choose("policy_rules").Scopes())
}

func TestNamesAreSuggestedForOneThatIsNotKnown(t *testing.T) {
	const all = "bin/starter services lists all"
	for _, test := range []struct{ name, want string }{
		{"user", "did you mean users or app_users or idp_users? " + all},
		{"polices", "did you mean policies? " + all},
		{"members", "did you mean group_members or resource_set_members? " + all},
		{"identities", "did you mean identity? " + all},
		{"x", all},
		{"", all},
		{"nothing like any of them", all},
		{strings.Repeat("users", 100), all},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, okta.Suggestion(test.name, okta.Groups()...))
		})
	}
}
