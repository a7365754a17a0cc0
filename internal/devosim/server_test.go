package devosim_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"okta-collector/internal/devosim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	domain = "acme"
	token  = "s3cret-token"
	tag    = "auth.okta.system"
	users  = "auth.okta.users"
	// patience is how long anything may take before a test gives up.
	patience = 4 * time.Minute
)

func start(t *testing.T, config devosim.Config) *devosim.Server {
	t.Helper()
	if config.Dir == "" {
		config.Dir = filepath.Join(t.TempDir(), "certificates")
	}
	config.Domain, config.Token = domain, token
	s, err := devosim.Start(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// sender is a client of a syslog endpoint.
type sender struct {
	net.Conn
	t *testing.T
}

func dialTCP(t *testing.T, s *devosim.Server) sender {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.TCPURL(), "tcp://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return sender{conn, t}
}

func clientTLS(t *testing.T, pki devosim.PKI) *tls.Config {
	t.Helper()
	chain, err := os.ReadFile(pki.ChainFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(chain))
	cert, err := tls.LoadX509KeyPair(pki.ClientCertFile, pki.ClientKeyFile)
	require.NoError(t, err)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, ServerName: "localhost"}
}

func dialTLS(t *testing.T, s *devosim.Server) sender {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.SyslogURL(), "tls://"), clientTLS(t, s.PKI()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return sender{conn, t}
}

func (c sender) send(data string) {
	c.t.Helper()
	_, err := io.WriteString(c, data)
	require.NoError(c.t, err)
}

// endAndWait ends this side, and returns when the other side is closed too.
func (c sender) endAndWait() {
	c.t.Helper()
	require.NoError(c.t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(c.t, err, io.EOF)
}

func record(tag, object string) string {
	return "<14>2026-11-22T06:27:00.123Z host " + tag + ": " + object + "\n"
}

func event(uuid string) string { return `{"uuid":"` + uuid + `","@devo_pulling_id":1}` }

func user(id string, pull int) string {
	return fmt.Sprintf(`{"id":%q,"@devo_pulling_id":%d}`, id, pull)
}

func TestWhatWasSentIsCountedWhenTheHalfCloseIsAnswered(t *testing.T) {
	for name, dial := range map[string]func(*testing.T, *devosim.Server) sender{"TLS": dialTLS, "TCP": dialTCP} {
		t.Run(name, func(t *testing.T) {
			s := start(t, devosim.Config{})
			c := dial(t, s)
			for i := range 1000 {
				c.send(record(tag, event(fmt.Sprint(i))))
			}
			c.endAndWait()

			stats := s.Stats()[tag]
			require.Equal(t, int64(1000), stats.Records)
			require.Equal(t, int64(1000), stats.Distinct)
			require.Equal(t, int64(1000), stats.Objects)
			require.Equal(t, int64(1), stats.Pulls)
			require.Zero(t, stats.Repeated)
			require.NoError(t, s.Err())
			require.Eventually(t, func() bool {
				return s.Connections() == devosim.ConnectionStats{Accepted: 1, Answered: 1}
			}, patience, time.Millisecond)
		})
	}
}

func TestARecordMayArriveInPiecesAndBeLarge(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	large := record(tag, `{"uuid":"large","text":"`+strings.Repeat("é", 1<<20)+`"}`)
	c.send(large[:40])
	c.send(large[40:])
	c.endAndWait()
	require.NoError(t, s.Err())
	require.Equal(t, int64(1), s.Stats()[tag].Records)
}

func TestAnEventIsToComeOnceAndAnObjectOnceInEachPull(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	c.send(record(tag, `{"uuid":"a","@devo_pulling_id":1}`) + record(tag, `{"uuid":"a","@devo_pulling_id":2}`))
	c.send(record(users, user("u", 1)) + record(users, user("u", 2)) + record(users, user("u", 2)) + record(users, user("v", 2)))
	c.endAndWait()

	events := s.Stats()[tag]
	require.Equal(t, []int64{2, 1, 1, 1, 2}, []int64{events.Records, events.Distinct, events.Repeated, events.Objects, events.Pulls})
	others := s.Stats()[users]
	require.Equal(t, []int64{4, 3, 1, 2, 2}, []int64{others.Records, others.Distinct, others.Repeated, others.Objects, others.Pulls})

	var delivered []devosim.Delivery
	for d := range s.Delivered(users) {
		delivered = append(delivered, d)
	}
	require.ElementsMatch(t, []devosim.Delivery{
		{Identity: devosim.IdentityOf("", "u"), Pull: 1, Count: 1, Sum: devosim.Sum([]byte(`{"id":"u"}`))},
		{Identity: devosim.IdentityOf("", "u"), Pull: 2, Count: 2, Sum: devosim.Sum([]byte(`{"id":"u"}`))},
		{Identity: devosim.IdentityOf("", "v"), Pull: 2, Count: 1, Sum: devosim.Sum([]byte(`{"id":"v"}`))},
	}, delivered)
}

func TestDeliveriesThatDifferHaveNoSum(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	c.send(record(tag, `{"uuid":"a","n":1}`) + record(tag, `{"uuid":"a","n":2}`) + record(tag, `{"uuid":"a","n":2}`))
	c.endAndWait()
	for d := range s.Delivered(tag) {
		require.Equal(t, devosim.Delivery{Identity: devosim.IdentityOf("", "a"), Count: 3}, d)
	}
}

func TestOneMalformedRecordFailsTheRunAndTheRestIsCounted(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTLS(t, s)
	c.send(record(tag, event("a")) + "hello\n" + record(tag, event("b")))
	c.endAndWait()
	require.ErrorContains(t, s.Err(), "hello")
	count, examples := s.Malformed()
	require.Equal(t, int64(1), count)
	require.Len(t, examples, 1)
	require.Equal(t, int64(2), s.Stats()[tag].Records)
}

func TestOnlyTheFirstFewMalformedRecordsAreShown(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	c.send(strings.Repeat(strings.Repeat("x", 10_000)+"\n", 100))
	c.endAndWait()
	count, examples := s.Malformed()
	require.Equal(t, int64(100), count)
	require.Len(t, examples, 20)
	require.Less(t, len(examples[0]), 500)
}

func TestARecordWithoutEndIsMalformed(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	// The server stops reading in the middle of this, so writing it may fail.
	_, _ = io.WriteString(c, strings.Repeat("x", 18<<20))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.ErrorContains(t, s.Err(), "longer than")
}

func TestARecordCutOffAtTheEndIsNeitherDeliveredNorMalformed(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	whole := record(tag, event("a"))
	c.send(whole + strings.TrimSuffix(whole, "\n"))
	c.endAndWait()
	require.NoError(t, s.Err())
	require.Equal(t, int64(1), s.Connections().Cut)
	require.Equal(t, int64(1), s.Stats()[tag].Records)
}

func TestASenderWithoutItsCertificateIsRefused(t *testing.T) {
	s := start(t, devosim.Config{})
	foreign, err := devosim.NewPKI(filepath.Join(t.TempDir(), "foreign"))
	require.NoError(t, err)
	none := clientTLS(t, s.PKI())
	none.Certificates = nil
	other := clientTLS(t, s.PKI())
	other.Certificates = clientTLS(t, *foreign).Certificates
	for name, config := range map[string]*tls.Config{"none": none, "of another authority": other} {
		t.Run(name, func(t *testing.T) {
			before := s.Connections().Refused
			conn, err := tls.Dial("tcp", strings.TrimPrefix(s.SyslogURL(), "tls://"), config)
			if err == nil { // TLS 1.3: the client is told when it reads
				defer conn.Close()
				require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
				_, err = conn.Read(make([]byte, 1))
			}
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
			require.Eventually(t, func() bool { return s.Connections().Refused == before+1 }, patience, time.Millisecond)
		})
	}
	require.Empty(t, s.Stats())
}

func TestASenderWhoLeavesDuringTheHandshakeIsNotRefused(t *testing.T) {
	s := start(t, devosim.Config{})
	for _, linger := range []int{-1, 0} { // with a FIN, and with a RST
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.SyslogURL(), "tls://"))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return s.Connections().Open == 1 }, patience, time.Millisecond)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(linger))
		require.NoError(t, conn.Close())
		require.Eventually(t, func() bool { return s.Connections().Open == 0 }, patience, time.Millisecond)
	}
	require.Zero(t, s.Connections().Refused)
}

