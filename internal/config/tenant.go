package config

import (
	"regexp"
	"slices"
	"strings"

	"okta-collector/internal/secret"
)

// tenantName begins with a letter, because the name of a variable cannot begin with a digit. It is short, because
// workflow ids and metric labels contain it.
var tenantName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// tenantNames splits COLLECTOR_TENANTS. It reports a wrong name such as Acme_EU, and continues with acme-eu, which was
// probably meant. So the other settings of that tenant are checked too.
func tenantNames(list string, found *Problems) []string {
	var names []string
	items, err := splitList(list)
	if err != nil {
		found.add("COLLECTOR_TENANTS", "%v; a second worker can collect others", err)
	}
	for _, name := range items {
		if slices.Contains(names, name) {
			found.add("COLLECTOR_TENANTS", "has %s twice", secret.Shown(name))
		} else if !tenantName.MatchString(name) {
			found.add("COLLECTOR_TENANTS", "has %s; want names of a-z, 0-9 and - that begin with a letter, at most 63 characters", secret.Shown(name))
			if secret.MayBe(name) {
				continue // or the names of the tenant's variables would show it
			}
		}
		meant := strings.NewReplacer("_", "-", ".", "-", " ", "-").Replace(strings.ToLower(name))
		if tenantName.MatchString(meant) && !slices.Contains(names, meant) {
			names = append(names, meant)
		}
	}
	if len(names) == 0 && len(*found) == 0 {
		found.add("COLLECTOR_TENANTS", "names no tenant; want acme,globex, or leave it out")
	}
	return names
}

// tenant has the variables of one tenant as text.
type tenant struct {
	name string
	reader
	ownVariables
	sharedVariables
}

// read reads the variables of the process and of each tenant. It interprets only the tenants' names.
func read(found *Problems) (process processVariables, tenants []tenant) {
	reader{found: found}.fill(&process)
	names := tenantNames(process.Tenants, found)
	for _, name := range names {
		t := tenant{name: name, reader: reader{found: found}}
		if len(names) > 1 || name != "default" {
			t.prefix = strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
		}
		t.fill(&t.ownVariables)
		t.fill(&t.sharedVariables)
		tenants = append(tenants, t)
	}
	return process, tenants
}
