package test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// specification is Okta's own, cut down to its collections. It is not part of this repository, but lies beside its folder.
const specification = "../../shared/okta-openapi/collections.yaml"

func TestObjectsAreWhatOktasSpecificationSays(t *testing.T) {
	if _, err := os.Stat(specification); errors.Is(err, fs.ErrNotExist) {
		missing(t, "Okta's specification "+specification)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(specification)
	require.NoError(t, err)
	counts := map[string]int{"app_users": 7, "app_groups": 3, "group_members": 5}
	for _, service := range []string{"logs", "users", "groups", "apps", "clients", "idps", "zones"} {
		counts[service] = 300
	}
	epoch := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	org, err := oktasim.New(oktasim.Config{
		Seed: 7, Token: "00-simulated-token", Epoch: epoch, Counts: counts, Unlimited: true, Now: func() time.Time { return epoch },
	})
	require.NoError(t, err)
	for service, endpoint := range map[string]string{
		"logs": "/api/v1/logs", "users": "/api/v1/users", "groups": "/api/v1/groups", "apps": "/api/v1/apps",
		"clients": "/oauth2/v1/clients", "idps": "/api/v1/idps", "zones": "/api/v1/zones",
		"app_users": "/api/v1/apps/{appId}/users", "app_groups": "/api/v1/apps/{appId}/groups",
		"group_members": "/api/v1/groups/{groupId}/users",
	} {
		t.Run(service, func(t *testing.T) {
			require.Contains(t, *doc.Paths.Value(endpoint).Get.Security, openapi3.SecurityRequirement{"oauth2": {oktasim.Scope(service)}})
			answer := doc.Paths.Value(endpoint).Get.Responses.Status(200).Value
			schema := answer.Content.Get("application/json").Schema.Value.Items.Value
			for i, object := range org.All(service) {
				var value any
				require.NoError(t, json.Unmarshal(object, &value))
				// Recorded answers contain nulls that the specification does not allow.
				value = withoutNulls(value)
				require.NoError(t, specific(t, doc, schema, value).VisitJSON(value), "%s %d: %s", service, i, object)
			}
		})
	}
}

// specific returns the schema that an object's discriminator names: that of an app's sign-on mode or a zone's type.
func specific(t *testing.T, doc *openapi3.T, schema *openapi3.Schema, value any) *openapi3.Schema {
	t.Helper()
	if schema.Discriminator == nil {
		return schema
	}
	kind, ok := value.(map[string]any)[schema.Discriminator.PropertyName].(string)
	require.True(t, ok)
	ref, ok := schema.Discriminator.Mapping[kind]
	require.True(t, ok, kind)
	found, ok := doc.Components.Schemas[path.Base(ref.Ref)]
	require.True(t, ok, ref.Ref)
	return found.Value
}

func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = withoutNulls(member)
			}
		}
	case []any:
		kept := v[:0]
		for _, element := range v {
			if element != nil {
				kept = append(kept, withoutNulls(element))
			}
		}
		return kept
	}
	return value
}