func TestOldTLSIsRefused(t *testing.T) {
	s := start(t, devosim.Config{})
	config := clientTLS(t, s.PKI())
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	_, err := tls.Dial("tcp", strings.TrimPrefix(s.SyslogURL(), "tls://"), config)
	require.Error(t, err)
}

func post(t *testing.T, s *devosim.Server, path string, header http.Header, body []byte) int {
	t.Helper()
	config := clientTLS(t, s.PKI())
	config.Certificates = nil // the token is enough
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTPURL()+path, bytes.NewReader(body))
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

const path = "/stream/" + domain + "/token!" + token + "/host/" + tag

func TestHTTPTakesOneEventALine(t *testing.T) {
	s := start(t, devosim.Config{})
	require.Equal(t, 200, post(t, s, path, nil, []byte(event("a")+"\n"+event("b")+"\n")))
	require.Equal(t, 200, post(t, s, path, nil, []byte(event("c"))))

	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := io.WriteString(w, event("d")+"\n"+event("a")+"\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, 200, post(t, s, path, http.Header{"Content-Encoding": {"gzip"}}, packed.Bytes()))

	require.NoError(t, s.Err())
	stats := s.Stats()[tag]
	require.Equal(t, []int64{5, 4, 1}, []int64{stats.Records, stats.Distinct, stats.Repeated})
}

func TestHTTPRefusesWhatIsNotItsOwn(t *testing.T) {
	s := start(t, devosim.Config{})
	require.Equal(t, 401, post(t, s, "/stream/acme/token!wrong/host/"+tag, nil, []byte(event("a"))))
	require.Equal(t, 401, post(t, s, "/stream/acme/"+token+"/host/"+tag, nil, []byte(event("a"))))
	require.Equal(t, 403, post(t, s, "/stream/globex/token!"+token+"/host/"+tag, nil, []byte(event("a"))))
	require.Equal(t, 404, post(t, s, "/event/acme/token!"+token+"/host/"+tag, nil, []byte(event("a"))))
	require.Equal(t, 404, post(t, s, path+"/more", nil, []byte(event("a"))))
	require.Equal(t, int64(3), s.Connections().Refused)
	require.Empty(t, s.Stats())
	require.NoError(t, s.Err())
}

func TestHTTPTellsWhetherATokenIsGoodWithoutAnEvent(t *testing.T) {
	s := start(t, devosim.Config{})
	require.Equal(t, 400, post(t, s, path, nil, nil))
	require.Equal(t, 401, post(t, s, "/stream/acme/token!wrong/host/"+tag, nil, nil))
	require.NoError(t, s.Err())
}

func TestHTTPDeliversARequestAsAWholeOrNotAtAll(t *testing.T) {
	tests := map[string]struct {
		path, encoding, body string
		status               int
	}{
		"a malformed line": {path, "", event("a") + "\n{\"a\": 1}\n", 400},
		"an empty line":    {path, "", event("a") + "\n\n" + event("b"), 400},
		"not gzip":         {path, "gzip", event("a"), 400},
		"another encoding": {path, "deflate", event("a"), 400},
		"a tag too short":  {"/stream/acme/token!" + token + "/host/okta", "", event("a"), 400},
		"a blank in host":  {"/stream/acme/token!" + token + "/my%20host/" + tag, "", event("a"), 400},
		// By so little that nothing of it is left unread: a server that closes on that resets, and the answer is lost.
		"more than 32 MB": {path, "", strings.Repeat(event("a")+"\n", 32_000_000/(len(event("a"))+1)+1), 413},
		"a bomb of 40 MB": {path, "gzip", bomb(40_000_000), 413},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t, devosim.Config{})
			var header http.Header
			if test.encoding != "" {
				header = http.Header{"Content-Encoding": {test.encoding}}
			}
			require.Equal(t, test.status, post(t, s, test.path, header, []byte(test.body)))
			require.Error(t, s.Err())
			require.NotContains(t, s.Err().Error(), token)
			require.Empty(t, s.Stats())
		})
	}
}

