package oktasim_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"okta-collector/internal/oktasim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spoilt answers a request for three users with a fault.
func spoilt(t *testing.T, fault oktasim.Fault) *httptest.ResponseRecorder {
	t.Helper()
	org, _ := newOrg(t, nil)
	org.SetFaults(func(_ *http.Request, n int) oktasim.Fault {
		require.Equal(t, 1, n)
		return fault
	})
	return get(t, org, "http://acme.test/api/v1/users?limit=3")
}

func TestFaultsSpoilAnswers(t *testing.T) {
	w := spoilt(t, oktasim.Refuse(403, "E0000006"))
	require.Equal(t, 403, w.Code)
	require.Equal(t, "E0000006", errorCode(t, w.Body.Bytes()))
	require.Empty(t, w.Header().Values("Link"))

	w = spoilt(t, oktasim.Page(200))
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Header().Get("Content-Type"), "text/html")
	require.Contains(t, w.Body.String(), "<html>")

	w = spoilt(t, oktasim.Redirect("https://elsewhere.test/"))
	require.Equal(t, 302, w.Code)
	require.Equal(t, "https://elsewhere.test/", w.Header().Get("Location"))

	require.False(t, json.Valid(spoilt(t, oktasim.Truncate()).Body.Bytes()))
	require.JSONEq(t, `{"objects":[]}`, spoilt(t, oktasim.NotArray()).Body.String())

	w = spoilt(t, oktasim.FoldLinks())
	require.Len(t, w.Header().Values("Link"), 1)
	require.Regexp(t, `^<[^>]+>; rel="self", <[^>]+>; rel="next"$`, w.Header().Get("Link"))

	w = spoilt(t, oktasim.UnquoteLinks())
	require.Regexp(t, `>; rel=self$`, w.Header().Values("Link")[0])
	require.Regexp(t, `>; rel=next$`, w.Header().Values("Link")[1])

	w = spoilt(t, oktasim.NextOn("evil.test"))
	require.Regexp(t, `^http://acme\.test/`, related(w, "self"))
	require.Regexp(t, `^http://evil\.test/api/v1/users\?after=`, related(w, "next"))

	w = spoilt(t, oktasim.NextTo("http://acme.test/api/v1/users?limit=3"))
	require.Equal(t, related(w, "self"), related(w, "next"))
	require.Len(t, w.Header().Values("Link"), 2)

	w = spoilt(t, oktasim.NoNext())
	require.NotEmpty(t, related(w, "self"))
	require.Empty(t, related(w, "next"))

	require.Empty(t, spoilt(t, oktasim.NoLimits()).Header().Values("X-Rate-Limit-Reset"))
	w = spoilt(t, oktasim.TwoResets("7"))
	require.Len(t, w.Header().Values("X-Rate-Limit-Reset"), 2)
	require.Equal(t, "7", w.Header().Values("X-Rate-Limit-Reset")[0])

	w = spoilt(t, oktasim.All(oktasim.NoNext(), oktasim.NoLimits()))
	require.Empty(t, related(w, "next"))
	require.Empty(t, w.Header().Values("X-Rate-Limit-Limit"))
}

func start(t *testing.T, faults func(*http.Request, int) oktasim.Fault) *oktasim.Server {
	t.Helper()
	s, err := oktasim.Start(oktasim.Config{Token: token, Epoch: epoch, Counts: counts(60), Faults: faults})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// ask sends a request over a connection of its own.
func ask(t *testing.T, client *http.Client, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "SSWS "+token)
	r.Close = true
	return client.Do(r)
}

func TestConnectionsAreCut(t *testing.T) {
	s := start(t, func(_ *http.Request, n int) oktasim.Fault {
		return map[int]oktasim.Fault{1: oktasim.HangUp(), 2: oktasim.CutShort()}[n]
	})
	_, err := ask(t, http.DefaultClient, s.URL+"/api/v1/users")
	require.ErrorIs(t, err, io.EOF)

	cut, err := ask(t, http.DefaultClient, s.URL+"/api/v1/users")
	require.NoError(t, err)
	half, err := io.ReadAll(cut.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, cut.Body.Close())
	require.InDelta(t, cut.ContentLength/2, len(half), 1)

	whole, err := ask(t, http.DefaultClient, s.URL+"/api/v1/users")
	require.NoError(t, err)
	body, err := io.ReadAll(whole.Body)
	require.NoError(t, err)
	require.NoError(t, whole.Body.Close())
	require.True(t, json.Valid(body))
}

func TestADelayEndsWhenTheClientGoesAway(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s := start(t, func(*http.Request, int) oktasim.Fault {
		leave()
		return oktasim.Delay(time.Hour)
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/users", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "SSWS "+token)
	_, err = http.DefaultClient.Do(r)
	require.ErrorIs(t, err, context.Canceled)
	require.Eventually(t, func() bool { return len(s.Requests()) == 1 }, 4*time.Minute, time.Millisecond)
}

func TestHTTPSWithACertificateToTrust(t *testing.T) {
	s, err := oktasim.StartTLS(oktasim.Config{Token: token, Counts: counts(5)})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(s.Certificate))
	for _, version := range []int{1, 2} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == 2}}
		w, err := ask(t, client, s.URL+"/api/v1/users?limit=1")
		require.NoError(t, err)
		require.NoError(t, w.Body.Close())
		require.Equal(t, version, w.ProtoMajor)
		require.Equal(t, http.StatusOK, w.StatusCode)
		require.Contains(t, w.Header.Values("Link")[1], "<"+s.URL+"/api/v1/users?after=")
		client.CloseIdleConnections()
	}
}

func TestPrettyPagesHoldTheSameObjects(t *testing.T) {
	compact, _ := newOrg(t, nil)
	pretty, _ := newOrg(t, func(c *oktasim.Config) { c.Pretty = true })
	for _, path := range []string{"/api/v1/logs?limit=1000&since=" + allHistory, "/api/v1/zones"} {
		plain, spaced := get(t, compact, path).Body.Bytes(), get(t, pretty, path).Body.Bytes()
		require.Greater(t, len(spaced), len(plain))
		var same bytes.Buffer
		require.NoError(t, json.Compact(&same, spaced))
		require.Equal(t, string(plain), same.String())
	}
}

func BenchmarkPageOfAThousandEvents(b *testing.B) {
	org, _ := newOrg(b, func(c *oktasim.Config) { c.Counts["logs"] = 1000; c.EventBytes = 2800 })
	r := httptest.NewRequest(http.MethodGet, "/api/v1/logs?limit=1000&since="+allHistory, nil)
	r.Header.Set("Authorization", "SSWS "+token)
	b.ReportAllocs()
	for b.Loop() {
		w := discard{http.Header{}}
		org.ServeHTTP(w, r)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
