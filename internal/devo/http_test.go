package devo_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/secret"
)

const token = "s3cr3t/token+x"

// posts remembers what was posted.
type posts struct {
	mu     sync.Mutex
	uris   []string
	bodies []string
}

func (p *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = zip
	}
	text, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uris = append(p.uris, r.RequestURI)
	p.bodies = append(p.bodies, string(text))
}

func httpConfig(url string) devo.Config {
	return devo.Config{URL: url, Domain: "acme@corp", Token: secret.Value(token), Hostname: "host-1"}
}

func httpServer(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestHTTPPostsABatchAndA2xxConfirmsIt(t *testing.T) {
	var p posts
	sink, err := devo.New(httpConfig(httpServer(t, &p)))
	require.NoError(t, err)
	stream := openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
	ship(t, stream, objects(0, 2, 1))
	ship(t, stream, devo.Batch{})
	ship(t, stream, objects(2, 1, 1))
	stream.Close()
	require.Nil(t, stream.Offset())
	uri := "/stream/acme@corp/token!s3cr3t%2Ftoken+x/host-1/auth.okta.system"
	require.Equal(t, []string{uri, uri}, p.uris)
	require.Equal(t, []string{`{"n":0,"pad":"x"}` + "\n" + `{"n":1,"pad":"x"}` + "\n", `{"n":2,"pad":"x"}` + "\n"}, p.bodies)
}

func TestHTTPSplitsABatchThatIsTooLargeForOnePost(t *testing.T) {
	var p posts
	sink, err := devo.New(httpConfig(httpServer(t, &p)))
	require.NoError(t, err)
	stream := openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
	ship(t, stream, objects(0, 70, 1_000_000))
	require.Len(t, p.bodies, 3)
	n := 0
	for _, b := range p.bodies {
		require.LessOrEqual(t, len(b), 32_000_000)
		require.True(t, strings.HasSuffix(b, "}\n"))
		n += strings.Count(b, "\n")
	}
	require.Equal(t, 70, n)
}

func TestHTTPAnswers(t *testing.T) {
	const passes = "" // nobody has to look at a setting
	for status, setting := range map[int]string{
		301: "DEVO_URL", 302: "DEVO_URL", 307: "DEVO_URL", 400: "DEVO_URL", 404: "DEVO_URL", 422: "DEVO_URL",
		401: "DEVO_TOKEN", 403: "DEVO_TOKEN", 413: "DEVO_MAX_EVENT",
		408: passes, 429: passes, 500: passes, 502: passes, 503: passes, 504: passes,
	} {
		refused := setting != passes
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			asked := 0
			sink, err := devo.New(httpConfig(httpServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				w.Header().Set("Location", r.RequestURI+"x")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, r.RequestURI)
			}))))
			require.NoError(t, err)
			stream := openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
			_, err = deliver(t.Context(), stream, objects(0, 1, 1))
			require.Error(t, err)
			require.Equal(t, refused, isRefused(err), err)
			require.ErrorContains(t, err, fmt.Sprint("the server answers ", status))
			require.Equal(t, refused, devo.Remedy(err) != "")
			require.Contains(t, devo.Remedy(err), setting)
			requireNoToken(t, err)
			require.Equal(t, 1, asked, "redirects are not followed")

			err = sink.Check(t.Context())
			requireNoToken(t, err)
			require.Equal(t, refused && status != 400, isRefused(err), "Check posts nothing that a 400 could be about")
		})
	}
}