func bomb(size int) string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(make([]byte, size))
	_ = w.Close()
	return packed.String()
}

func TestNothingIsReadWhileReadingIsStopped(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	s.StopReading()
	// Far more than the kernel's buffers hold: the sender gets stuck.
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
	const records = 1 << 18
	data := []byte(strings.Repeat(record(tag, event("a")), records))
	n, err := c.Write(data)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Empty(t, s.Stats())

	s.ResumeReading()
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(patience)))
	_, err = c.Write(data[n:])
	require.NoError(t, err)
	c.endAndWait()
	require.Equal(t, int64(records), s.Stats()[tag].Records)
	require.NoError(t, s.Err())
}

func TestConnectionsCanBeClosedFromDevosSide(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	c.send(record(tag, event("a")))
	require.Eventually(t, func() bool { return s.Stats()[tag].Records == 1 }, patience, time.Millisecond)
	s.CloseConnections()
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, s.Connections().Open)
	require.Zero(t, s.Connections().Answered)
}

func TestConnectionsCanBeReset(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTLS(t, s)
	c.send(record(tag, event("a")))
	require.Eventually(t, func() bool { return s.Stats()[tag].Records == 1 }, patience, time.Millisecond)
	s.ResetConnections()
	_, err := c.Read(make([]byte, 1))
	require.ErrorContains(t, err, "reset by peer")
}

