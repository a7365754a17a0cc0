package devosim

import "time"

// CloseIdle closes from this side, as Devo's balancer does, the connections over which nothing has come
// for at least so long. It returns how many there were.
func (s *Server) CloseIdle(idle time.Duration) (closed int) {
	before := time.Now().Add(-idle).UnixNano()
	s.conns.each(func(c *connection) {
		if c.heard.Load() <= before && c.Close() == nil {
			closed++
		}
	})
	return closed
}
