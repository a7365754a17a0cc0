package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// signInAs has the stack's tenant sign in as a service app: with its secret, or with a key that is made for it. There is
// no API token then.
func (s *stack) signInAs(app oktasim.App) (registered oktasim.App) {
	s.t.Helper()
	app.ClientID = "0oa" + s.tenant
	s.setOkta("CLIENT_ID", app.ClientID)
	delete(s.env, strings.ToUpper(s.tenant)+"_OKTA_API_TOKEN")
	if app.Secret != "" {
		s.setOkta("CLIENT_SECRET", app.Secret)
	} else {
		public, file := newKey(s.t, s.dir)
		app.Keys = []oktasim.Key{{Public: public}}
		s.setOkta("PRIVATE_KEY_FILE", file)
	}
	if app.Scopes == nil {
		app.Scopes = oktasim.Scopes()
	}
	s.org.SetToken("")
	require.NoError(s.t, s.org.SetApps(app))
	return app
}

// resumed resumes a service until it has caught up: what the collector knows of a token request that failed stays for some
// seconds, and blocks it again meanwhile.
func (s *stack) resumed(service string) {
	s.t.Helper()
	s.eventually(service+" caught up after its cause was mended", func() bool {
		status, err := s.status(service)
		if err == nil && status.State == workflows.StateBlocked {
			s.signal(service, "resume")
		}
		return err == nil && status.CaughtUp
	})
}

// newKey makes a key, and a file that has it.
func newKey(t *testing.T, dir string) (public any, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file = filepath.Join(dir, "okta-key.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	return key.Public(), file
}

// tokenLifetime is short, so that tokens end while the tests collect.
const tokenLifetime = 8 * time.Second

// TestAServiceAppCollectsEverythingWhileItsTokensEnd collects all services until each scope has had four tokens, while
// nearly everything that can go wrong with signing in does.
func TestAServiceAppCollectsEverythingWhileItsTokensEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T){}
	for name, app := range map[string]oktasim.App{
		"with a key and DPoP":             {DPoP: true, TokenLifetime: tokenLifetime},
		"with a secret and bearer tokens": {Secret: "secret-of-an-integration", TokenLifetime: tokenLifetime},
	} {
		tests[name] = func(t *testing.T) {
			counts := thousands()
			counts["apps"], counts["groups"] = 100, 100 // each of their lists is a request
			s := newStack(t, oktasim.Config{Seed: 31, Counts: counts, Unlimited: true, Strict: true, Faults: hangingUp(), Odd: unkind})
			s.signInAs(app)
			s.env["OKTA_POLL_LOGS"], s.env["OKTA_POLL_RESOURCES"] = "1s", "2s"
			began := time.Now()
			s.startWorker()
			s.start(allServices...)
			given := func(n int) {
				s.t.Helper()
				for _, scope := range oktasim.Scopes(allServices...) {
					s.eventually("there were tokens for "+scope, func() bool { return s.org.SignIns().Tokens[scope] >= n })
				}
			}
			given(1)
			s.worker.kill()
			s.org.RenewNonce(true)
			s.startWorker()
			given(2)
			s.org.RevokeTokens()
			s.org.RenewNonce(false)
			given(3)
			s.worker.kill()
			s.startWorker()
			given(4)
			s.eventually("two lifetimes are over", func() bool { return time.Since(began) > 2*tokenLifetime })
			s.org.SetFaults(nil)
			s.caughtUp(allServices...)
			require.Zero(t, s.worker.terminate(t))

			for _, service := range allServices {
				s.arrived(service)
			}
			seen := s.org.SignIns()
			require.Zero(t, seen.RepeatedProofs, "no proof is used twice")
			require.Zero(t, seen.RepeatedAssertions, "nor is an assertion")
			for challenge, n := range seen.Challenges {
				require.Equal(t, 1, n, "%v: one challenge a process and nonce", challenge)
			}
			if app.DPoP {
				require.Zero(t, seen.WithoutProof)
				require.Len(t, seen.Proofs, 3, "a process makes one key")
			}
			for reason := range seen.Refused {
				require.Regexp(t, `^use_dpop_nonce|^invalid_token`, reason, "nothing else is to be refused")
			}
			// A token serves all services for at least half of its life, unless it is refused.
			lives := int(time.Since(began)/(tokenLifetime/2)) + 1
			for scope, n := range seen.Tokens {
				refused := s.refusedTokens(scope)
				require.LessOrEqual(t, n, lives+3+refused, "%s: three processes, %d lives, %d refused calls", scope, lives, refused)
			}
		}
	}
	together(t, tests)
}

