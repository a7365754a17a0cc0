package config

import (
	"fmt"
	"slices"
)

// Problem is one thing that is wrong with the settings.
type Problem struct {
	// Setting is the variable with its tenant's prefix, such as ACME_OKTA_URL.
	Setting string
	// Text says what is wrong and what is allowed. It continues a sentence that begins with the variable. It may quote a
	// value, but never a credential.
	Text string
}

// String returns the problem as a sentence without a full stop.
func (p Problem) String() string { return p.Setting + " " + p.Text }

// Problems is everything that is wrong with the settings.
type Problems []Problem

// Error lists the problems, one a line.
func (p Problems) Error() string {
	if len(p) == 1 {
		return "a setting is wrong: " + p[0].String()
	}
	text := "settings are wrong:"
	for _, problem := range p {
		text += "\n  " + problem.String()
	}
	return text
}

// add adds a problem once. Several tenants may inherit the same variable, and so have the same problem.
func (p *Problems) add(setting, format string, args ...any) {
	problem := Problem{Setting: setting, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(*p, problem) {
		*p = append(*p, problem)
	}
}
