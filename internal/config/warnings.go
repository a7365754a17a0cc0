package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// unknown warns about variables that look like settings and are none. They cannot be errors: for a service named
// devo-relay, Kubernetes sets DEVO_RELAY_PORT and more in every container.
func unknown(tenants []tenant) []string {
	known := slices.Concat(prefixed(processPrefix, processNames), sharedNames)
	families := []string{processPrefix, "OKTA_", "DEVO_"}
	examples := make(map[string]string) // by each variable that needs a tenant's prefix
	for _, t := range tenants {
		for _, name := range slices.Concat(ownNames, unsupported) {
			known = append(known, t.prefix+name)
			examples[name] = t.prefix + name
		}
		known = append(known, prefixed(t.prefix, sharedNames)...)
		families = append(families, t.prefix+"OKTA_", t.prefix+"DEVO_")
	}
	if len(tenants) == 0 { // COLLECTOR_TENANTS is wrong, so these may be needed or not
		known = slices.Concat(known, ownNames, unsupported)
	}
	isOurs := func(name string) bool {
		return slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(name, family) })
	}
	isATenants := func(name string) bool {
		return slices.ContainsFunc(slices.Concat(ownNames, sharedNames), func(variable string) bool { return strings.HasSuffix(name, "_"+variable) })
	}

	var warnings []string
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		switch {
		case slices.Contains(known, name):
		case strings.HasPrefix(name, temporalPrefix):
			// Other programs have variables with this prefix too. A name that is not nearly one of ours is theirs.
			meant := nearest(name, temporalNames)
			if typos := levenshtein.ComputeDistance(name, meant); typos > 0 && typos <= maxTypos {
				warnings = append(warnings, fmt.Sprintf("%s is not a setting; did you mean %s?", name, meant))
			}
		case examples[name] != "":
			warnings = append(warnings, fmt.Sprintf("%s is not used: with COLLECTOR_TENANTS every tenant has its own, such as %s", name, examples[name]))
		case isOurs(name):
			warnings = append(warnings, fmt.Sprintf("%s is not a setting%s", name, suggestion(name, known)))
		case len(tenants) > 0 && tenants[0].prefix != "" && isATenants(name):
			warnings = append(warnings, fmt.Sprintf("%s is of no tenant in COLLECTOR_TENANTS%s", name, suggestion(name, known)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// prefixed returns the names with a prefix before each.
func prefixed(prefix string, names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = prefix + name
	}
	return all
}

const (
	temporalPrefix = "TEMPORAL_"
	// maxTypos is how many characters of a name may differ from one of temporalNames for a warning.
	maxTypos = 2
)

// temporalNames are the variables of Temporal's SDK that say where the server is and who its client is.
var temporalNames = []string{
	"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE", "TEMPORAL_CLIENT_AUTHORITY",
	"TEMPORAL_TLS", "TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
	"TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_CLIENT_KEY_DATA",
	"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_DATA", "TEMPORAL_CODEC_ENDPOINT", "TEMPORAL_CODEC_AUTH",
}

// suggestion names the known variable that somebody probably meant, if there is one. A variable with all words of the
// name comes first, the shortest of several: OKTA_API_TOKEN for OKTA_TOKEN. Otherwise it is the nearest by edit
// distance, of which at most a third of the name may be wrong.
func suggestion(name string, known []string) string {
	meant := ""
	for _, k := range known {
		if hasWords(k, name) && (meant == "" || len(k) < len(meant)) {
			meant = k
		}
	}
	if meant == "" {
		meant = nearest(name, known)
		if levenshtein.ComputeDistance(name, meant) > len(name)/3 {
			return ""
		}
	}
	return "; did you mean " + meant + "?"
}

// hasWords reports whether a variable has all words of a name, in their order.
func hasWords(variable, name string) bool {
	words := strings.Split(name, "_")
	for word := range strings.SplitSeq(variable, "_") {
		if len(words) > 0 && word == words[0] {
			words = words[1:]
		}
	}
	return len(words) == 0
}

// nearest returns the known variable with the smallest edit distance to a name.
func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(name, a) - levenshtein.ComputeDistance(name, b)
	})
}

// unused warns about certificates that no tenant uses, because none of those that they are set for ships over TLS.
// Whoever sets them expects the delivery to be encrypted.
func unused(tenants []tenant) []string {
	var used []string
	reasons := make(map[string]string) // by each variable that some tenant does not use
	for _, t := range tenants {
		for _, name := range []string{"DEVO_CHAIN_FILE", "DEVO_CERT_FILE", "DEVO_KEY_FILE"} {
			variable := t.source(name)
			scheme, _, _ := strings.Cut(t.DevoURL, ":")
			switch {
			case !isSet(variable):
			case slices.Contains([]string{"tcp", "file", "stdout"}, scheme):
				reasons[variable] = t.source("DEVO_URL") + " begins with " + scheme + ":"
			default:
				used = append(used, variable)
			}
		}
	}
	var warnings []string
	for variable, reason := range reasons {
		if !slices.Contains(used, variable) {
			warnings = append(warnings, fmt.Sprintf("%s is not used: %s, and certificates are for tls:", variable, reason))
		}
	}
	slices.Sort(warnings)
	return warnings
}