func TestTokenIsInNoError(t *testing.T) {
	raw := func(answer func(request string) string) string { // an endpoint that answers with what is no HTTP
		s := serve(t, nil, func(_ *server, c net.Conn, _ int) {
			line, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, answer(line))
			_ = c.Close()
		})
		return s.url("http")
	}
	for name, url := range map[string]string{
		"nobody there":                  "http://" + nobody,
		"cut off":                       raw(func(string) string { return "" }),
		"an answer that is no HTTP":     raw(func(string) string { return "hello\r\n\r\n" }),
		"an answer that is the request": raw(func(line string) string { return line }),
		"a header that is the token":    raw(func(string) string { return "HTTP/1.1 200 OK\r\n" + token + "\r\n\r\n" }),
		"an escaped status":             raw(func(string) string { return "HTTP/1.1 " + strings.Replace(token, "/", "%2F", 1) + "\r\n\r\n" }),
	} {
		t.Run(name, func(t *testing.T) {
			sink, err := devo.New(httpConfig(url))
			require.NoError(t, err)
			stream := openStream(t, sink, devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"})
			_, err = deliver(t.Context(), stream, objects(0, 1, 1))
			requireNoToken(t, err)
			require.False(t, isRefused(err), "what a network does, passes")
			requireNoToken(t, sink.Check(t.Context()))
		})
	}
}

func TestHTTPSVerifiesTheServer(t *testing.T) {
	var p posts
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	s := httptest.NewUnstartedServer(&p)
	s.TLS = ca.serverTLS(t, nil)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ship := func(f files) error {
		cfg := httpConfig(s.URL)
		cfg.ChainFile, cfg.CertFile, cfg.KeyFile = f.chain, f.cert, f.key
		sink, err := devo.New(cfg)
		require.NoError(t, err)
		_, err = deliver(t.Context(), openStream(t, sink, devo.Target{Name: "n", Tag: "auth.okta.system"}), objects(0, 1, 1))
		return err
	}
	require.NoError(t, ship(clientFiles(t, ca, ca, "client")))
	err := ship(clientFiles(t, other, ca, "client"))
	require.ErrorIs(t, err, devo.ErrRefused)
	require.Contains(t, devo.Remedy(err), "DEVO_CHAIN_FILE")
	requireNoToken(t, err)
}

func TestHTTPTokenFileIsReadForEachStream(t *testing.T) {
	var p posts
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("first\n"), 0o600))
	cfg := httpConfig(httpServer(t, &p))
	cfg.Token = secret.File(file)
	sink, err := devo.New(cfg)
	require.NoError(t, err)
	target := devo.Target{Name: "okta/acme/logs", Tag: "auth.okta.system"}
	ship(t, openStream(t, sink, target), objects(0, 1, 1))
	require.NoError(t, os.WriteFile(file, []byte("second\n"), 0o600))
	ship(t, openStream(t, sink, target), objects(0, 1, 1))
	require.Contains(t, p.uris[0], "token!first/")
	require.Contains(t, p.uris[1], "token!second/")
	require.NoError(t, os.Remove(file))
	_, err = sink.Open(t.Context(), target)
	require.ErrorIs(t, err, devo.ErrRefused)
}

func TestHTTPCancelledDeliveryReturns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, nil, func(_ *server, c net.Conn, _ int) {
		_, _ = c.Read(make([]byte, 1))
		cancel() // and never answer
	})
	sink, err := devo.New(httpConfig(s.url("http")))
	require.NoError(t, err)
	_, err = deliver(ctx, openStream(t, sink, devo.Target{Name: "n", Tag: "auth.okta.system"}), objects(0, 1, 1))
	require.ErrorIs(t, err, context.Canceled)
}

func TestStdoutPrintsWholeRecords(t *testing.T) {
	sink, err := devo.New(devo.Config{URL: "stdout:", Hostname: "host-1"})
	require.NoError(t, err)
	var out bytes.Buffer
	devo.SetOutput(sink, &out)
	require.NoError(t, sink.Check(t.Context()))
	var wg sync.WaitGroup
	for _, tag := range []string{"auth.okta.system", "auth.okta.users"} {
		stream := openStream(t, sink, devo.Target{Name: tag, Tag: tag})
		wg.Go(func() {
			for range 3 {
				_, err := deliver(t.Context(), stream, objects(0, 300, 1000))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 1800)
	for i, line := range lines {
		require.Regexp(t, `^<14>\S+Z host-1 auth\.okta\.(system|users): \{"n":\d+,"pad":"x{1000}"\}$`, line)
		require.Equal(t, strings.Contains(lines[i-i%300], "system"), strings.Contains(line, "system"), "batches do not mix")
	}
}
