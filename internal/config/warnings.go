package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// unknownVariables warns about variables that look like settings but are not. They cannot be errors: for a service
// named devo-relay, Kubernetes sets DEVO_RELAY_PORT and more in every container.
func unknownVariables(tenants []tenant) []string {
	own, settings := ownNames, slices.Concat(ownNames, sharedNames)
	families := []string{"COLLECTOR_", "OKTA_", "DEVO_"}
	known := slices.Concat(sharedNames, processNames)
	for _, t := range tenants {
		for _, name := range slices.Concat(own, sharedNames) {
			known = append(known, t.prefix+name)
		}
		families = append(families, t.prefix+"OKTA_", t.prefix+"DEVO_")
	}
	if len(tenants) == 0 { // COLLECTOR_TENANTS is wrong, so any of these may be right
		known = append(known, own...)
	}

	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		inFamily := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(name, family) })
		likeSetting := slices.ContainsFunc(settings, func(setting string) bool { return strings.HasSuffix(name, "_"+setting) })
		switch {
		case slices.Contains(known, name):
		case strings.HasPrefix(name, "TEMPORAL_"):
			// Other programs have variables with this prefix too. So only a name with one or two typos is reported.
			if meant, typos := nearest(name, temporalNames); typos > 0 && typos <= 2 {
				warn("%s is not a setting; did you mean %s?", name, meant)
			}
		case slices.Contains(own, name): // without a prefix, although every tenant has one
			example := tenants[len(tenants)-1].prefix + name
			warn("%s is not used: with COLLECTOR_TENANTS every tenant has its own, such as %s", name, example)
		case inFamily:
			warn("%s is not a setting%s", name, suggestion(name, known))
		case len(tenants) > 0 && tenants[0].prefix != "" && likeSetting:
			warn("%s is of no tenant in COLLECTOR_TENANTS%s", name, suggestion(name, known))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// temporalNames are the variables of Temporal's SDK that name the server and identify its client.
var temporalNames = []string{
	"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE", "TEMPORAL_CLIENT_AUTHORITY",
	"TEMPORAL_TLS", "TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
	"TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_CLIENT_KEY_DATA",
	"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_DATA", "TEMPORAL_CODEC_ENDPOINT", "TEMPORAL_CODEC_AUTH",
}

// suggestion names the known variable that was probably meant. It prefers one with all words of the name, such as
// OKTA_API_TOKEN for OKTA_TOKEN. Otherwise it is the nearest one, unless more than a third of the name differs.
func suggestion(name string, known []string) string {
	longer := slices.DeleteFunc(slices.Clone(known), func(variable string) bool { return !hasWords(variable, name) })
	if len(longer) > 0 {
		known = longer
	}
	meant, typos := nearest(name, known)
	if len(longer) == 0 && typos > len(name)/3 {
		return ""
	}
	return "; did you mean " + meant + "?"
}

// hasWords reports whether a variable has all words of a name, in the same order.
func hasWords(variable, name string) bool {
	words := strings.Split(name, "_")
	for word := range strings.SplitSeq(variable, "_") {
		if len(words) > 0 && word == words[0] {
			words = words[1:]
		}
	}
	return len(words) == 0
}

// nearest returns the known variable with the smallest edit distance to a name, and that distance.
func nearest(name string, known []string) (meant string, typos int) {
	distance := func(variable string) int { return levenshtein.ComputeDistance(name, variable) }
	meant = slices.MinFunc(known, func(a, b string) int { return distance(a) - distance(b) })
	return meant, distance(meant)
}

// unusedCertificates warns about certificate settings that no tenant uses, because none ships over TLS. Such settings
// suggest an encrypted delivery that does not happen.
func unusedCertificates(tenants []tenant) []string {
	var used, warnings []string
	reasons := make(map[string]string) // by each variable that some tenant does not use
	for _, t := range tenants {
		scheme, _, _ := strings.Cut(t.DevoURL, ":")
		for _, name := range []string{"DEVO_CHAIN_FILE", "DEVO_CERT_FILE", "DEVO_KEY_FILE"} {
			variable := t.variable(name)
			if slices.Contains([]string{"tcp", "file", "stdout"}, scheme) {
				reasons[variable] = t.variable("DEVO_URL") + " begins with " + scheme + ":"
			} else {
				used = append(used, variable)
			}
		}
	}
	for _, variable := range slices.Sorted(maps.Keys(reasons)) {
		if isSet(variable) && !slices.Contains(used, variable) {
			warnings = append(warnings, fmt.Sprintf("%s is not used: %s, and certificates are for tls:", variable, reasons[variable]))
		}
	}
	return warnings
}
