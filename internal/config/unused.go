package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// unused warns about certificates that are given and never shown, since no tenant that they are of ships over
// TLS: whoever gives them expects that to be safe.
func unused(tenants []tenant) []string {
	var used []string
	given := make(map[string]string) // the address that is used without it
	for _, t := range tenants {
		for _, name := range []string{"DEVO_CHAIN_FILE", "DEVO_CERT_FILE", "DEVO_KEY_FILE"} {
			variable := t.source(name)
			scheme, _, _ := strings.Cut(t.DevoURL, ":")
			switch {
			case strings.TrimSpace(os.Getenv(variable)) == "":
			case slices.Contains([]string{"tcp", "file", "stdout"}, scheme):
				given[variable] = t.source("DEVO_URL") + " begins with " + scheme + ":"
			default:
				used = append(used, variable)
			}
		}
	}
	var warnings []string
	for variable, why := range given {
		if !slices.Contains(used, variable) {
			warnings = append(warnings, fmt.Sprintf("%s is not used: %s, and certificates are for tls:", variable, why))
		}
	}
	slices.Sort(warnings)
	return warnings
}
