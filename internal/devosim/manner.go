package devosim

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// Manner is how a syslog server ends its side of a connection after the client has ended its own. How Devo's servers do
// it is not known; each of these has been seen.
type Manner string

const (
	// ClosesWithNotify closes at once, over TLS with close_notify, as the standard demands. It is the default.
	ClosesWithNotify Manner = "close_notify"
	// ClosesAbruptly closes at once, and over TLS without close_notify, as rsyslog does.
	ClosesAbruptly Manner = "fin"
	// ClosesAfterFIN closes over TLS without close_notify, and only when the client has closed TCP too.
	ClosesAfterFIN Manner = "late-fin"
	// NeverCloses reads to the end and leaves its side open for a minute, which is longer than any client waits.
	NeverCloses Manner = "never"
)

// leftOpen bounds how many connections [NeverCloses] keeps.
const leftOpen = time.Minute

// Manners has all manners.
var Manners = []Manner{ClosesWithNotify, ClosesAbruptly, ClosesAfterFIN, NeverCloses}

// Set implements pflag.Value.
func (m *Manner) Set(name string) error {
	if !slices.Contains(Manners, Manner(name)) {
		return fmt.Errorf("want one of %v", Manners)
	}
	*m = Manner(name)
	return nil
}

// String implements pflag.Value.
func (m *Manner) String() string { return string(*m) }

// Type implements pflag.Value.
func (m *Manner) Type() string { return "manner" }

// end ends a connection whose client has ended its side, and reports whether it was closed in answer.
func (m Manner) end(conn net.Conn, raw *connection) (answered bool) {
	secured, isTLS := conn.(*tls.Conn)
	switch {
	case m == ClosesAfterFIN && isTLS:
		_, err := io.Copy(io.Discard, raw)
		return err == nil && raw.Close() == nil
	case m == ClosesAbruptly:
		return raw.Close() == nil
	case m == NeverCloses:
		select {
		case <-raw.done:
		case <-time.After(leftOpen):
		}
		return false
	case isTLS:
		return secured.Close() == nil // with close_notify
	}
	return raw.Close() == nil
}
