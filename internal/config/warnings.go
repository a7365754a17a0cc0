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
	own, settings := slices.Concat(ownNames, unsupported), slices.Concat(ownNames, sharedNames)
	families := []string{processPrefix, "OKTA_", "DEVO_"}
	known := slices.Clone(sharedNames)
	add := func(prefix string, names []string) {
		for _, name := range names {
			known = append(known, prefix+name)
		}
	}
	add(processPrefix, processNames)
	for _, t := range tenants {
		add(t.prefix, own)
		add(t.prefix, sharedNames)
		families = append(families, t.prefix+"OKTA_", t.prefix+"DEVO_")
	}
	if len(tenants) == 0 { // COLLECTOR_TENANTS is wrong, and these may be right
		add("", own)
	}

	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		inFamily := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(name, family) })
		likeSetting := slices.ContainsFunc(settings, func(setting string) bool { return strings.HasSuffix(name, "_"+setting) })
		switch {
		case slices.Contains(known, name):
		case strings.HasPrefix(name, temporalPrefix):
			// Other programs have variables with this prefix too. A name that is not nearly one of ours is theirs.
			meant := nearest(name, temporalNames)
			if typos := levenshtein.ComputeDistance(name, meant); typos > 0 && typos <= maxTypos {
				warn("%s is not a setting; did you mean %s?", name, meant)
			}
		case slices.Contains(own, name): // without a prefix, although every tenant has one
			example := tenants[len(tenants)-1].own(name)
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

const (
	temporalPrefix = "TEMPORAL_"
	// maxTypos is the largest edit distance between a misspelt variable and one of temporalNames.
	maxTypos = 2
)

// temporalNames are the variables of Temporal's SDK that say where the server is and who its client is.
var temporalNames = []string{
	"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE", "TEMPORAL_CLIENT_AUTHORITY",
	"TEMPORAL_TLS", "TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
	"TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_CLIENT_KEY_DATA",
	"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_DATA", "TEMPORAL_CODEC_ENDPOINT", "TEMPORAL_CODEC_AUTH",
}

// suggestion names the known variable that somebody probably meant: the shortest one with all words of the name, such as
// OKTA_API_TOKEN for OKTA_TOKEN, or else the nearest one by edit distance. It is empty if more than a third of the name
// is wrong.
func suggestion(name string, known []string) string {
	meant := nearest(name, known)
	longer := slices.DeleteFunc(slices.Clone(known), func(variable string) bool { return !hasWords(variable, name) })
	if len(longer) > 0 {
		meant = slices.MinFunc(longer, func(a, b string) int { return len(a) - len(b) })
	} else if levenshtein.ComputeDistance(name, meant) > len(name)/3 {
		return ""
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

// unused warns about certificates that are set for tenants none of which ships over TLS. Whoever sets them expects the
// delivery to be encrypted.
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
