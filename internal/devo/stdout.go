package devo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// stdoutSink prints records as they would be sent, for a look at them. A page is confirmed
// when it is written.
type stdoutSink struct {
	cfg Config
	out io.Writer
	mu  sync.Mutex // pages of different streams do not mix
}

func (s *stdoutSink) Open(_ context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	return &stdoutStream{sink: s, tag: target.Tag, framer: newFramer(s.cfg)}, nil
}

// OffsetOf is empty: there is nothing to take back.
func (*stdoutSink) OffsetOf() string { return "" }

func (s *stdoutSink) Check(context.Context) error { return nil }

type stdoutStream struct {
	sink *stdoutSink
	tag  string
	framer
	failed error
}

func (s *stdoutStream) Ship(ctx context.Context, page Page) (Stats, error) {
	if s.failed != nil {
		return Stats{}, s.failed
	}
	started := time.Now()
	head := appendHead(nil, s.sink.cfg.Now(), s.sink.cfg.Hostname, s.tag)
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	written := 0
	stats, err := s.frame(head, page, func(records []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.sink.out.Write(records)
		written += n
		return err
	})
	if err != nil && written == 0 {
		err = unsent(err)
	}
	if err != nil {
		s.failed = fmt.Errorf("printing: %w", err)
		return Stats{}, s.failed
	}
	s.sink.cfg.Metrics.shipped(started)
	return stats, nil
}

func (s *stdoutStream) Offset() *int64 { return nil }

func (s *stdoutStream) Close(context.Context) error {
	if s.failed == nil {
		s.failed = errors.New("the stream is closed")
	}
	return nil
}
