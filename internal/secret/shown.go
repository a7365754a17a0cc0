package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Shown returns a setting's wrong value in quotes, so that an ordinary mistake is easy to see. Of a value that may be a
// secret, such as a token in the place of a path or a number, it only says how long it is.
func Shown(value string) string {
	if MayBe(value) {
		return fmt.Sprintf("a value of %d bytes (not shown, because it may be a secret)", len(value))
	}
	return strconv.Quote(value)
}

// ShownName is [Shown] without quotes, for a log.
func ShownName(name string) string {
	if MayBe(name) {
		return Shown(name)
	}
	return name
}

// ShownPath is [Shown] for the path of a file. What has no slash is not shown either: a token stands most often where the
// path of its file belongs.
func ShownPath(path string) string {
	if MayBe(path) || !strings.Contains(path, "/") {
		return fmt.Sprintf("a path of %d bytes (not shown, because it may be a secret)", len(path))
	}
	return path
}

const (
	// maxShown bounds a value that is shown, in bytes.
	maxShown = 200
	// maxWord is how many letters and digits may stand together in no ordinary order. Tokens of Okta, Devo and Temporal
	// have runs of twenty and more.
	maxWord = 8
	// maxMixed bounds the capitals and digits in all short words. A token of 42 characters has more than twenty of them,
	// however many signs it has in between.
	maxMixed = 6
)

var (
	// plain matches words that are joined by the signs of paths, hosts, numbers and lists. Any other sign is one of a
	// password.
	plain = regexp.MustCompile(`^[A-Za-z0-9/._,:~ -]*$`)
	word  = regexp.MustCompile(`[A-Za-z0-9]+`)
	mixed = regexp.MustCompile(`[A-Z0-9]`)
	// small matches an ordinary word or number, and camel a long word such as OktaCollector2.
	small = regexp.MustCompile(`^([a-z]{1,20}|[0-9]{1,16})$`)
	camel = regexp.MustCompile(`^[a-z]{0,20}([A-Z][a-z]{2,20})+[0-9]{0,16}$`)
)

// MayBe reports whether a value may be a secret. It takes everything for one that does not look like an ordinary setting.
// A password of plain words looks like one; no setting wants such. Of random texts of 24 characters, one in 100,000 does.
func MayBe(value string) bool {
	if len(value) > maxShown || !plain.MatchString(value) {
		return true
	}
	marks := 0
	for _, w := range word.FindAllString(value, -1) {
		switch {
		case small.MatchString(w), len(w) > maxWord && camel.MatchString(w):
		case len(w) > maxWord:
			return true
		default:
			marks += len(mixed.FindAllString(w, -1))
		}
	}
	return marks > maxMixed
}

// Hide returns an error that says the same as err without these values, for errors of other packages that repeat them. A
// value that cannot be a secret stays.
func Hide(err error, values ...string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, value := range values {
		if MayBe(value) && len(value) > 3 {
			quoted := strconv.Quote(value)
			text = strings.NewReplacer(quoted, Shown(value), value, Shown(value), quoted[1:len(quoted)-1], Shown(value)).Replace(text)
		}
	}
	return hidden{err, text}
}

type hidden struct {
	error
	text string
}

func (h hidden) Error() string { return h.text }

func (h hidden) Unwrap() error { return h.error }

// pathError is the error of a file that cannot be opened. Its path is shown if something is there, if its directory is, or
// if it may be shown.
func pathError(path string, err error) error {
	for _, name := range []string{path, filepath.Dir(path)} {
		if _, statErr := os.Lstat(name); statErr == nil && name != "." && name != "/" {
			return err
		}
	}
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return fmt.Errorf("%s: %w", ShownPath(path), err)
}
