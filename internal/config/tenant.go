package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"

	"okta-collector/internal/secret"
)

// defaultTenant is the tenant whose variables have no prefix, as long as it is the only one.
const defaultTenant = "default"

// maxTenantName keeps workflow ids and metric labels short.
const maxTenantName = 63

// A tenant's name starts with a letter because a variable's name cannot start with a digit.
var (
	tenantName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	separator  = regexp.MustCompile(`[_. ]`)
)

// tenantNames splits COLLECTOR_TENANTS. One that is wrong is taken for the name that was probably meant, if there is
// one, so that its other settings are checked too.
func tenantNames(list string, found *findings) []string {
	var names []string
	items, err := splitList(list)
	if err != nil {
		found.add("COLLECTOR_TENANTS", "%v; a second worker can collect others", err)
	}
	for _, name := range items {
		switch {
		case len(name) > maxTenantName || !tenantName.MatchString(name):
			found.add("COLLECTOR_TENANTS", "has %q; want names of a-z, 0-9 and -, from a letter on, at most %d characters", name, maxTenantName)
			meant := separator.ReplaceAllString(strings.ToLower(name), "-")
			if len(meant) <= maxTenantName && tenantName.MatchString(meant) && !slices.Contains(names, meant) {
				names = append(names, meant)
			}
		case slices.Contains(names, name):
			found.add("COLLECTOR_TENANTS", "has %q twice", name)
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 && len(found.problems) == 0 {
		found.add("COLLECTOR_TENANTS", "names no tenant; want acme,globex, or leave it out")
	}
	return names
}

// tenant is one tenant's variables, and where they came from.
type tenant struct {
	name   string
	prefix string // "" or, for tenant acme-eu, "ACME_EU_"
	ownVariables
	sharedVariables
}

func readTenant(name string, all []string, found *findings) (tenant, error) {
	t := tenant{name: name}
	if len(all) > 1 || name != defaultTenant {
		t.prefix = strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
	}
	for _, variables := range []any{&t.ownVariables, &t.sharedVariables} {
		if err := envconfig.Process(strings.TrimSuffix(t.prefix, "_"), variables); err != nil {
			return t, fmt.Errorf("reading the settings of tenant %s: %w", name, err)
		}
		tidy("", variables, t.source, found)
	}
	return t, nil
}

// given says whether any variable is set that is a tenant's, or names the tenants.
func given(tenants []tenant) bool {
	isSet := func(variable string) bool { return strings.TrimSpace(os.Getenv(variable)) != "" }
	return isSet("COLLECTOR_TENANTS") || slices.ContainsFunc(tenants, func(t tenant) bool {
		return slices.ContainsFunc(names("", &ownVariables{}), func(name string) bool { return isSet(t.own(name)) }) ||
			slices.ContainsFunc(names("", &sharedVariables{}), func(name string) bool { return isSet(t.source(name)) })
	})
}

// own is the tenant's own variable, which inherits from none.
func (t tenant) own(variable string) string { return t.prefix + variable }

// source is the variable that a shared setting was read from.
func (t tenant) source(variable string) string {
	if _, ok := os.LookupEnv(t.prefix + variable); ok {
		return t.prefix + variable
	}
	if _, ok := os.LookupEnv(variable); ok {
		return variable
	}
	return t.prefix + variable
}

// valueOrFile chooses between the two ways in which a secret can be given. Neither may be set.
func valueOrFile(valueVariable, fileVariable string, value credential, file string, found *findings) secret.Secret {
	if value.IsSet() && file != "" {
		found.add(valueVariable, "and %s are both set; want one of them", fileVariable)
	}
	if file != "" {
		return secret.File(file)
	}
	return value.Secret
}
