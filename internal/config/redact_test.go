package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/redact"
)

func TestWhatDoesNotLeaveIsReadForEachTenant(t *testing.T) {
	key := write(t, "key", []byte(strings.Repeat("0123456789abcdef", 4)+"\n"))
	c := two().with("OKTA_REDACT", "users:profile.mobilePhone, logs:client.ipAddress=hash,logs:debugContext.debugData.url", "OKTA_REDACT_KEY_FILE", key,
		"GLOBEX_EU_OKTA_REDACT", "apps:label", "OKTA_DROP_EVENTS", "user.session.start, user.authentication.auth_via_IDP").mustLoad(t)
	require.Equal(t, map[string][]redact.Rule{
		"users": {{Path: "profile.mobilePhone", Action: redact.Remove}},
		"logs":  {{Path: "client.ipAddress", Action: redact.Join}, {Path: "debugContext.debugData.url", Action: redact.Remove}},
	}, c.Tenants[0].Okta.Redact)
	require.Equal(t, map[string][]redact.Rule{"apps": {{Path: "label", Action: redact.Remove}}}, c.Tenants[1].Okta.Redact)
	for _, tenant := range c.Tenants {
		require.True(t, tenant.Okta.RedactKey.IsSet())
		require.Equal(t, []string{"user.session.start", "user.authentication.auth_via_IDP"}, tenant.Okta.DropEvents)
	}

	c = valid().mustLoad(t)
	require.Nil(t, c.Tenants[0].Okta.Redact)
	require.False(t, c.Tenants[0].Okta.RedactKey.IsSet())
	require.Empty(t, c.Tenants[0].Okta.DropEvents)
}

func TestWhatCannotBeRedactedOrDroppedIsRefusedAtStart(t *testing.T) {
	const services = "about no service; want service:member"
	for _, test := range []struct{ setting, value, want string }{
		{"OKTA_REDACT", "user:profile.mobilePhone", services},
		{"OKTA_REDACT", "profile.mobilePhone", services},
		{"OKTA_REDACT", "users", "names no member"},
		{"OKTA_REDACT", "users:", "names no member"},
		{"OKTA_REDACT", "users:profile..x", "names no member"},
		{"OKTA_REDACT", "users:.profile", "names no member"},
		{"OKTA_REDACT", "users:@devo_pulling_id", "names no member"},
		{"OKTA_REDACT", "users:a\"b", "names no member"},
		{"OKTA_REDACT", "users:" + strings.Repeat("x.", 150) + "x", "names no member"},
		{"OKTA_REDACT", "users:profile.mobilePhone=sha256", "not by =hash"},
		{"OKTA_REDACT", "users:profile.mobilePhone=", "not by =hash"},
		{"OKTA_REDACT", "users:profile.a,users:profile.a", "twice"},
		{"OKTA_REDACT", "users:profile.mobilePhone=hash", "OKTA_REDACT_KEY_FILE is missing"},
		{"OKTA_REDACT", "users:id", "needs to tell objects apart"},
		{"OKTA_REDACT", "logs:uuid", "needs to tell objects apart"},
		{"OKTA_REDACT", "logs:published", "needs to tell objects apart"},
		{"OKTA_REDACT", "clients:client_id", "needs to tell objects apart"},
		{"OKTA_REDACT", "clients:client_secret=hash", "is a secret"},
		{"OKTA_REDACT", "apps:id", "needs to tell objects apart"},
		{"OKTA_REDACT_KEY_FILE", write(t, "key", []byte("short")), "at least 32"},
		{"OKTA_REDACT_KEY_FILE", "/nowhere/key", "/nowhere/key"},
		{"OKTA_DROP_EVENTS", "session", "no type of events"},
		{"OKTA_DROP_EVENTS", "user.session.*", "no type of events"},
	} {
		t.Run(test.setting+" "+test.value, func(t *testing.T) {
			_, _, err := valid().with(test.setting, test.value).load(t)
			require.ErrorContains(t, err, test.setting)
			require.ErrorContains(t, err, test.want)
		})
	}
}
