package devo

import (
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

// StandbyEnded is closed when the stream has noticed that its standby connection has ended.
func StandbyEnded(s Stream) <-chan struct{} {
	standby := s.(*stream).sender.(*syslogSender).standby
	c := <-standby
	standby <- c
	return c.ended
}

// SetOutput lets a stdout sink write elsewhere.
func SetOutput(s Sink, w io.Writer) { s.(*stdoutSink).out = w }
