package config

import (
	"fmt"
	"slices"
)

// findings collects what is wrong while the settings are read. A variable that two tenants
// inherit is complained about once.
type findings struct{ problems Problems }

func (f *findings) add(variable, format string, args ...any) {
	problem := variable + " " + fmt.Sprintf(format, args...)
	if !slices.Contains(f.problems, problem) {
		f.problems = append(f.problems, problem)
	}
}

// err is nil if nothing was found.
func (f *findings) err() error {
	if len(f.problems) == 0 {
		return nil
	}
	return f.problems
}
