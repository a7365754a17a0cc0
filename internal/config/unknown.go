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

	var warnings []string
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		ours := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(name, family) })
		switch {
		case !ours || slices.Contains(known, name):
		case prefixed[name] != "":
			warnings = append(warnings, fmt.Sprintf("%s is not used: with COLLECTOR_TENANTS every tenant has its own, such as %s", name, prefixed[name]))
		default:
			warnings = append(warnings, fmt.Sprintf("%s is not a setting%s", name, suggestion(name, known)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// names lists the variables of a struct.
func names(prefix string, variables any) []string {
	var list strings.Builder
	// Fails only on what is not a pointer to a struct.
	_ = envconfig.Usagef(prefix, variables, &list, "{{range .}}{{usage_key .}} {{end}}")
	return strings.Fields(list.String())
}

// suggestion names the nearest known variable, if there is one near enough to be meant.
func suggestion(name string, known []string) string {
	nearest := slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if distance(name, nearest) > len(name)/3 {
		return ""
	}
	return "; did you mean " + nearest + "?"
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
