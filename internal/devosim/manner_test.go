package devosim_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

func TestAConnectionIsEndedInTheMannerThatWasAskedFor(t *testing.T) {
	for manner, test := range map[devosim.Manner]struct {
		answer  error // to close_notify; os.ErrDeadlineExceeded if there is none
		withFIN error // to a FIN after it
	}{
		devosim.ClosesWithNotify: {answer: io.EOF},
		devosim.ClosesAbruptly:   {answer: io.ErrUnexpectedEOF},
		devosim.ClosesAfterFIN:   {withFIN: io.ErrUnexpectedEOF},
		devosim.NeverCloses:      {},
	} {
		t.Run(string(manner), func(t *testing.T) {
			s := start(t, devosim.Config{Manner: manner})
			raw := &seesEOF{Conn: dialRaw(t, s)}
			c := tls.Client(raw, clientTLS(t, s.PKI()))
			_, err := io.WriteString(c, record(tag, event("a")))
			require.NoError(t, err)
			require.NoError(t, c.CloseWrite())
			require.Eventually(t, func() bool { return s.Stats()[tag].Records == 1 }, patience, time.Millisecond)
			require.Equal(t, test.answer, raw.end(c))
			if test.answer != nil {
				return
			}
			require.NoError(t, raw.Conn.(*net.TCPConn).CloseWrite())
			require.Equal(t, test.withFIN, raw.end(c))
		})
	}
}

// seesEOF tells close_notify from a FIN alone, which crypto/tls does not.
type seesEOF struct {
	net.Conn
	fin bool
}

func (s *seesEOF) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.fin = s.fin || err == io.EOF
	return n, err
}

// end is how the other side has ended the connection: EOF with close_notify, ErrUnexpectedEOF without; nil if not at all.
func (s *seesEOF) end(c *tls.Conn) error {
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	switch {
	case err == io.EOF && s.fin:
		return io.ErrUnexpectedEOF
	case err == io.EOF:
		return err
	}
	return nil
}

func dialRaw(t *testing.T, s *devosim.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.SyslogURL(), "tls://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestALongRecordIsTruncatedAndNotDelivered(t *testing.T) {
	s := start(t, devosim.Config{MaxRecord: 8096})
	c := dialTLS(t, s)
	c.send(record(tag, `{"uuid":"a","pad":"`+strings.Repeat("x", 8096)+`"}`) + record(tag, event("b")))
	c.endAndWait()
	require.EqualValues(t, 1, s.Stats()[tag].Records)
	require.EqualValues(t, 1, s.Connections().Truncated)
	require.NoError(t, s.Err(), "the sender has done nothing wrong")
}

func TestABodyThatIsTooLargeIsRefusedAndIsNoFaultOfTheSender(t *testing.T) {
	body := []byte(event("1a") + "\n" + event("2b") + "\n")
	s := start(t, devosim.Config{MaxBody: int64(len(body)) - 1})
	require.Equal(t, http.StatusRequestEntityTooLarge, post(t, s, path, nil, body))
	require.EqualValues(t, 1, s.Connections().TooLarge)
	s.SetMaxBody(int64(len(body)))
	require.Equal(t, http.StatusOK, post(t, s, path, nil, body))
	require.EqualValues(t, 2, s.Stats()[tag].Records)
	require.NoError(t, s.Err())
}
