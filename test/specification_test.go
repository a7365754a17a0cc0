package test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
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
	endpoints := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		endpoints[parameters.ReplaceAllString(path, "{}")] = item.Get
	}
	counts := map[string]int{"logs": 300}
	for _, service := range oktasim.Services() {
		if counts[service] = 5; !strings.Contains(oktasim.Path(service), "{}") {
			counts[service] = 300
		}
	}
	counts["policies"] = 20
	epoch := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	org, err := oktasim.New(oktasim.Config{
		Seed: 7, Token: "00-simulated-token", Epoch: epoch, Counts: counts, Unlimited: true, Now: func() time.Time { return epoch },
	})
	require.NoError(t, err)
	for _, service := range oktasim.Services() {
		t.Run(service, func(t *testing.T) {
			endpoint := endpoints[oktasim.Path(service)]
			require.NotNil(t, endpoint, oktasim.Path(service))
			require.Contains(t, *endpoint.Security, openapi3.SecurityRequirement{"oauth2": strings.Fields(oktasim.Scope(service))})
			schema := ofObjects(endpoint.Responses.Status(200).Value.Content.Get("application/json").Schema.Value)
			require.Positive(t, org.Count(service))
			for i, object := range org.All(service) {
				var value any
				require.NoError(t, json.Unmarshal(secrets.ReplaceAll(object, []byte(uuid)), &value))
				// Recorded answers contain nulls that the specification does not allow.
				value = withoutNulls(value)
				for member := range differs[service] {
					drop(value, strings.Split(member, "."))
				}
				require.NoError(t, specific(t, doc, schema, value).VisitJSON(value), "%s %d: %s", service, i, object)
			}
		})
	}
}

var (
	parameters = regexp.MustCompile(`{[^}]*}`)
	// secrets are those of simulated objects. Okta's are UUIDs where the specification says so.
	secrets = regexp.MustCompile(`not-a-secret-[0-9]+`)
)

// differs has the members of each service in which the specification refuses what Okta answers with, and why.
var differs = map[string]map[string]string{
	"role_permissions": {"conditions": "the specification's own examples have arrays where its schema demands objects"},
	"api_tokens":       {"tokenWindow": "the pattern of the schema refuses its own example P30D"},
	"devices":          {"_links": "the schema has no PATCH, which its own examples have"},
	"user_devices":     {"device._links": "the schema has no PATCH, which its own examples have"},
	"policy_rules":     {"actions.idp.providers": "the schema has no type OKTA, which its own examples have"},
	"idp_users":        {"profile": "the schema demands objects where its own examples have strings"},
}

// drop takes a member out of an object.
func drop(value any, member []string) {
	object, ok := value.(map[string]any)
	switch {
	case !ok:
	case len(member) == 1:
		delete(object, member[0])
	default:
		drop(object[member[0]], member[1:])
	}
}

const uuid = "11111111-2222-4333-8444-555555555555"

// ofObjects returns the schema of the objects of an answer: it is their array, has it, or is the only one.
func ofObjects(answer *openapi3.Schema) *openapi3.Schema {
	if answer.Items != nil {
		return answer.Items.Value
	}
	if len(answer.Properties) <= 2 {
		for name, member := range answer.Properties {
			if name != "_links" && member.Value.Items != nil {
				return member.Value.Items.Value
			}
		}
	}
	return answer
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
