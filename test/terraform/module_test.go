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
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

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

// functions are those of Terraform that the module uses.
var functions = map[string]function.Function{
	"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "setsubtract": stdlib.SetSubtractFunc,
	"substr": stdlib.SubstrFunc, "trimprefix": stdlib.TrimPrefixFunc, "try": tryfunc.TryFunc,
	"toset": function.New(&function.Spec{
		Params: []function.Parameter{{Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return convert.Convert(args[0], cty.Set(cty.String))
		},
	}),
}

// granted are the scopes that the module grants if its variable services is this.
func granted(t *testing.T, services ...string) []string {
	t.Helper()
	blocks := module(t)
	local := map[string]cty.Value{}
	evaluate := func(expression hcl.Expression) cty.Value {
		values := make([]cty.Value, len(services))
		for i, s := range services {
			values[i] = cty.StringVal(s)
		}
		value, problems := expression.Value(&hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{
			"local": cty.ObjectVal(local), "var": cty.ObjectVal(map[string]cty.Value{"services": cty.SetVal(values)}),
		}})
		require.False(t, problems.HasErrors(), "%v", problems)
		return value
	}
	for _, name := range []string{"scopes", "groups", "left_out", "named", "services"} { // each after those that it needs
		local[name] = evaluate(blocks["locals"].Attributes[name].Expr)
	}
	return texts(evaluate(blocks["resource.okta_app_oauth_api_scope.collector"].Attributes["scopes"].Expr))
}

func TestTheModuleGrantsTheScopesOfTheServicesAndGroupsThatAreNamed(t *testing.T) {
	catalog := okta.Services()
	for _, c := range catalog {
		require.ElementsMatch(t, okta.Catalog{c}.Scopes(), granted(t, c.Name), c.Name)
	}
	for _, group := range okta.Groups() {
		require.ElementsMatch(t, catalog.Choose(group).Scopes(), granted(t, group), group)
	}
	for _, test := range []struct{ services, want []string }{
		{[]string{"default", "devices"}, append(catalog.Choose("default").Scopes(), "okta.devices.read")},
		{[]string{"zones", "devices", "-devices"}, []string{"okta.networkZones.read"}},
		{[]string{"-users", "-groups"}, []string{"okta.apps.read", "okta.clients.read", "okta.idps.read", "okta.logs.read", "okta.networkZones.read"}},
		{[]string{"default", "-default", "zones", "devices"}, []string{"okta.devices.read"}},
	} {
		require.ElementsMatch(t, test.want, granted(t, test.services...), "%v", test.services)
	}
}

func TestTheModuleIsForTheDefaultServicesUnlessToldOtherwise(t *testing.T) {
	require.Equal(t, []string{okta.GroupDefault}, texts(constant(t, module(t)["variable.services"], "default")))
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

func TestTheDocumentedServicesAreThoseOfTheCatalog(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (`[a-z]+`|by name) \\| ((?:`okta\\.[A-Za-z.]+` ?)+)\\|").
		FindAllStringSubmatch(string(read(t, "../../docs/collections.md")), -1)
	var documented, catalog [][]string
	for _, row := range rows {
		documented = append(documented, append([]string{row[1], strings.Trim(row[2], "`")}, strings.Fields(strings.ReplaceAll(row[3], "`", ""))...))
	}
	for _, c := range okta.Services() {
		group := "by name"
		if i := slices.IndexFunc(okta.Groups(), c.In); i >= 0 {
			group = okta.Groups()[i]
		}
		catalog = append(catalog, append([]string{c.Name, group}, okta.Catalog{c}.Scopes()...))
	}
	require.Equal(t, catalog, documented)
}