// unkind makes a token request fail in each way that there is, after so many that got their token.
var unkind = []oktasim.Odd{
	{Name: "token-limited", At: 4, For: 5 * time.Second}, {Name: "token-fails", At: 10}, {Name: "token-slow", At: 12, For: time.Second},
	{Name: "token-unreachable", At: 14}, {Name: "token-lost", At: 18},
}

// hangingUp cuts the connection of many calls. Their proof is used up then, and Go's transport would send them again.
func hangingUp() func(*http.Request, int) oktasim.Fault {
	var calls atomic.Int32
	return func(r *http.Request, _ int) oktasim.Fault {
		if r.URL.Path != "/oauth2/v1/token" && calls.Add(1)%23 == 0 {
			return oktasim.HangUp()
		}
		return nil
	}
}

// refusedTokens counts the calls for a scope's services that were answered with 401.
func (s *stack) refusedTokens(scope string) (n int) {
	for _, r := range s.org.Requests() {
		if r.Status == http.StatusUnauthorized && r.Service != "" && r.Service != "token" && oktasim.Scope(r.Service) == scope {
			n++
		}
	}
	return n
}

// arrived is complete for a service of which there were several pulls: every object arrived in one of them at least, byte
// for byte, and nothing else.
func (s *stack) arrived(service string) {
	s.t.Helper()
	want := map[devosim.Identity]uint64{}
	for i, object := range s.org.All(service) {
		want[devosim.IdentityOf(s.org.ParentID(service, i), s.org.ID(service, i))] = devosim.Sum(oktasim.Redacted(object))
	}
	missing := len(want)
	seen := map[devosim.Identity]bool{}
	for d := range s.devo.Delivered(tables[service]) {
		sum, ok := want[d.Identity]
		require.True(s.t, ok, "%s: an object arrived that Okta does not have", service)
		require.Equal(s.t, sum, d.Sum, "%s: an object arrived changed", service)
		if !seen[d.Identity] {
			missing--
		}
		seen[d.Identity] = true
	}
	require.Zero(s.t, missing, "%s: objects of %d are lost", service, len(want))
}

func TestAScopeThatIsNotGrantedBlocksItsServicesAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 32, Unlimited: true, Strict: true, Counts: map[string]int{
		"logs": 500, "users": 100, "groups": 20, "apps": 20, "clients": 20, "idps": 5, "zones": 5, "app_users": 2, "app_groups": 1, "group_members": 2,
	}})
	withheld := []string{"groups", "group_members"}
	var others, scopes []string
	for _, service := range allServices {
		if !strings.HasPrefix(service, "group") {
			others = append(others, service)
		}
	}
	for _, scope := range oktasim.Scopes() {
		if scope != "okta.groups.read" {
			scopes = append(scopes, scope)
		}
	}
	app := s.signInAs(oktasim.App{DPoP: true, Scopes: scopes})
	s.startWorker()
	s.start(allServices...)
	s.caughtUp(others...)
	for _, service := range withheld {
		s.blocked(service, "okta.groups.read")
	}
	out, code := s.answeredStatus("--tenant", s.tenant)
	require.Equal(t, 1, code)
	require.Contains(t, out, "okta.groups.read")

	app.Scopes = oktasim.Scopes()
	require.NoError(t, s.org.SetApps(app))
	for _, service := range withheld {
		s.signal(service, "resume")
	}
	s.caughtUp(allServices...)
	for _, service := range allServices {
		s.once(service)
	}

	// The same if it is withdrawn from a token that is in use.
	app.Scopes = scopes
	require.NoError(t, s.org.SetApps(app))
	s.signal("groups", "poll")
	s.signal("users", "poll")
	s.blocked("groups", "okta.groups.read")
	status, err := s.status("users")
	require.NoError(t, err)
	require.NotEqual(t, workflows.StateBlocked, status.State)
}
