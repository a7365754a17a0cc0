package secret

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// ReadFile reads a file of at most so many bytes. Its error names the file.
func ReadFile(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(data) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return data, err
}

const (
	readAttempts = 4
	readPause    = 250 * time.Millisecond
)

// Settled calls read, which reads one file or several that belong together, until it succeeds, for up to a second:
// somebody may be writing the files at the moment. It returns read's last error, and wraps also the error of ctx if
// that ended in between.
func Settled[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		v, err := read()
		if err == nil || attempt == readAttempts {
			return v, err
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(readPause):
		}
	}
}
