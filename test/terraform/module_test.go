// Package terraform tests the Terraform module for Okta in deployments/okta. Okta's provider is not needed for that.
package terraform

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"okta-collector/internal/okta"
)

// module has the blocks of the module, by their type and labels.
func module(t *testing.T) map[string]*hclsyntax.Body {
	t.Helper()
	files, err := filepath.Glob("../../deployments/okta/*.tf")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	blocks := map[string]*hclsyntax.Body{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(hclwrite.Format(text)), string(text), "%s is not as terraform fmt writes it", file)
		parsed, problems := hclsyntax.ParseConfig(text, file, hcl.InitialPos)
		require.False(t, problems.HasErrors(), "%v", problems)
		for _, block := range parsed.Body.(*hclsyntax.Body).Blocks {
			blocks[strings.Join(append([]string{block.Type}, block.Labels...), ".")] = block.Body
		}
	}
	return blocks
}

// constant is the value of an attribute that depends on nothing else.
func constant(t *testing.T, body *hclsyntax.Body, name string) cty.Value {
	t.Helper()
	require.Contains(t, body.Attributes, name)
	value, problems := body.Attributes[name].Expr.Value(nil)
	require.False(t, problems.HasErrors(), "%v", problems)
	return value
}

func texts(value cty.Value) (all []string) {
	for _, v := range value.AsValueSlice() {
		all = append(all, v.AsString())
	}
	return all
}

func TestTheModuleGrantsTheScopesOfTheCatalog(t *testing.T) {
	scopes := map[string][]string{}
	for service, value := range constant(t, module(t)["locals"], "scopes").AsValueMap() {
		scopes[service] = texts(value)
	}
	catalog := map[string][]string{}
	for _, c := range okta.Services() {
		catalog[c.Name] = c.Scopes
	}
	require.Equal(t, catalog, scopes)
}

func TestTheModuleIsForTheDefaultServicesUnlessToldOtherwise(t *testing.T) {
	require.Equal(t, okta.DefaultServices, texts(constant(t, module(t)["variable.services"], "default")))
}

func TestTheModuleMakesAServiceAppWithoutASecret(t *testing.T) {
	blocks := module(t)
	app := blocks["resource.okta_app_oauth.collector"]
	require.NotNil(t, app)
	require.Equal(t, "service", constant(t, app, "type").AsString())
	require.Equal(t, "private_key_jwt", constant(t, app, "token_endpoint_auth_method").AsString())
	require.Equal(t, []string{"client_credentials"}, texts(constant(t, app, "grant_types")))
	require.True(t, constant(t, app, "omit_secret").True())
	require.Equal(t, "READ_ONLY_ADMIN", constant(t, blocks["variable.role"], "default").AsString())
	// A private key that is given by mistake is dropped before it gets into a state.
	keys := blocks["variable.public_keys"].Attributes["type"].Expr.Range().SliceBytes(read(t, "../../deployments/okta/variables.tf"))
	for _, private := range []string{"d ", "p ", "q ", "dp ", "dq ", "qi ", "any"} {
		require.NotContains(t, string(keys), " "+private)
	}
	for _, body := range blocks {
		for name := range body.Attributes {
			require.NotContains(t, name, "client_secret")
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}

func TestTheDocumentedScopesAreThoseOfTheCatalog(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ((?:`okta\\.[A-Za-z.]+` ?)+)\\| ").FindAllStringSubmatch(string(read(t, "../../docs/okta.md")), -1)
	var documented, catalog [][]string
	for _, row := range rows {
		documented = append(documented, append([]string{row[1]}, strings.Fields(strings.ReplaceAll(row[2], "`", ""))...))
	}
	for _, c := range okta.Services() {
		catalog = append(catalog, append([]string{c.Name}, slices.Clone(c.Scopes)...))
	}
	require.Equal(t, catalog, documented)
}