func TestAResetCanBeOneClientsOnly(t *testing.T) {
	s := start(t, devosim.Config{})
	one, other := dialTLS(t, s), dialTLS(t, s)
	one.send(record(tag, event("a")))
	require.Eventually(t, func() bool { return s.Stats()[tag].Records == 1 }, patience, time.Millisecond)
	s.ResetConnection(one.LocalAddr().String())
	_, err := one.Read(make([]byte, 1))
	require.ErrorContains(t, err, "reset by peer")
	other.send(record(tag, event("b")))
	other.endAndWait()
	require.EqualValues(t, 2, s.Stats()[tag].Records)
}

func TestAHalfCloseCanGoUnanswered(t *testing.T) {
	s := start(t, devosim.Config{})
	s.AnswerHalfCloses(false)
	c := dialTLS(t, s)
	c.send(record(tag, event("a")))
	require.NoError(t, c.Conn.(*tls.Conn).CloseWrite())
	require.Eventually(t, func() bool { return s.Stats()[tag].Records == 1 }, patience, time.Millisecond)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	s.AnswerHalfCloses(true)
	require.Eventually(t, func() bool { return s.Connections().Answered == 1 }, patience, time.Millisecond)
}

// addressOfNoConnection returns an address that nobody listens on. Its port is below those that systems give to
// connections (Linux 32768 and up, others 49152), so that it is still free when a server comes back to it.
func addressOfNoConnection() string {
	for {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15_000+rand.IntN(17_000)))
		if err == nil {
			defer listener.Close()
			return listener.Addr().String()
		}
	}
}

func TestItComesBackAtTheSameAddressWithTheSameCertificates(t *testing.T) {
	dir := t.TempDir() // there already, but empty
	address := addressOfNoConnection()
	first := start(t, devosim.Config{Dir: dir, ListenTLS: address})
	c := dialTLS(t, first)
	require.NoError(t, first.Close())
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)

	second := start(t, devosim.Config{Dir: dir, ListenTLS: address})
	require.Equal(t, first.SyslogURL(), second.SyslogURL())
	require.Equal(t, first.PKI(), second.PKI())
	dialTLS(t, second).endAndWait()
}

func TestOtherFilesAreNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "client-key.pem")
	require.NoError(t, os.WriteFile(key, []byte("mine"), 0o600))
	_, err := devosim.Start(devosim.Config{Dir: dir})
	require.ErrorContains(t, err, dir)
	content, err := os.ReadFile(key)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
}

func TestEveryDeliveredObjectIsWrittenOut(t *testing.T) {
	var out bytes.Buffer
	s := start(t, devosim.Config{Out: &out})
	c := dialTCP(t, s)
	c.send(record(tag, event("a")) + "no\n" + record(users, user("u", 1)))
	c.endAndWait()
	require.NoError(t, s.Close())
	require.Equal(t, event("a")+"\n"+user("u", 1)+"\n", out.String())
}
