package devosim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
)

// maxRecord bounds a record in bytes. Devo's own limit is not known; the collector can be
// set to send objects of up to 16 MiB.
const maxRecord = 17 << 20

// acceptSyslog serves the connections to a syslog endpoint, in TLS if there is a configuration for it.
func (s *Server) acceptSyslog(l net.Listener, config *tls.Config) {
	for {
		accepted, err := l.Accept()
		if err != nil {
			return // closed
		}
		s.serving.Go(func() {
			raw := accepted.(*connection)
			defer raw.Close()
			conn := accepted
			if config != nil {
				secured := tls.Server(raw, config)
				if err := handshake(secured); err != nil {
					if !isGone(err) {
						s.conns.count(refused)
					}
					return
				}
				conn = secured
			}
			if !s.readRecords(conn) {
				return
			}
			s.ended(conn)
			s.conns.answering.wait(raw.done)
			if s.manner.Load().end(conn, raw) {
				s.answered(conn)
			}
		})
	}
}

// isGone reports whether a handshake ended because the client left, or because its time was over.
func isGone(err error) bool {
	return slices.ContainsFunc([]error{io.EOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, context.DeadlineExceeded}, func(end error) bool {
		return errors.Is(err, end)
	})
}

func handshake(conn *tls.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// readRecords reads everything until the client ends its side, or until the connection
// breaks and ended is false.
func (s *Server) readRecords(conn net.Conn) (ended bool) {
	from := conn.RemoteAddr().String()
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 64<<10), maxRecord)
	lines.Split(s.splitRecords)
	for lines.Scan() {
		if most := s.config.MaxRecord; most > 0 && len(lines.Bytes()) > most {
			s.conns.count(truncated)
			continue
		}
		record, err := ParseRecord(lines.Bytes())
		if err != nil {
			s.problems.record("syslog", from, err, lines.Bytes())
			continue
		}
		s.deliver(record)
		s.arrived(conn, record)
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		s.problems.record("syslog", from, fmt.Errorf("longer than %d bytes", maxRecord), nil)
	}
	return lines.Err() == nil
}

// splitRecords is a bufio.SplitFunc. What follows the last newline is a record that was
// cut off.
func (s *Server) splitRecords(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end], nil
	}
	if atEOF && len(data) > 0 {
		s.conns.count(cut)
		return len(data), nil, nil
	}
	return 0, nil, nil
}
