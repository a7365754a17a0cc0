package devosim

// StopReading leaves everything unread from now on, so that the senders' buffers fill, until
// [Server.ResumeReading]. Connections are still accepted, by the kernel at least.
func (s *Server) StopReading() { s.conns.reading.set(false) }

// ResumeReading reads again.
func (s *Server) ResumeReading() { s.conns.reading.set(true) }

// CloseConnections closes all open connections from this side first, as Devo's balancer
// does with idle ones.
func (s *Server) CloseConnections() {
	s.conns.each(func(c *connection) { _ = c.Close() })
}

// ResetConnections ends all open connections with a TCP RST.
func (s *Server) ResetConnections() { s.conns.each((*connection).reset) }

// ResetConnection does so to the connection of one client, by its address.
func (s *Server) ResetConnection(peer string) {
	s.conns.each(func(c *connection) {
		if c.RemoteAddr().String() == peer {
			c.reset()
		}
	})
}

// SetManner changes how syslog connections are ended from now on.
func (s *Server) SetManner(m Manner) { s.manner.Store(&m) }

// SetMaxBody changes the size from which on HTTP bodies are refused with 413, in bytes; 0: Devo's own limit alone.
func (s *Server) SetMaxBody(bytes int64) { s.maxBody.Store(bytes) }

// AnswerHalfCloses says whether a client that ends its side of a syslog connection sees
// the other side closed too, as it does unless told otherwise, or the connection left open.
func (s *Server) AnswerHalfCloses(answer bool) { s.conns.answering.set(answer) }
