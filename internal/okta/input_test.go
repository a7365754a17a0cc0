package okta_test

import (
	"bufio"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/internal/secret"
)

// start serves an org over a real connection, and makes an Org that asks it.
func start(t testing.TB, change func(*okta.Config)) (*oktasim.Server, *okta.Org) {
	t.Helper()
	sim, err := oktasim.Start(oktasim.Config{Seed: 11, Token: token, Counts: counts(), Unlimited: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	cfg := settings()
	cfg.URL = sim.URL
	if change != nil {
		change(&cfg)
	}
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return sim, org
}

// TestBadInput spoils the second page of users. Nothing of it is shipped, and nothing is lost or there
// twice when it is asked for again.
func TestBadInput(t *testing.T) {
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer canary.Close()
	for name, test := range map[string]struct {
		fault oktasim.Fault
		class okta.Class
		says  string
	}{
		"token refused":             {oktasim.Refuse(401, "E0000011"), okta.Person, "where OKTA_API_TOKEN or OKTA_API_TOKEN_FILE says"},
		"token refused otherwise":   {oktasim.Refuse(401, "E0000004"), okta.Person, "OKTA_API_TOKEN"},
		"feature off":               {oktasim.Refuse(401, "E0000015"), okta.NotInOrg, "not enabled in this org: have it enabled, or leave users out of OKTA_SERVICES"},
		"feature off otherwise":     {oktasim.Refuse(403, "E0000015"), okta.NotInOrg, "not enabled in this org"},
		"cursor refused, oddly":     {oktasim.Refuse(400, "E0000002"), okta.CursorRefused, "400 Bad Request E0000002"},
		"Okta's own hiccup":         {oktasim.Refuse(403, "E0000005"), okta.Passing, "403 Forbidden E0000005 (Forbidden) is Okta's own error"},
		"being reconciled":          {oktasim.Refuse(423, "E0000239"), okta.Passing, "423 Locked E0000239"},
		"unauthorized by a proxy":   {oktasim.Page(401), okta.Passing, "on the way to Okta's API answered 401 Unauthorized in HTML"},
		"proxy wants credentials":   {oktasim.Page(407), okta.Person, "HTTPS_PROXY"},
		"no permission":             {oktasim.Refuse(403, "E0000006"), okta.Person, "lacks the permission okta.users.read"},
		"forbidden by a proxy":      {oktasim.Page(403), okta.Passing, "a proxy, a firewall or a maintenance page on the way to Okta's API answered 403 Forbidden in HTML"},
		"cursor refused by a proxy": {oktasim.Page(400), okta.Passing, "400 Bad Request in HTML"},
		"cursor refused":            {oktasim.Refuse(400, "E0000031"), okta.CursorRefused, "400 Bad Request E0000031"},
		"no such path":              {oktasim.Refuse(404, "E0000008"), okta.NotInOrg, "check OKTA_URL"},
		"no such page":              {oktasim.Page(404), okta.Person, "check OKTA_URL"},
		"no such user":              {oktasim.Refuse(404, "E0000007"), okta.NotInOrg, "404 Not Found E0000007"},
		"wrong method":              {oktasim.Refuse(405, "E0000022"), okta.NotInOrg, "405"},
		"gone":                      {oktasim.Refuse(410, "E0000022"), okta.NotInOrg, "410"},
		"not found by a gateway":    {oktasim.Refuse(404, ""), okta.Person, "check OKTA_URL and the token"},
		"redirect":                  {oktasim.Redirect(canary.URL + "/api/v1/users"), okta.Person, "redirects are not followed: check OKTA_URL"},
		"redirect to itself":        {oktasim.Redirect("/api/v1/users"), okta.Person, "302 Found"},
		"redirect to nonsense":      {oktasim.Redirect("http://%zz/"), okta.Passing, "parse"},
		"bad gateway":               {oktasim.Refuse(502, ""), okta.Passing, "502 Bad Gateway"},
		"unavailable":               {oktasim.Refuse(503, "E0000010"), okta.Passing, "503 Service Unavailable E0000010"},
		"read-only":                 {oktasim.Refuse(503, "E0000181"), okta.Passing, "E0000181"},
		"gateway timeout":           {oktasim.Page(504), okta.Passing, "504"},
		"request timeout":           {oktasim.Refuse(408, ""), okta.Passing, "408"},
		"maintenance page":          {oktasim.Page(503), okta.Passing, "503"},
		"HTML with status 200":      {oktasim.Page(200), okta.Passing, "no JSON array"},
		"no array":                  {oktasim.NotArray(), okta.Passing, "no JSON array of objects"},
		"no body":                   {func(a *oktasim.Answer) { a.Body = nil }, okta.Passing, "ends too early"},
		"no content":                {func(a *oktasim.Answer) { a.Status, a.Body = 204, nil }, okta.Passing, "204"},
		"body cut in JSON":          {oktasim.Truncate(), okta.Passing, "malformed JSON"},
		"connection cut":            {oktasim.HangUp(), okta.Passing, "EOF"},
		"connection cut in body":    {oktasim.CutShort(), okta.Passing, "reading the answer: unexpected EOF"},
		"rate limited":              {oktasim.Refuse(429, "E0000047"), okta.RateLimited, "429 Too Many Requests E0000047"},
		"error that is no JSON":     {func(a *oktasim.Answer) { a.Status, a.Body = 502, []byte(`{"errorCode":`) }, okta.Passing, "502"},
		"error without end":         {func(a *oktasim.Answer) { a.Status, a.Body = 403, []byte(strings.Repeat("{", 1<<20)) }, okta.Person, "403"},
	} {
		t.Run(name, func(t *testing.T) {
			sim, org := start(t, nil)
			r := org.Reader(service(t, "users"), okta.Begin{}, time.Now)
			page, err := r.Next(t.Context(), checkpoint.Position{})
			require.NoError(t, err)
			var all pulled
			all.add(t, page)

			sim.SetFaults(func(*http.Request, int) oktasim.Fault { return test.fault })
			e := refused(t, r, all.position)
			require.Equal(t, test.class, e.Class)
			require.ErrorContains(t, e, test.says)
			require.ErrorContains(t, e, "asking Okta for /api/v1/users:")
			require.NotContains(t, e.Error(), "after=", "no query is in an error")
			require.NotContains(t, e.Error(), "\n")

			sim.SetFaults(nil)
			if e.Class == okta.RateLimited {
				require.Positive(t, e.Wait)
				return // it really has to be waited out
			}
			rest := pull(t, r, all.position)
			same(t, everything(sim.Org, "users"), append(all.json(), rest.json()...))
			require.Equal(t, all.id(t), rest.id(t))
		})
	}
}

func TestLinksAreUnderstoodHoweverTheyAreSpelt(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer other.Close()
	for name, fault := range map[string]oktasim.Fault{
		"folded":              oktasim.FoldLinks(),
		"unquoted":            oktasim.UnquoteLinks(),
		"folded and unquoted": oktasim.All(oktasim.UnquoteLinks(), oktasim.FoldLinks()),
		"another host":        oktasim.NextOn(strings.TrimPrefix(other.URL, "http://")),
		"without a host":      oktasim.NextOn(""),
	} {
		t.Run(name, func(t *testing.T) {
			sim, org := start(t, nil)
			sim.SetFaults(func(*http.Request, int) oktasim.Fault { return fault })
			for _, name := range []string{"users", "logs", "app_users"} {
				p := pull(t, org.Reader(service(t, name), okta.Begin{Since: time.Now().Add(-85 * 24 * time.Hour)}, time.Now), checkpoint.Position{})
				same(t, everything(sim.Org, name), p.json())
				require.Empty(t, p.warnings)
			}
		})
	}
}

func TestPunctuationInACursorIsReplayedAsItIs(t *testing.T) {
	const cursor = `/api/v1/zones?page=a;b,c&after=%2Fx+y%2f~*&limit=200&limits=7&z`
	org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.RawQuery, "after") {
			w.Header().Add("Link", `<http://acme.test/api/v1/zones?limit=200>; rel="self", <https://acme.test:8443`+cursor+`#f>; rel="next"`)
		}
		fmt.Fprintf(w, `[{"id":"nzo%d"}]`, len(r.URL.RawQuery))
	}))
	r := org.Reader(service(t, "zones"), okta.Begin{}, time.Now)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	require.Equal(t, cursor, page.Position.Cursor)
	pull(t, r, page.Position)
	require.Equal(t, cursor, w.asked[1])

	page.Position.Limit = 50
	pull(t, r, page.Position)
	require.Equal(t, strings.Replace(cursor, "limit=200", "limit=50", 1), w.asked[2])
}

