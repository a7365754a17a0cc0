package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// front gives tokens before an org that knows API tokens only. It remembers every secret that it sees, and repeats them
// in its errors.
type front struct {
	behind http.Handler
	token  string // the org's

	mu      sync.Mutex
	current string // the only access token that is good
	seen    []string
	refuses string // the path that it refuses
}

func newFront(org, token string) *front {
	u, _ := url.Parse(org)
	return &front{behind: httputil.NewSingleHostReverseProxy(u), token: token}
}

// refuse refuses a path, and takes the access token back.
func (f *front) refuse(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses, f.current = path, ""
}

func (f *front) secrets() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.seen...)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	proof, assertion := r.Header.Get("DPoP"), r.PostFormValue("client_assertion")
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP ")
	for _, secret := range []string{proof, assertion, token} {
		if secret != "" {
			f.seen = append(f.seen, secret)
		}
	}
	refused := f.refuses != "" && strings.HasPrefix(r.URL.Path, f.refuses)
	asks := r.URL.Path == "/oauth2/v1/token"
	if asks && !refused {
		f.current = "acc3ss." + rand.Text()
		fmt.Fprintf(w, `{"token_type":"DPoP","expires_in":3600,"access_token":%q}`, f.current)
	}
	good := token != "" && proof != "" && token == f.current
	f.mu.Unlock()
	switch {
	case refused:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errorCode":"E0000006","errorSummary":"%s %.60s %.60s"}`, token, proof, assertion)
	case asks, r.URL.Path == "/.well-known/okta-organization":
	case !good:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"errorCode":"E0000011","errorSummary":"not with %s %.60s"}`, token, proof)
	default:
		r.Header.Set("Authorization", "SSWS "+f.token)
		r.Header.Del("DPoP")
		f.behind.ServeHTTP(w, r)
	}
}

// The run goes through every error that a secret of a service app could slip into, of an org that repeats them all.
func TestWhatAnOrgRepeatsOfASignInIsFoundNowhere(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 31, Counts: map[string]int{"logs": 500, "users": 100, "groups": 50}, Unlimited: true})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file := filepath.Join(s.dir, "okta.pem")
	whole := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	require.NoError(t, os.WriteFile(file, whole, 0o600))
	f := newFront(s.org.URL, s.token)
	server := httptest.NewServer(f)
	defer server.Close()
	s.setOkta("URL", server.URL)
	s.setOkta("API_TOKEN", "")
	s.setOkta("CLIENT_ID", "0oa1")
	s.setOkta("PRIVATE_KEY_FILE", file)
	s.env["COLLECTOR_LOG_LEVEL"] = "debug"
	places := map[string]string{}

	s.startWorker()
	s.start("users")
	s.caughtUp("users")
	f.refuse("/api/v1/groups") // with a 403, and the token of before with a 401
	s.start("groups")
	s.blocked("groups", "admin role")
	f.refuse("/oauth2/v1/token")
	s.start("logs")
	s.blocked("logs", "OKTA_CLIENT_ID")
	places["check"], _ = s.starter("check")
	require.NoError(t, os.WriteFile(file, whole[:len(whole)/2], 0o600))
	f.refuse("/none")
	s.signal("logs", "resume")
	places["check with half a key"], _ = s.starter("check")
	require.Contains(t, places["check with half a key"], "PRIVATE_KEY_FILE")
	require.NoError(t, os.WriteFile(file, whole, 0o600))
	s.signal("logs", "resume")
	s.signal("groups", "resume")
	s.caughtUp("logs", "groups")
	places["status"], _ = s.starter("status", "-o", "json")
	places["metrics"] = s.served("/metrics")
	require.Contains(t, places["metrics"], "okta_collector_okta_tokens_total")
	s.addRecords(places, "logs", "users", "groups")
	require.Contains(t, places["logs"], "[redacted]", "Okta has repeated them")
	secrets := keySecrets(t, file)
	for _, secret := range f.secrets() { // a piece of each is enough
		secrets = append(secrets, secret[max(0, len(secret)-40):])
	}
	require.Greater(t, len(secrets), 20)
	foundNowhere(t, places, secrets)
	s.once("users")
}
