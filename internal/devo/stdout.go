package devo

import (
	"context"
	"io"
	"sync"
)

// stdoutSink prints records as the syslog sink would send them. A batch is confirmed when it is written.
type stdoutSink struct {
	noOffset
	noCertificates
	cfg Config
	out io.Writer
	mu  sync.Mutex // keeps batches of different streams apart
}

func (s *stdoutSink) Open(_ context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	sender := &stdoutSender{sink: s, tag: target.Tag, framer: s.cfg.framer(target)}
	return &stream{sender: sender, doing: "printing", metrics: s.cfg.Metrics}, nil
}

func (s *stdoutSink) Check(context.Context) error { return nil }

type stdoutSender struct {
	sink *stdoutSink
	tag  string
	framer
	noOffset
	noProof
}

func (s *stdoutSender) send(ctx context.Context, batch Batch, d *delivery) (err error) {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	d.stats, err = s.frame(s.head(), s.tag, batch, func(records []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.sink.out.Write(records)
		d.begun = d.begun || n > 0
		return err
	})
	return err
}

func (s *stdoutSender) close() {}