func TestAStoredCursorThatIsNoneIsNotSent(t *testing.T) {
	for _, cursor := range []string{"http://evil.example/", "//evil.example/x", "@evil.example/", ".evil.example/", "/x y", "/x\r\nHost: evil", "/%zz", "/é", strings.Repeat("/", 9999)} {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "[]") }))
		e := refused(t, org.Reader(service(t, "apps"), okta.Begin{}, time.Now), checkpoint.Position{Cursor: cursor})
		require.Equal(t, okta.CursorRefused, e.Class)
		require.Empty(t, w.asked)
	}
}

func TestTheLimitsOfAnAnswerAreReadCarefully(t *testing.T) {
	for name, fault := range map[string]oktasim.Fault{
		"missing": oktasim.NoLimits(),
		"limit 0": func(a *oktasim.Answer) { a.Header.Set("X-Rate-Limit-Limit", "0") },
	} {
		t.Run(name, func(t *testing.T) {
			sim, org := start(t, nil)
			sim.SetFaults(func(*http.Request, int) oktasim.Fault { return fault })
			r := org.Reader(service(t, "zones"), okta.Begin{}, time.Now)
			var pos checkpoint.Position
			for range 10 { // half of the smallest limit that Okta publishes
				pos = pull(t, r, pos).position
			}
			e := refused(t, r, pos)
			require.Equal(t, okta.RateLimited, e.Class)
			require.InDelta(t, 60, e.Wait.Seconds(), 2)
			require.Len(t, sim.Requests(), 10)
		})
	}
}

