package config

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"okta-collector/internal/secret"
)

// defaultTenant is the tenant whose variables have no prefix, if it is the only one.
const defaultTenant = "default"

// tenantName begins with a letter because a variable's name cannot begin with a digit. It is short because workflow ids
// and metric labels have it.
var tenantName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

var separator = regexp.MustCompile(`[_. ]`)

// tenantNames splits COLLECTOR_TENANTS. It replaces a wrong name such as Acme_EU by acme-eu, which was probably meant, so
// that the other settings of that tenant are checked too.
func tenantNames(list string, found *Problems) []string {
	var names []string
	items, err := splitList(list)
	if err != nil {
		found.add("COLLECTOR_TENANTS", "%v; a second worker can collect others", err)
	}
	for _, name := range items {
		switch {
		case !tenantName.MatchString(name):
			found.add("COLLECTOR_TENANTS", "has %q; want names of a-z, 0-9 and -, from a letter on, at most 63 characters", name)
			meant := separator.ReplaceAllString(strings.ToLower(name), "-")
			if tenantName.MatchString(meant) && !slices.Contains(names, meant) {
				names = append(names, meant)
			}
		case slices.Contains(names, name):
			found.add("COLLECTOR_TENANTS", "has %q twice", name)
		default:
			names = append(names, name)
		}
	}
	if len(names) == 0 && len(*found) == 0 {
		found.add("COLLECTOR_TENANTS", "names no tenant; want acme,globex, or leave it out")
	}
	return names
}

// tenant has one tenant's variables as text.
type tenant struct {
	name   string
	prefix string // ACME_EU_ for tenant acme-eu; empty for the default tenant
	ownVariables
	sharedVariables
}

func readTenant(name string, all []string, found *Problems) (tenant, error) {
	t := tenant{name: name}
	if len(all) > 1 || name != defaultTenant {
		t.prefix = strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
	}
	if err := fill(t.prefix, &t.ownVariables, t.own, found); err != nil {
		return t, err
	}
	return t, fill(t.prefix, &t.sharedVariables, t.source, found)
}

// given reports whether COLLECTOR_TENANTS or any setting of a tenant is set.
func given(tenants []tenant) bool {
	return isSet("COLLECTOR_TENANTS") || slices.ContainsFunc(tenants, func(t tenant) bool {
		return slices.ContainsFunc(ownNames, func(name string) bool { return isSet(t.own(name)) }) ||
			slices.ContainsFunc(sharedNames, func(name string) bool { return isSet(t.source(name)) })
	})
}

// isSet reports whether a variable has more than blanks in it.
func isSet(variable string) bool { return strings.TrimSpace(os.Getenv(variable)) != "" }

// own returns the tenant's own variable for a setting.
func (t tenant) own(setting string) string { return t.prefix + setting }

// source returns the variable that a shared setting was read from; the tenant's own if there is none.
func (t tenant) source(setting string) string {
	_, own := os.LookupEnv(t.own(setting))
	_, shared := os.LookupEnv(setting)
	if shared && !own {
		return setting
	}
	return t.own(setting)
}

// valueOrFile makes a secret of a value or a file. Both are a problem. With neither, the secret is unset.
func valueOrFile(valueVariable, fileVariable string, value credential, file string, found *Problems) secret.Secret {
	if value.IsSet() && file != "" {
		found.add(valueVariable, "and %s are both set; want one of them", fileVariable)
	}
	if file != "" {
		return secret.File(file)
	}
	return value.Secret
}
