package devosim

import (
	"net"
	"net/http"
	"time"
)

// Hooks are called at the steps of a delivery, each by the goroutine that serves the connection:
// that goes on when the hook returns. A hook may kill the client, cut its connection or wait, and
// call every method of the [Server] but Close. A nil hook does nothing.
type Hooks struct {
	// Record is called for each record of a syslog connection, after it was counted and before the
	// next one is looked at.
	Record func(Arrival)
	// End is called when a client has ended its side of a syslog connection and everything that it
	// sent was counted, before the connection is closed in answer. Its Arrival has no tag.
	End func(Arrival)
	// Answered is called when such a connection was closed in answer, as its [Manner] says. Its Arrival has no tag.
	Answered func(Arrival)
	// Post is called for each HTTP request that is in order, before its records are counted. What
	// it returns spoils the answer; nil does not.
	Post func(Arrival) *Refusal
}

// Arrival is what a hook is told.
type Arrival struct {
	// Peer is the client's address.
	Peer string
	// Tag is that of the records, and Records how many of them were counted under it so far.
	Tag     string
	Records int64
	// JSON is the object of a record of a syslog connection, or of the first one of a request. It is valid until the hook
	// returns.
	JSON []byte
	// Posted is how many records a request has.
	Posted int
	// At is when they arrived.
	At time.Time
}

// Refusal is an answer to an HTTP request that was in order.
type Refusal struct {
	// Status is the answer's, such as 503.
	Status int
	// Delivered says that the records count all the same: the error took effect.
	Delivered bool
}

// SetHooks replaces all hooks. A call under way is not waited for.
func (s *Server) SetHooks(h Hooks) { s.hooks.Store(&h) }

func (s *Server) arrived(conn net.Conn, r Record) {
	if hook := s.hooks.Load().Record; hook != nil {
		hook(Arrival{Peer: conn.RemoteAddr().String(), Tag: r.Tag, Records: s.counts.records(r.Tag), JSON: r.Object.JSON, At: time.Now()})
	}
}

func (s *Server) ended(conn net.Conn) {
	if hook := s.hooks.Load().End; hook != nil {
		hook(Arrival{Peer: conn.RemoteAddr().String(), At: time.Now()})
	}
}

func (s *Server) answered(conn net.Conn) {
	s.conns.count(answered)
	if hook := s.hooks.Load().Answered; hook != nil {
		hook(Arrival{Peer: conn.RemoteAddr().String(), At: time.Now()})
	}
}

func (s *Server) posted(r *http.Request, records []Record) *Refusal {
	hook := s.hooks.Load().Post
	if hook == nil {
		return nil
	}
	tag := records[0].Tag // of all of them: it is in the path
	return hook(Arrival{Peer: r.RemoteAddr, Tag: tag, Records: s.counts.records(tag), JSON: records[0].Object.JSON, Posted: len(records), At: time.Now()})
}
