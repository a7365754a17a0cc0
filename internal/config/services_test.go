package config_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/config"
	"okta-collector/internal/okta"
)

// chosen are the services of a group.
func chosen(group string) (names []string) {
	for _, c := range okta.Services().Choose(group) {
		names = append(names, c.Name)
	}
	return names
}

// without are all of these names but some.
func without(names []string, some ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(some, name) })
}

func TestServicesAreChosenByNameAndByGroupAndLeftOut(t *testing.T) {
	both := without(okta.ServiceNames(), without(okta.ServiceNames(), append(chosen("default"), chosen("identity")...)...)...)
	for value, want := range map[string][]string{
		"":                                    okta.DefaultServices,
		"default":                             okta.DefaultServices,
		"identity":                            chosen("identity"),
		"all":                                 chosen("all"),
		"default,identity":                    both,
		"identity, default":                   both,
		"zones,logs,zones":                    {"logs", "zones"},
		"default,zones":                       okta.DefaultServices,
		"default,user_factors":                append(chosen("default"), "user_factors"),
		"default,identity,-devices":           without(slices.Clone(both), "devices"),
		"-devices,default,identity":           without(slices.Clone(both), "devices"),
		"-apps":                               without(chosen("default"), "apps"),
		"-apps,-clients":                      without(chosen("default"), "apps", "clients"),
		"-user_factors":                       okta.DefaultServices,
		"all,-identity":                       without(chosen("all"), chosen("identity")...),
		"all,-identity,-default":              without(without(chosen("all"), chosen("identity")...), chosen("default")...),
		"identity,-identity,-zones,idps,logs": {"logs", "idps"},
	} {
		t.Run(value, func(t *testing.T) {
			c := valid().with("OKTA_SERVICES", value).mustLoad(t)
			require.Equal(t, want, c.Tenants[0].Services)
		})
	}
}

func TestEachTenantChoosesForItself(t *testing.T) {
	c := two().with("OKTA_SERVICES", "logs", "ACME_OKTA_SERVICES", "identity", "OKTA_POLL", "users=1h", "ACME_OKTA_POLL", "devices=2h").mustLoad(t)
	require.Equal(t, chosen("identity"), c.Tenants[0].Services)
	require.Equal(t, []string{"logs"}, c.Tenants[1].Services)
	require.Equal(t, map[string]time.Duration{"devices": 2 * time.Hour}, c.Tenants[0].Okta.Poll)
	require.Equal(t, map[string]time.Duration{"users": time.Hour}, c.Tenants[1].Okta.Poll)
}

func TestTimesBetweenPullsAreReadByService(t *testing.T) {
	c := valid().with("OKTA_POLL", "devices=1h, policies = 6h,app_users=30d,zones=1s").mustLoad(t)
	require.Equal(t, map[string]time.Duration{
		"devices": time.Hour, "policies": 6 * time.Hour, "app_users": 30 * 24 * time.Hour, "zones": time.Second,
	}, c.Tenants[0].Okta.Poll)
	require.Nil(t, valid().mustLoad(t).Tenants[0].Okta.Poll)
}

func TestServicesAndTimesThatCannotBeAreNamedWithWhatCan(t *testing.T) {
	for _, test := range []struct{ setting, value, want string }{
		{"OKTA_SERVICES", "logs,user", `has "user", which is neither a service nor a group; did you mean users`},
		{"OKTA_SERVICES", "identities", "did you mean identity?"},
		{"OKTA_SERVICES", "-polices", `has "polices", which is neither a service nor a group; did you mean policies?`},
		{"OKTA_SERVICES", "nosuch", "bin/starter services lists all"},
		{"OKTA_SERVICES", "--devices", `has "-devices"`},
		{"OKTA_SERVICES", "-", `has "", which is neither`},
		{"OKTA_SERVICES", "All", "did you mean all?"},
		{"OKTA_SERVICES", ",", "names no service; want services or groups of them: default, identity, all"},
		{"OKTA_SERVICES", "-default", "leaves out all that it names"},
		{"OKTA_SERVICES", "-all", "leaves out all that it names"},
		{"OKTA_SERVICES", "zones,-zones", "leaves out all that it names"},
		{"OKTA_POLL", "device=1h", `has "device", which is not a service; did you mean devices`},
		{"OKTA_POLL", "identity=1h", "has the group identity; want service=duration"},
		{"OKTA_POLL", "logs=1h", "has logs; want OKTA_POLL_LOGS for it"},
		{"OKTA_POLL", "devices=1h,devices=2h", "has devices twice"},
		{"OKTA_POLL", "devices", `gives devices the time ""; want a duration from 1s to 30d`},
		{"OKTA_POLL", "devices=", `gives devices the time ""`},
		{"OKTA_POLL", "devices=soon", `gives devices the time "soon"`},
		{"OKTA_POLL", "devices=999ms", "want a duration from 1s to 30d"},
		{"OKTA_POLL", "devices=0s", "want a duration from 1s to 30d"},
		{"OKTA_POLL", "devices=-1h", "want a duration from 1s to 30d"},
		{"OKTA_POLL", "devices=31d", "want a duration from 1s to 30d"},
		{"OKTA_POLL", "=1h", `has "", which is not a service`},
	} {
		t.Run(test.setting+" "+test.value, func(t *testing.T) {
			_, _, err := valid().with(test.setting, test.value).load(t)
			var problems config.Problems
			require.ErrorAs(t, err, &problems)
			require.Len(t, problems, 1)
			require.Equal(t, test.setting, problems[0].Setting)
			require.Contains(t, problems[0].Text, test.want)
			require.Less(t, len(problems[0].Text), 200, "no error lists the catalog")
		})
	}
}
