package devo

import (
	"errors"
	"fmt"
	"strings"
)

// SettingError is one thing that is wrong with a [Config].
type SettingError struct {
	// Setting is a variable without a tenant's prefix: DEVO_URL, for instance.
	Setting string
	// Or is a second variable, if it may be that one that has to change.
	Or string
	// Problem says what is wrong. It follows the variables' names in a sentence: "is not a URL".
	Problem string
}

// Error names the settings and says what is wrong.
func (e SettingError) Error() string {
	if e.Or != "" {
		return e.Setting + " or " + e.Or + " " + e.Problem
	}
	return e.Setting + " " + e.Problem
}

// SettingErrors is everything that is wrong with a [Config].
type SettingErrors []SettingError

// Error has a line for each of them.
func (e SettingErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

func (e *SettingErrors) add(setting, format string, args ...any) {
	*e = append(*e, SettingError{Setting: setting, Problem: fmt.Sprintf(format, args...)})
}

// err returns nil if nothing is wrong.
func (e SettingErrors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Error is a failure that somebody can do something about.
type Error struct {
	// Remedy says what to do, as "see DEVO_URL". Settings have no tenant's prefix in it. Err's text does not have it.
	Remedy string
	// Err is what happened. It wraps [ErrRefused] if retrying does not help until somebody has acted.
	Err error
}

// Error says what happened, and not what to do about it.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// Remedy returns the remedy of the first [Error] in err's chain; empty if there is none.
func Remedy(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Remedy
	}
	return ""
}

// refused returns an error that only a person can end, as remedy says.
func refused(remedy string, err error) error {
	return &Error{Remedy: remedy, Err: fmt.Errorf("%w: %w", ErrRefused, err)}
}

// useKernel is the remedy for a server that does not close its connections in order.
const useKernel = "if the server never closes in order, set DEVO_CONFIRM=kernel: its kernel's acknowledgement is enough then"
