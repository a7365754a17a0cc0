package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// unknown warns about variables that look like settings and are none. That cannot be an
// error: for a service named devo-relay, Kubernetes sets DEVO_RELAY_PORT and more in every container.
func unknown(tenants []tenant) []string {
	known := names(processPrefix, &processVariables{})
	families := []string{"COLLECTOR_", "OKTA_", "DEVO_"}
	prefixed := make(map[string]string) // what has to be prefixed here, and an example of it
	for _, t := range tenants {
		prefix := strings.TrimSuffix(t.prefix, "_")
		own := append(names("", &ownVariables{}), refused...)
		for _, name := range own {
			known = append(known, t.own(name))
			prefixed[name] = t.own(name)
		}
		known = append(known, names(prefix, &sharedVariables{})...)
		if t.prefix != "" {
			families = append(families, t.prefix+"OKTA_", t.prefix+"DEVO_")
		}
	}
	known = append(known, names("", &sharedVariables{})...)
	if len(tenants) == 0 { // COLLECTOR_TENANTS is wrong, so that nobody knows whether these are
		known = append(append(known, names("", &ownVariables{})...), refused...)
	}

	var warnings []string
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		ours := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(name, family) })
		switch {
		case slices.Contains(known, name):
		case strings.HasPrefix(name, temporalPrefix):
			// Others have such names too: what is not nearly one of ours is none of our business.
			meant := nearest(name, temporalNames)
			if typos := distance(name, meant); typos > 0 && typos <= maxTypos {
				warnings = append(warnings, fmt.Sprintf("%s is not a setting; did you mean %s?", name, meant))
			}
		case prefixed[name] != "":
			warnings = append(warnings, fmt.Sprintf("%s is not used: with COLLECTOR_TENANTS every tenant has its own, such as %s", name, prefixed[name]))
		case ours:
			warnings = append(warnings, fmt.Sprintf("%s is not a setting%s", name, suggestion(name, known)))
		case len(tenants) > 0 && tenants[0].prefix != "" && isOfATenant(name):
			warnings = append(warnings, fmt.Sprintf("%s is of no tenant in COLLECTOR_TENANTS%s", name, suggestion(name, known)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// Temporal's own settings, as far as they name the server and who asks it. The SDK reads them.
const temporalPrefix = "TEMPORAL_"

var temporalNames = []string{
	"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE", "TEMPORAL_CLIENT_AUTHORITY",
	"TEMPORAL_TLS", "TEMPORAL_TLS_SERVER_NAME", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
	"TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_CLIENT_KEY_DATA",
	"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_CA_CERT_DATA", "TEMPORAL_CODEC_ENDPOINT", "TEMPORAL_CODEC_AUTH",
}

// maxTypos is by how much a name may differ from one of Temporal's to be taken for it.
const maxTypos = 2

// isOfATenant says whether a variable is named like one of some tenant.
func isOfATenant(name string) bool {
	return slices.ContainsFunc(append(names("", &ownVariables{}), names("", &sharedVariables{})...), func(variable string) bool {
		return strings.HasSuffix(name, "_"+variable)
	})
}

// names lists the variables of a struct.
func names(prefix string, variables any) []string {
	var list strings.Builder
	// Fails only on what is not a pointer to a struct.
	_ = envconfig.Usagef(prefix, variables, &list, "{{range .}}{{usage_key .}} {{end}}")
	return strings.Fields(list.String())
}

// suggestion names the known variable that has all words of a name and the fewest others, such as OKTA_API_TOKEN for
// OKTA_TOKEN, or else the nearest one that is near enough to be meant.
func suggestion(name string, known []string) string {
	meant := ""
	for _, k := range known {
		if hasWords(k, name) && (meant == "" || len(k) < len(meant)) {
			meant = k
		}
	}
	if meant == "" {
		if meant = nearest(name, known); distance(name, meant) > len(name)/3 {
			return ""
		}
	}
	return "; did you mean " + meant + "?"
}

// hasWords says whether a variable has all words of a name, in their order.
func hasWords(variable, name string) bool {
	words := strings.Split(name, "_")
	for word := range strings.SplitSeq(variable, "_") {
		if len(words) > 0 && word == words[0] {
			words = words[1:]
		}
	}
	return len(words) == 0
}

func nearest(name string, known []string) string {
	return slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
}

// distance is how many bytes have to be inserted, removed or replaced to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
