package secret

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// ReadFile reads a file of at most limit bytes. Its error names the file, unless there is none and the name may be a secret
// that was given in its place.
func ReadFile(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(data) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, err
}

// Retry retries a failed read of files three times within a second, because somebody may be writing them. It returns
// the last error of read. If ctx ends first, the error wraps ctx.Err() too.
func Retry[T any](ctx context.Context, read func() (T, error)) (T, error) {
	v, err := read()
	for retry := 0; err != nil && retry < 3; retry++ {
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(250 * time.Millisecond):
		}
		v, err = read()
	}
	return v, err
}
