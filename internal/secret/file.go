package secret

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// ReadFile reads a file. It fails if the file has more than limit bytes. Its error names the file.
func ReadFile(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}

const (
	readAttempts = 4
	readPause    = 250 * time.Millisecond
)

// Settled retries a read of one file, or of several that belong together, for up to a second, because somebody may be
// writing them at the moment. It returns the last error of read. If ctx ends first, the error wraps that of ctx too.
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
