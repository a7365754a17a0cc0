package devo

import (
	"errors"
	"fmt"
	"strings"

	"okta-collector/internal/machine"
)

// SettingError is one thing that is wrong with a [Config].
type SettingError struct {
	// Setting is a variable without a tenant's prefix, such as DEVO_URL.
	Setting string
	// Or is a second variable; empty unless the mistake may be in either.
	Or string
	// Problem says what is wrong. It continues a sentence that begins with the variables: "is not a URL".
	Problem string
	// Err is why a file could not be read; nil for any other problem.
	Err error
}

// SettingErrors is everything that is wrong with a [Config].
type SettingErrors []SettingError

// Error lists the problems, one a line.
func (e SettingErrors) Error() string {
	var lines []string
	for _, one := range e {
		name := one.Setting
		if one.Or != "" {
			name += " or " + one.Or
		}
		lines = append(lines, name+" "+one.Problem)
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns why files could not be read.
func (e SettingErrors) Unwrap() (errs []error) {
	for _, one := range e {
		if one.Err != nil {
			errs = append(errs, one.Err)
		}
	}
	return errs
}

func (e *SettingErrors) add(setting, format string, args ...any) {
	e.addEither(setting, "", format, args...)
}

// unless adds a problem unless ok.
func (e *SettingErrors) unless(ok bool, setting, format string, args ...any) {
	if !ok {
		e.add(setting, format, args...)
	}
}

// addEither adds a problem of one of two settings.
func (e *SettingErrors) addEither(setting, or, format string, args ...any) {
	*e = append(*e, SettingError{Setting: setting, Or: or, Problem: fmt.Sprintf(format, args...)})
}

// Error is a failure with a known remedy.
type Error struct {
	// Remedy says what to do: "see DEVO_URL". Its settings have no tenant's prefix. Err's text does not contain it.
	Remedy string
	// Err is what happened. It wraps [ErrRefused] if no retry can succeed until somebody has acted.
	Err error
}

// Error returns what happened, without the remedy.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// Remedy returns the remedy of the first [Error] in err's chain; empty if there is none.
func Remedy(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Remedy
	}
	return ""
}

// unreached is the error of a connection that did not come about.
type unreached struct{ error }

func (u unreached) Unwrap() error { return u.error }

// Unreached reports whether err says that no connection to the peer came about, and that this may pass. The peer may be
// away, or this worker may have lost its way to it.
func Unreached(err error) bool { return isA[unreached](err) && !errors.Is(err, ErrRefused) }

// remedied adds what to do about this machine if cause is a fault of it. Otherwise it returns err unchanged.
func remedied(cause, err error) error {
	if remedy := machine.Remedy(cause); remedy != "" {
		return &Error{Remedy: remedy, Err: err}
	}
	return err
}

// refused returns an error that lasts until somebody does what remedy says. A fault of this machine may pass.
func refused(remedy string, err error) error {
	if machine.Remedy(err) != "" {
		return remedied(err, err)
	}
	return &Error{Remedy: remedy, Err: fmt.Errorf("%w: %w", ErrRefused, err)}
}
