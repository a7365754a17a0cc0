package devo

import (
	"context"
	"time"
)

// opening is a connection that is opened ahead.
type opening struct {
	cancel context.CancelFunc
	opened chan struct{} // closed when conn is valid
	conn   *conn         // nil if it could not be opened
}

// openAhead begins to open a connection. take or discard must be called.
func (s *syslogSink) openAhead() *opening {
	ctx, cancel := context.WithCancel(context.Background())
	o := &opening{cancel: cancel, opened: make(chan struct{})}
	go func() {
		defer close(o.opened)
		o.conn, _ = s.connect(ctx) // the transfer then connects itself, and returns the error
	}()
	return o
}

// take returns the connection; nil if there is none, it is not usable any more, or ctx has ended.
func (o *opening) take(ctx context.Context) *conn {
	stop := context.AfterFunc(ctx, o.cancel)
	<-o.opened
	stop()
	o.cancel()
	c := o.conn
	o.conn = nil
	if c != nil && (ctx.Err() != nil || c.alive() != nil || time.Since(c.opened) > c.timeouts.standby) {
		c.closeUnused()
		return nil
	}
	return c
}

// discard closes the connection.
func (o *opening) discard() { _ = o.take(ended) }

// standby are the connections that a stream opens ahead, the oldest first. One goroutine uses it.
type standby struct {
	sink     *syslogSink
	openings []*opening
}

// take returns the oldest one; nil if there is none.
func (s *standby) take() *opening {
	if len(s.openings) == 0 {
		return nil
	}
	o := s.openings[0]
	s.openings = s.openings[1:]
	return o
}

// fill opens as many connections ahead as can be begun while one is opened. More could not be of use sooner.
func (s *standby) fill() {
	want := min(1+int(s.sink.opening.Load()*maxConnections/int64(time.Second)), maxConnections/2)
	for len(s.openings) < want {
		s.openings = append(s.openings, s.sink.openAhead())
	}
}

// close closes the connections that were not needed.
func (s *standby) close() {
	for _, o := range s.openings {
		o.discard()
	}
	s.openings = nil
}
