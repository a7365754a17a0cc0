// Package secret holds credentials so that they cannot leak by accident. A [Secret] prints, logs and marshals as
// [redacted]. Its value, or the file that contains it, is read only with [Secret.Read].
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxSize bounds a secret in bytes. Tokens have less than 100, JWTs a few thousand. A larger file is not a credential.
const maxSize = 64 << 10

// ErrEmpty is returned by [Secret.Read] if the secret has no value.
var ErrEmpty = errors.New("secret is empty")

var errTooLarge = fmt.Errorf("secret is larger than %d bytes", maxSize)

// Secret is a credential, given as a value or as the path of a file with the value. It prints, logs and marshals as
// [redacted]. The zero Secret is unset.
type Secret struct {
	// value is a pointer because fmt prints a Secret in an unexported field without calling its methods.
	value *string
	file  string
}

// Value returns a secret with a fixed value.
func Value(v string) Secret { return Secret{value: &v} }

// File returns a secret that is read from path at every use, so that it can be rotated while the process runs.
func File(path string) Secret { return Secret{file: path} }

// IsSet reports whether a value or a file was given.
func (s Secret) IsSet() bool { return s.value != nil && *s.value != "" || s.file != "" }

// Read returns the secret's value without surrounding white space. It fails if the value is empty ([ErrEmpty]), has
// more than 64 KiB, or has a character that no HTTP header may have. It fails if the file cannot be read after a second
// of retries. Its error names the file, but never contains any part of the value.
func (s Secret) Read() (string, error) {
	if s.file != "" {
		return Retry(context.Background(), s.readFile)
	}
	if s.value == nil {
		return "", ErrEmpty
	}
	return clean(*s.value)
}

// ReadAs reads a secret that may have several lines, such as a private key, and returns what parse makes of it. It retries
// a file for a second, because somebody may be writing it. parse must not repeat the text in its error. An error about a
// file names it.
func ReadAs[T any](ctx context.Context, s Secret, parse func(text string) (T, error)) (v T, err error) {
	switch {
	case s.file != "":
		return Retry(ctx, func() (v T, err error) {
			data, err := ReadFile(s.file, maxSize)
			if err == nil {
				v, err = parse(strings.TrimSpace(string(data)))
			}
			if err != nil {
				err = fmt.Errorf("reading secret from %s: %w", s.file, err)
			}
			return v, err
		})
	case s.value == nil:
		return v, ErrEmpty
	case len(*s.value) > maxSize:
		return v, errTooLarge
	}
	return parse(strings.TrimSpace(*s.value))
}

func (s Secret) readFile() (string, error) {
	data, err := ReadFile(s.file, maxSize)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	v, err := clean(string(data))
	if err != nil {
		err = fmt.Errorf("reading secret from %s: %w", s.file, err)
	}
	return v, err
}

func clean(v string) (string, error) {
	if len(v) > maxSize {
		return "", errTooLarge
	}
	v = strings.TrimSpace(v)
	if v == "" {
		return "", ErrEmpty
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("secret has a blank, a control character or one that is not ASCII")
	}
	return v, nil
}

// String returns "[redacted]".
func (s Secret) String() string { return "[redacted]" }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText returns "[redacted]" for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
