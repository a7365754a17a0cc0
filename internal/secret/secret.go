// Package secret holds credentials so that they cannot leak by accident: a
// [Secret] prints, logs and marshals as [redacted], and gives its value only
// to the one call that sends it.
package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSize bounds a secret, in bytes. Tokens are below 100 bytes, JWTs a few
// kilobytes; anything larger is the wrong file.
const maxSize = 64 << 10

const redacted = "[redacted]"

// ErrEmpty is returned by [Secret.Read] when there is no value.
var ErrEmpty = errors.New("secret is empty")

// Secret is a credential given either as a value or as the path of a file that
// contains it. The zero Secret is unset.
type Secret struct {
	// A pointer, since fmt prints the fields of a struct that holds a Secret in an
	// unexported field without asking the Secret.
	value *string
	file  string
}

// Value returns a secret with a fixed value.
func Value(v string) Secret { return Secret{value: &v} }

// File returns a secret that is read from path at every use, so that it can be
// rotated while the process runs. White space around it is not part of it.
func File(path string) Secret { return Secret{file: path} }

// IsSet says whether a value or a file was given.
func (s Secret) IsSet() bool { return s.value != nil && *s.value != "" || s.file != "" }

// Read returns the secret's value. It fails with [ErrEmpty] when there is none,
// and with an error that names the file, never its content, when the file cannot
// be read, or when the value is larger than 64 KiB or holds characters that no HTTP
// header may have. It takes up to a second to be sure of what is wrong with a file.
func (s Secret) Read() (string, error) {
	if s.file == "" {
		if s.value == nil {
			return "", ErrEmpty
		}
		if len(*s.value) > maxSize {
			return "", fmt.Errorf("secret is larger than %d bytes", maxSize)
		}
		return clean(*s.value)
	}
	return Settled(context.Background(), s.readFile)
}

func (s Secret) readFile() (string, error) {
	f, err := os.Open(s.file)
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return "", fmt.Errorf("reading secret: %w", err)
	}
	if len(data) > maxSize {
		return "", fmt.Errorf("reading secret: %s is larger than %d bytes", s.file, maxSize)
	}
	v, err := clean(string(data))
	if err != nil {
		return "", fmt.Errorf("reading secret from %s: %w", s.file, err)
	}
	return v, nil
}

func clean(v string) (string, error) {
	v = strings.TrimSpace(v)
	if v == "" {
		return "", ErrEmpty
	}
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7f {
			return "", errors.New("secret has a blank, a control character or one that is not ASCII")
		}
	}
	return v, nil
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[redacted]", so that JSON and YAML are safe too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
