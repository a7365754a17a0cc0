package okta_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"okta-collector/internal/okta"
)

// schema is the part of a schema of OpenAPI that leads to members.
type schema struct {
	Ref           string   `yaml:"$ref"`
	AllOf         []schema `yaml:"allOf"`
	OneOf         []schema `yaml:"oneOf"`
	AnyOf         []schema `yaml:"anyOf"`
	Items         *schema
	Properties    map[string]schema
	Discriminator struct{ Mapping map[string]string }
	WriteOnly     bool `yaml:"writeOnly"`
	Format        string
}

// specification is the part of Okta's specification that has the objects of collections.
type specification struct {
	Paths map[string]struct {
		Get struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema schema }
			}
		}
	}
	Components struct{ Schemas map[string]schema }
}

// readSpecification reads Okta's specification, which is not part of this repository, but lies beside its folder.
func readSpecification(t *testing.T) (spec specification) {
	t.Helper()
	content, err := os.ReadFile("../../../shared/okta-openapi/collections.yaml")
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skip("Okta's specification is not here")
	}
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &spec))
	return spec
}

// inBraces matches a part of a path that stands for an id. The specification has other names in braces than the catalog.
var inBraces = regexp.MustCompile(`\{[^}]*\}`)

// secretName matches the names of members that hold secrets, whatever the specification says about them.
var secretName = regexp.MustCompile(`(?i)(client_?secret|private_?key|api_?key|secret_?key|signing_?key|shared_?secret|pass_?code)$`)

// TestTheCatalogNamesEachSecretOfTheSpecification: a member is a secret if it is for requests only, has the format of a
// password, or is called like one.
func TestTheCatalogNamesEachSecretOfTheSpecification(t *testing.T) {
	spec := readSpecification(t)
	secrets := 0
	for _, c := range okta.Services() {
		var answer schema
		for path, of := range spec.Paths {
			if inBraces.ReplaceAllString(path, "{}") == inBraces.ReplaceAllString(c.Path, "{}") {
				answer = of.Get.Responses["200"].Content["application/json"].Schema
			}
		}
		require.NotZero(t, answer, c.Path)
		found := map[string]bool{}
		spec.secrets(answer, "", nil, found)
		for path := range found {
			path = strings.TrimPrefix(path, c.Items+".")
			secrets++
			named := slices.ContainsFunc(c.Secret, func(secret string) bool { return path == secret || strings.HasPrefix(path, secret+".") })
			require.True(t, named, "%s: %s is a secret that the catalog does not name", c.Name, path)
		}
	}
	require.Greater(t, secrets, 10)
}

// secrets finds the paths of secrets in a schema. above are the schemas that it is a part of.
func (s *specification) secrets(of schema, at string, above []string, found map[string]bool) {
	if of.Ref != "" {
		name := path.Base(of.Ref)
		if !slices.Contains(above, name) {
			s.secrets(s.Components.Schemas[name], at, append(slices.Clone(above), name), found)
		}
		return
	}
	for _, part := range slices.Concat(of.AllOf, of.OneOf, of.AnyOf) {
		s.secrets(part, at, above, found)
	}
	if of.Items != nil {
		s.secrets(*of.Items, at, above, found)
	}
	for _, ref := range of.Discriminator.Mapping {
		s.secrets(schema{Ref: ref}, at, above, found)
	}
	for name, member := range of.Properties {
		inside := strings.TrimPrefix(at+"."+name, ".")
		if member.WriteOnly || member.Format == "password" || secretName.MatchString(name) {
			found[inside] = true
		}
		s.secrets(member, inside, above, found)
	}
}
