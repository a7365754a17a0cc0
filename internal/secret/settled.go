package secret

import (
	"context"
	"fmt"
	"time"
)

const (
	readAttempts = 4
	readPause    = 250 * time.Millisecond
)

// Settled reads a file, or several that belong together, for up to a second until what they hold is valid: they
// may be being written, or rotated, just now. The error is the last one of read; it wraps also why ctx ended, if it
// did in between.
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
