package devo

import (
	"io"
	"syscall"
	"time"
)

// Waits replace what a syslog sink waits for, so that tests do not. Zero leaves as it is.
type Waits struct {
	Dial, Stall, Answer, Word, Nudge, Cancelled, Fresh time.Duration
}

// Patience is how long something may take before a test gives up on it. It is no expectation.
const Patience = 4 * time.Minute

// A machine that is busy with something else is not to be taken for a server that is: the tests of a wait set it.
func init() {
	l := &defaultLimits
	for _, d := range []*time.Duration{&l.dial, &l.stall, &l.answer, &l.nudge, &l.fresh} {
		*d = Patience
	}
}

// SetWaits changes the waits of a syslog sink.
func SetWaits(s Sink, w Waits) {
	l := &s.(*syslogSink).limits
	for _, d := range []struct {
		of *time.Duration
		to time.Duration
	}{
		{&l.dial, w.Dial}, {&l.stall, w.Stall}, {&l.answer, w.Answer}, {&l.word, w.Word},
		{&l.nudge, w.Nudge}, {&l.cancelled, w.Cancelled}, {&l.fresh, w.Fresh},
	} {
		if d.to != 0 {
			*d.of = d.to
		}
	}
}

// SetUnacknowledged replaces what the kernel says is unacknowledged.
func SetUnacknowledged(s Sink, f func(syscall.RawConn) (int, error)) { s.(*syslogSink).unacked = f }

// Unacknowledged is what the kernel says.
var Unacknowledged = unacknowledged

// HungUp is closed when the stream has noticed that the connection opened ahead has ended.
func HungUp(s Stream) <-chan struct{} {
	a := s.(*stream).sender.(*syslogSender).next
	<-a.done
	return a.conn.ended
}

// SetOutput lets a stdout sink write elsewhere.
func SetOutput(s Sink, w io.Writer) { s.(*stdoutSink).out = w }