func TestTooManyRequestsAtOnceAreWaitedOutShortly(t *testing.T) {
	sim, org := start(t, nil)
	sim.SetFaults(func(*http.Request, int) oktasim.Fault {
		return func(a *oktasim.Answer) {
			oktasim.Refuse(429, "E0000047")(a)
			a.Header.Set("X-Rate-Limit-Limit", "0")
			a.Header.Set("X-Rate-Limit-Remaining", "0")
			a.Header.Set("X-Rate-Limit-Reset", fmt.Sprint(time.Now().Unix()+114))
		}
	})
	r := org.Reader(service(t, "zones"), okta.Begin{}, time.Now)
	e := refused(t, r, checkpoint.Position{})
	require.Equal(t, okta.RateLimited, e.Class)
	require.Less(t, e.Wait, 5*time.Second)
	require.ErrorContains(t, e, "too many requests at once")
	sim.SetFaults(nil)
	require.Len(t, pull(t, r, checkpoint.Position{}).objects, 3)
}

func TestTheTokenIsInNoErrorWhateverTheAnswerRepeats(t *testing.T) {
	for name, answer := range map[string]string{
		"status line":   "HTTP/1.1 abc %s\r\n\r\n",
		"header":        "HTTP/1.1 200 OK\r\n%s\r\n\r\n[]",
		"location":      "HTTP/1.1 302 Found\r\nLocation: http://%%zz/%s\r\nContent-Length: 0\r\n\r\n",
		"request id":    "HTTP/1.1 500 No\r\nX-Okta-Request-Id: %s\r\nContent-Length: 0\r\n\r\n",
		"id of a 200":   "HTTP/1.1 200 OK\r\nX-Okta-Request-Id: %s\r\nContent-Length: 0\r\n\r\n",
		"code":          "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n{\"errorCode\":%q}",
		"summary":       "HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"errorSummary\":%q}",
		"oauth's error": "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n{\"error\":\"insufficient_scope\",\"error_description\":%q}",
		"html":          "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n<html>%s</html>",
		"page":          "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{%q}",
		"length":        "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n[]",
		"encoding":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n[]",
		"long":          "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 60_000) + "%s\r\n\r\n[]",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			served := make(chan struct{})
			go func() {
				defer close(served)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				req, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				fmt.Fprintf(conn, answer, "SSWS "+strings.TrimPrefix(req.Header.Get("Authorization"), "SSWS "))
			}()
			defer func() { l.Close(); <-served }()
			cfg := settings()
			cfg.URL = "http://" + l.Addr().String()
			org, err := okta.New(cfg)
			require.NoError(t, err)
			refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
		})
	}
}

func TestARotatedTokenFileIsPickedUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	sim, org := start(t, func(c *okta.Config) { c.Authorizer = okta.APIToken(secret.File(file)) })
	r := org.Reader(service(t, "users"), okta.Begin{}, time.Now)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)

	const rotated = "00-another-very-secret-token"
	sim.SetToken(rotated)
	e := refused(t, r, page.Position)
	require.Equal(t, okta.Person, e.Class)
	require.Equal(t, "E0000011", e.Code)
	require.NotEmpty(t, e.RequestID)

	require.NoError(t, os.WriteFile(file, []byte(rotated), 0o600))
	next, err := r.Next(t.Context(), page.Position)
	require.NoError(t, err)
	require.Len(t, next.Objects, 200)

	// A file that is away for a moment, empty, or no token, names itself.
	for _, content := range []string{"", " \n", "two words", "{apiToken}"} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		e = refused(t, r, next.Position)
		require.Equal(t, okta.Person, e.Class)
		require.ErrorContains(t, e, "token")
		require.NotContains(t, e.Error(), "two words")
	}
	require.NoError(t, os.Remove(file))
	require.ErrorContains(t, refused(t, r, next.Position), file)
	require.Len(t, sim.Requests(), 3, "nothing is sent without a token")
}

func TestConnectionsThatCannotBeMadeAreTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	cfg := settings()
	cfg.URL = "http://" + l.Addr().String()
	org, err := okta.New(cfg)
	require.NoError(t, err)
	e := refused(t, org.Reader(service(t, "logs"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, okta.Passing, e.Class)
	require.ErrorContains(t, e, "connection refused")
	require.NotContains(t, e.Error(), "since=")
}

func TestTheServersCertificateIsVerified(t *testing.T) {
	sim, err := oktasim.StartTLS(oktasim.Config{Token: token, Counts: counts(), Unlimited: true})
	require.NoError(t, err)
	defer sim.Close()
	cfg := settings()
	cfg.URL = sim.URL
	untrusting, err := okta.New(cfg)
	require.NoError(t, err)
	e := refused(t, untrusting.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Equal(t, okta.Person, e.Class)
	require.ErrorContains(t, e, "does not trust the certificate")
	require.Empty(t, sim.Requests())

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(sim.Certificate))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	cfg.Transport = transport
	trusting, err := okta.New(cfg)
	require.NoError(t, err)
	p := pull(t, trusting.Reader(service(t, "users"), okta.Begin{}, time.Now), checkpoint.Position{})
	same(t, everything(sim.Org, "users"), p.json())
}

func TestWhatEndsTheSliceIsTheError(t *testing.T) {
	var asked atomic.Int32
	reached, release := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Query().Has("body") {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "[{")
			_ = http.NewResponseController(w).Flush()
		}
		reached <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(release)
	cfg := settings()
	cfg.URL = server.URL
	for _, cursor := range []string{"/api/v1/zones?limit=200", "/api/v1/zones?body=1"} {
		org, err := okta.New(cfg)
		require.NoError(t, err)
		ctx, stop := cancellable(t)
		go func() { <-reached; stop(errStop) }()
		r := org.Reader(service(t, "zones"), okta.Begin{}, time.Now)
		page, err := r.Next(ctx, checkpoint.Position{Cursor: cursor})
		require.Nil(t, page)
		require.Equal(t, errStop, err)

		before := asked.Load()
		_, err = r.Next(ctx, checkpoint.Position{})
		require.Equal(t, errStop, err)
		require.Equal(t, before, asked.Load(), "nothing is sent any more")
	}
}

