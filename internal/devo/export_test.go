package devo

import (
	"context"
	"io"
	"syscall"
	"time"
)

// Timeouts replace those of a syslog sink, so that tests need not wait. Zero leaves one as it is.
type Timeouts struct {
	Dial, Stall, Close, Unanswered, Stagger, FIN, Abort, Standby time.Duration
}

// Patience is how long a test waits for something that it expects. It says nothing about how long that takes.
const Patience = 4 * time.Minute

// On a busy machine no timeout must end. A test of a timeout sets it.
func init() {
	l := &defaultTimeouts
	for _, d := range []*time.Duration{&l.dial, &l.stall, &l.close, &l.unanswered, &l.stagger, &l.fin, &l.standby} {
		*d = Patience
	}
}

// SetTimeouts changes the timeouts of a syslog sink.
func SetTimeouts(s Sink, w Timeouts) {
	l := &s.(*syslogSink).timeouts
	for _, d := range []struct {
		of *time.Duration
		to time.Duration
	}{
		{&l.dial, w.Dial}, {&l.stall, w.Stall}, {&l.close, w.Close}, {&l.unanswered, w.Unanswered},
		{&l.stagger, w.Stagger}, {&l.fin, w.FIN}, {&l.abort, w.Abort}, {&l.standby, w.Standby},
	} {
		if d.to != 0 {
			*d.of = d.to
		}
	}
}

// SetUnacknowledged replaces what the kernel says is unacknowledged.
func SetUnacknowledged(s Sink, f func(syscall.Conn) (int, error)) { s.(*syslogSink).unacked = f }

// Unacknowledged is what the kernel says.
var Unacknowledged = unacknowledged

// StandbyEnded is closed when the stream has noticed that its oldest standby connection has ended.
func StandbyEnded(s Stream) <-chan struct{} {
	o := s.(*stream).sender.(*syslogSender).standby.openings[0]
	<-o.opened
	return o.conn.ended
}

// OpenedAhead is how many connections the stream has opened for batches to come.
func OpenedAhead(s Stream) int { return len(s.(*stream).sender.(*syslogSender).standby.openings) }

// SetOutput lets a stdout sink write elsewhere.
func SetOutput(s Sink, w io.Writer) { s.(*stdoutSink).out = w }

// Window is what a stream may have sent and not released.
type Window struct{ w *window }

// NewWindow returns the window of one more stream.
func (l *Limits) NewWindow() Window { return Window{&window{pool: &l.pool}} }

// Load is a batch in a window.
type Load struct{ l *load }

// Admit adds a load, and waits until the window keeps enough bytes for it.
func (w Window) Admit(ctx context.Context, size int) (Load, error) {
	l, err := w.w.admit(ctx, size)
	return Load{l}, err
}

// Close gives back all bytes.
func (w Window) Close() { w.w.close() }

// Take waits until so many bytes of the load may be written.
func (l Load) Take(ctx context.Context, n int) error { return l.l.take(ctx, n) }

// Join adds a batch of so many bytes, and Leave takes it back.
func (l Load) Join(ctx context.Context, size int) error { return l.l.join(ctx, size) }
func (l Load) Leave(size int)                           { l.l.leave(size) }

// Release gives back the bytes of the load, which is the oldest one.
func (l Load) Release() { l.l.release() }

// AwaitConnection waits until a connection to a server may be opened.
func (l *Limits) AwaitConnection(ctx context.Context, server string) error {
	return await(ctx, l.pace(server))
}
