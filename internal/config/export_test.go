package config

import (
	"fmt"
	"strings"
)

// Rows are the rows of docs/settings.md: one for each setting, by its variable.
func Rows() (map[string]string, error) {
	var text strings.Builder
	err := list(&text, "{{range .}}{{usage_key .}}\x00{{usage_default .}}\x00{{usage_description .}}\n{{end}}")
	rows := make(map[string]string)
	for line := range strings.Lines(text.String()) {
		cells := strings.Split(strings.TrimSpace(line), "\x00")
		row := fmt.Sprintf("| `%s` | `%s` | %s |", cells[0], cells[1], cells[2])
		rows[cells[0]] = strings.Replace(row, "| `` |", "| |", 1)
	}
	return rows, err
}

// TemporalNames are the variables of Temporal that docs/settings.md has to name.
var TemporalNames = temporalNames