func TestANewOrgNeedsAURL(t *testing.T) {
	for _, bad := range []string{"", "acme.okta.com", "ftp://acme.okta.com", "https://", "https://user:hidden@", "http://%zz", "https://acme-admin.okta.com"} {
		cfg := settings()
		cfg.URL = bad
		_, err := okta.New(cfg)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "hidden")
	}
}

func TestThePathOfAnOrgsURLIsNoPartOfIt(t *testing.T) {
	sim, c := newSim(t, nil)
	cfg := settings()
	cfg.URL += "/app/home?x=1"
	cfg.Transport = &wire{t: t, handler: sim}
	org, err := okta.New(cfg)
	require.NoError(t, err)
	require.Len(t, pull(t, org.Reader(service(t, "zones"), okta.Begin{}, c.Now), checkpoint.Position{}).objects, 3)
}

func TestA400OfAFreshRequestNeedsAPerson(t *testing.T) {
	for _, svc := range okta.Services() {
		if len(svc.Under) > 0 && svc.Under[0].Of == "" {
			continue // it may be about the constant
		}
		sim, c := newSim(t, nil)
		org, _ := newOrg(t, sim)
		sim.SetFaults(func(*http.Request, int) oktasim.Fault { return oktasim.Refuse(400, "E0000001") })
		require.Equal(t, okta.Person, refused(t, org.Reader(svc, okta.Begin{}, c.Now), checkpoint.Position{}).Class, svc.Name)
	}
}

func TestTheEnvironmentChangesNothing(t *testing.T) {
	// The SDK reads these by itself.
	for name, value := range map[string]string{
		"OKTA_CLIENT_ORGURL": "https://other.okta.com", "OKTA_CLIENT_TOKEN": "other", "OKTA_CLIENT_AUTHORIZATIONMODE": "Bearer",
		"OKTA_CLIENT_CACHE_ENABLED": "true", "OKTA_TESTING_DISABLE_HTTPS_CHECK": "false",
	} {
		t.Setenv(name, value)
	}
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	for range 2 {
		require.Len(t, pull(t, org.Reader(service(t, "zones"), okta.Begin{}, c.Now), checkpoint.Position{}).objects, 3)
	}
	require.Len(t, sim.Requests(), 2)
}

func TestAnErrorTellsAPersonWhatToDo(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	sim.SetFaults(func(*http.Request, int) oktasim.Fault { return oktasim.Refuse(403, "E0000006") })
	e := refused(t, org.Reader(service(t, "zones"), okta.Begin{}, c.Now), checkpoint.Position{})
	require.Equal(t, "asking Okta for /api/v1/zones: 403 Forbidden E0000006 (Forbidden) [request "+e.RequestID+"]; the token's administrator lacks the permission okta.networkZones.read", e.Error())
}

func TestAServerWithAShortRSAKeyIsRefusedBeforeItHasTheToken(t *testing.T) {
	for bits, refuses := range map[int]bool{1024: true, 2048: false} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		require.NoError(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		require.NoError(t, err)
		certificate, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		asked := false
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked = true; fmt.Fprint(w, "[]") }))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake
		server.StartTLS()

		transport := okta.NewTransport()
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(certificate)
		cfg := settings()
		cfg.URL, cfg.Transport = server.URL, transport
		org, err := okta.New(cfg)
		require.NoError(t, err)
		_, err = org.Reader(service(t, "zones"), okta.Begin{}, time.Now).Next(t.Context(), checkpoint.Position{})
		transport.CloseIdleConnections()
		server.Close()
		require.Equal(t, !refuses, asked)
		if refuses {
			var e *okta.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, okta.Person, e.Class)
			if fips140.Enabled() {
				require.ErrorContains(t, e, "no FIPS compatible certificate chains", "crypto/tls refuses it first")
				continue
			}
			require.ErrorContains(t, e, "has an RSA key of 1024 bits; fewer than 2048 are refused; the server, or a proxy that opens TLS on the way, needs a new certificate")
		}
	}
}
