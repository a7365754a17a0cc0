package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// TestSecretsOfAServiceAppAreFoundNowhere has Okta repeat in its refusals all that it was sent.
func TestSecretsOfAServiceAppAreFoundNowhere(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]oktasim.App{
		"a key, assertions, proofs and bound tokens": {DPoP: true},
		"a client secret and bearer tokens":          {Secret: "s3cret_of-an-integration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, oktasim.Config{Seed: 33, Unlimited: true, Counts: map[string]int{"logs": 200, "users": 50, "groups": 50, "zones": 5}})
			s.env["COLLECTOR_LOG_LEVEL"] = "debug"
			s.signInAs(app)
			okta := witnessOf(t, s)
			places := map[string]string{}
			secrets := []string{app.Secret}
			file := s.env[strings.ToUpper(s.tenant)+"_OKTA_PRIVATE_KEY_FILE"]
			if file != "" {
				secrets = keySecrets(t, file)
			}

			s.startWorker()
			places["arguments of the worker"] = arguments(t, s.worker.cmd.Process.Pid)
			s.start("logs", "users")
			s.caughtUp("logs", "users")
			places["check"], _ = s.starter("check")
			if file != "" {
				whole, err := os.ReadFile(file)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, whole[:len(whole)/2], 0o600))
				s.start("zones")
				s.blocked("zones", "OKTA_PRIVATE_KEY_FILE")
				places["check with half of the key"], _ = s.starter("check")
				require.Contains(t, places["check with half of the key"], "OKTA_PRIVATE_KEY_FILE")
				require.NoError(t, os.WriteFile(file, whole, 0o600))
				s.resumed("zones")
			}
			okta.repeats.Store(true)
			s.signal("users", "poll")
			s.blocked("users", "okta.users.read")
			s.org.RevokeTokens()
			s.start("groups")
			s.blocked("groups", "")
			for _, args := range [][]string{{"status", "--tenant", s.tenant}, {"status", "-o", "json"}, {"check"}} {
				places[fmt.Sprint("starter ", args)], _ = s.starter(args...)
			}
			places["/metrics"] = s.served("/metrics")
			okta.repeats.Store(false)
			s.resumed("groups")
			s.addRecords(places, "logs", "users", "groups")

			require.Contains(t, places["logs"], "[redacted]", "Okta has repeated them")
			sent := okta.secrets()
			require.NotEmpty(t, sent)
			foundNowhere(t, places, append(secrets, sent...))
		})
	}
}

// witness stands between a collector and its org, and keeps the secrets that go by.
type witness struct {
	org http.Handler
	// repeats: everything is refused, with all that was sent.
	repeats atomic.Bool

	mu sync.Mutex
	// seen are some of the texts: the first ones, and the first ones that were repeated.
	seen [2][]string
}

func witnessOf(t *testing.T, s *stack) *witness {
	t.Helper()
	w := &witness{org: s.org}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	s.setOkta("URL", server.URL)
	return w
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body))
	_, secret, _ := r.BasicAuth()
	_, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sent := []string{form.Get("client_assertion"), r.Header.Get("DPoP"), credentials, secret}
	if !w.repeats.Load() {
		w.see(0, sent)
		w.org.ServeHTTP(rw, r)
		return
	}
	w.see(1, sent)
	// Cut by Okta, and whole: a collector that cuts a text does not get to all of them.
	said := ""
	for _, text := range sent {
		said += text[:min(len(text), 60)] + " "
	}
	said += strings.Join(sent, " ")
	status, answer := http.StatusForbidden, map[string]string{"errorCode": "E0000006", "errorSummary": said}
	if r.URL.Path == "/oauth2/v1/token" {
		status, answer = http.StatusUnauthorized, map[string]string{"error": "invalid_client", "error_description": said}
	}
	rw.Header().Set("X-Okta-Request-Id", r.Header.Get("Authorization"))
	rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", error_description="`+said+`"`)
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(answer)
}

func (w *witness) see(when int, texts []string) {
	const most = 12
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range texts {
		if len(w.seen[when]) < most && text != "" && !slices.Contains(w.seen[when], text) {
			w.seen[when] = append(w.seen[when], text)
		}
	}
}

// secrets are what must be found nowhere: enough of each text that went by to recognize a part of it.
func (w *witness) secrets() (all []string) {
	const enough = 20
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range slices.Concat(w.seen[0], w.seen[1]) {
		for i, part := range strings.Split(text, ".") {
			// A JWT's header says nothing of its own.
			if len(part) >= enough && (i > 0 || !strings.HasPrefix(part, "eyJ")) {
				all = append(all, part[:enough], part[len(part)-enough:])
			}
		}
	}
	return all
}
