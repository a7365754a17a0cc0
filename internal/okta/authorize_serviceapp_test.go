package okta_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// list fetches one page of a service.
func list(ctx context.Context, org *okta.Org, name string) (*okta.Reader, error) {
	c, _ := okta.Lookup(name)
	r := org.Reader(c, okta.Begin{}, time.Now)
	defer r.Close()
	page, err := r.Next(ctx, checkpoint.Position{})
	if err == nil {
		page.Release()
	}
	return r, err
}

// listed fetches one page of each service.
func listed(t *testing.T, org *okta.Org, services ...string) {
	t.Helper()
	for _, name := range services {
		_, err := list(t.Context(), org, name)
		require.NoError(t, err, name)
	}
}

// failed is the error of a service that cannot be listed.
func failed(t *testing.T, org *okta.Org, name string) *okta.Error {
	t.Helper()
	_, err := list(t.Context(), org, name)
	var e *okta.Error
	require.ErrorAs(t, err, &e)
	return e
}

func TestAServiceAppGetsOneTokenForEachScopeAndOneNonce(t *testing.T) {
	for name, test := range map[string]struct {
		bound bool
		want  []string
	}{
		"with DPoP":    {true, []string{"use_dpop_nonce", "token", "token"}},
		"without DPoP": {false, []string{"token", "token"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.dpop, a.nonce = test.bound, "nonce-1"
			org, _ := a.org(nil)
			listed(t, org, "zones", "zones", "users", "users", "zones")

			require.Equal(t, test.want, a.happened())
			require.Equal(t, []string{"okta.networkZones.read", "okta.users.read"}, slices.Compact(slices.Clone(a.asked)))
			require.Len(t, a.calls, 5)
			for _, call := range a.calls {
				require.Equal(t, test.bound, strings.HasPrefix(call, "DPoP "), "the answer's token_type decides")
			}
			require.Len(t, a.proven, 1, "the proofs' key is made once, and every request for a token has a proof")
		})
	}
}

func TestServicesWithTheSameScopeShareAToken(t *testing.T) {
	a := newAuthority(t)
	org, _ := a.org(nil)
	listed(t, org, "apps", "app_users", "app_groups")
	require.Equal(t, []string{"okta.apps.read"}, a.asked)
}

func TestASecretOfAnAPIServiceIntegrationSignsInToo(t *testing.T) {
	a := newAuthority(t)
	a.secret, a.dpop = "s3cret/+with=signs", false
	org, _ := a.org(func(c *okta.Config) {
		c.ServiceApp = &okta.ServiceApp{ClientID: testClient, ClientSecret: secret.Value(a.secret)}
	})
	listed(t, org, "zones")
	require.Equal(t, []string{"token"}, a.happened())
	require.NotContains(t, a.bodies[0], "s3cret")
}

// Many services wake up at once.
func TestTwoHundredWaitersShareOneRequestForAToken(t *testing.T) {
	a := newAuthority(t)
	a.nonce = "nonce-1"
	release := make(chan struct{})
	asked := make(chan struct{}, 1)
	a.fault = func(_ http.ResponseWriter, n int) bool {
		if n == 1 {
			asked <- struct{}{}
			<-release
		}
		return false
	}
	org, _ := a.org(func(c *okta.Config) { c.RateShare = 1 })
	impatient, leave := context.WithCancelCause(t.Context())
	var all sync.WaitGroup
	results := make(chan error, 200)
	for range 200 {
		all.Go(func() { _, err := list(t.Context(), org, "zones"); results <- err })
	}
	<-asked
	left := make(chan error)
	go func() { _, err := list(impatient, org, "users"); left <- err }()
	leave(errStop)
	require.ErrorIs(t, <-left, errStop, "a waiter leaves when its own slice ends")
	close(release)
	all.Wait()
	close(results)
	for err := range results {
		require.NoError(t, err)
	}
	require.Equal(t, []string{"use_dpop_nonce", "token"}, a.happened())
}

func TestTheEndOfTheSliceThatAsksIsNotTheEndOfTheOthers(t *testing.T) {
	a := newAuthority(t)
	asked := make(chan struct{}, 1)
	stopped := make(chan struct{})
	a.fault = func(_ http.ResponseWriter, n int) bool {
		if n == 1 {
			asked <- struct{}{}
			<-stopped
		}
		return false
	}
	org, _ := a.org(nil)
	first, stop := cancellable(t)
	errs := make(chan error, 2)
	go func() { _, err := list(first, org, "zones"); errs <- err }()
	<-asked
	go func() { _, err := list(t.Context(), org, "zones"); errs <- err }()
	stop(errStop)
	close(stopped)
	got := []error{<-errs, <-errs}
	require.True(t, errors.Is(got[0], errStop) != errors.Is(got[1], errStop), "%v", got)
	require.True(t, got[0] == nil || got[1] == nil, "%v", got)
}

// inTime runs a test on a clock that costs no time.
func inTime(t *testing.T, a *authority, change func(*okta.Config), test func(t *testing.T, org *okta.Org)) {
	t.Helper()
	org, _ := a.org(change) // the SDK starts a goroutine for each client, which must stay outside
	synctest.Test(t, func(t *testing.T) { test(t, org) })
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	a := newAuthority(t)
	a.nonce = "nonce-1"
	inTime(t, a, nil, func(t *testing.T, org *okta.Org) {
		for range 3 * 60 { // three hours
			listed(t, org, "zones")
			time.Sleep(time.Minute)
		}
	})
	require.Equal(t, []string{"use_dpop_nonce", "token", "token", "token", "token"}, a.happened(), "no call was refused")
}

func TestAnOldTokenIsUsedUpToItsEndIfThereIsNoNewOne(t *testing.T) {
	a := newAuthority(t)
	inTime(t, a, nil, func(t *testing.T, org *okta.Org) {
		listed(t, org, "zones")
		a.change(func(a *authority) {
			a.fault = func(w http.ResponseWriter, _ int) bool { w.WriteHeader(http.StatusServiceUnavailable); return true }
		})
		time.Sleep(59 * time.Minute)
		listed(t, org, "zones")
		require.Len(t, a.asked, 2, "a new one was asked for")
		time.Sleep(2 * time.Minute)
		require.Equal(t, okta.Passing, failed(t, org, "zones").Class)
		a.change(func(a *authority) { a.fault = nil })
		time.Sleep(2 * time.Minute)
		listed(t, org, "zones")
	})
}

func TestATokenThatOktaRefusesIsDroppedOnce(t *testing.T) {
	t.Run("a new one is good", func(t *testing.T) {
		a := newAuthority(t)
		org, _ := a.org(nil)
		listed(t, org, "zones")
		a.change(func(a *authority) { clear(a.tokens) })
		r, err := list(t.Context(), org, "zones")
		require.NoError(t, err)
		require.EqualValues(t, 2, r.Requests(), "each with a ticket of its own")
		require.Equal(t, []string{"token", "token"}, a.happened())
		listed(t, org, "zones")
		require.Len(t, a.asked, 2)
	})
	t.Run("a new one is refused too", func(t *testing.T) {
		a := newAuthority(t)
		a.refuse = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/api/v1/apps" {
				return false
			}
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`)
			return true
		}
		org, _ := a.org(nil)
		for range 20 {
			e := failed(t, org, "zones")
			require.Equal(t, okta.Person, e.Class)
			require.Contains(t, e.Advice, "service app is active")
		}
		require.Len(t, a.asked, 2, "the token is not the reason")
	})
	t.Run("many are refused at once", func(t *testing.T) {
		a := newAuthority(t)
		org, _ := a.org(func(c *okta.Config) { c.RateShare = 1 })
		listed(t, org, "zones")
		a.change(func(a *authority) { clear(a.tokens) })
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { _, err := list(t.Context(), org, "zones"); require.NoError(t, err) })
		}
		all.Wait()
		require.Len(t, a.asked, 2)
	})
	t.Run("a feature that is off is not the token's fault", func(t *testing.T) {
		a := newAuthority(t)
		a.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errorCode":"E0000015"}`)
			return true
		}
		org, _ := a.org(nil)
		require.Equal(t, okta.NotInOrg, failed(t, org, "zones").Class)
		require.Len(t, a.asked, 1)
		require.Len(t, a.calls, 1)
	})
}

// TestAScopeThatIsWithdrawnWhileATokenLastsIsNamed has Okta refuse the call, and not the request for a token.
func TestAScopeThatIsWithdrawnWhileATokenLastsIsNamed(t *testing.T) {
	a := newAuthority(t)
	a.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `DPoP realm="okta", scope="okta.networkZones.read", error="insufficient_scope"`)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"errorCode":"E0000006","errorSummary":"You do not have permission to perform the requested action"}`)
		return true
	}
	org, _ := a.org(nil)
	e := failed(t, org, "zones")
	require.Equal(t, okta.Person, e.Class)
	require.Contains(t, e.Advice, "grant okta.networkZones.read to the service app in Okta")
}

func TestAScopeThatWasNotGrantedBlocksItsServicesAloneAndIsNamed(t *testing.T) {
	a := newAuthority(t)
	a.withheld["okta.apps.read"] = true
	org, w := a.org(nil)
	for _, service := range []string{"apps", "app_users"} {
		e := failed(t, org, service)
		require.Equal(t, okta.Person, e.Class)
		require.Equal(t, "invalid_scope", e.Code)
		require.Contains(t, e.Advice, "grant okta.apps.read")
		require.Equal(t, "/oauth2/v1/token", e.Path)
	}
	listed(t, org, "zones", "groups", "clients")
	require.Empty(t, w.requests("/api/v1/apps"))
}

func TestWhatOnlyAPersonCanMendOfASignInNamesItsSetting(t *testing.T) {
	other := newAuthority(t).appKeyPair("other")
	for name, test := range map[string]struct {
		app  func(a *authority) okta.ServiceApp
		want []string
	}{
		"a key that Okta does not know": {
			func(a *authority) okta.ServiceApp {
				return okta.ServiceApp{ClientID: testClient, PrivateKey: secret.Value(other), KeyID: "other"}
			}, []string{"invalid_client", "OKTA_CLIENT_ID", "OKTA_PRIVATE_KEY"},
		},
		"a key without an id": {
			func(a *authority) okta.ServiceApp {
				return okta.ServiceApp{ClientID: testClient, PrivateKey: secret.Value(other)}
			}, []string{"invalid_client", "set OKTA_PRIVATE_KEY_ID"},
		},
		"a wrong secret": {
			func(a *authority) okta.ServiceApp {
				a.secret = "right-secret"
				return okta.ServiceApp{ClientID: testClient, ClientSecret: secret.Value("wrong-secret")}
			}, []string{"invalid_client", "OKTA_CLIENT_SECRET"},
		},
		"a client that may not": {
			func(a *authority) okta.ServiceApp {
				a.fault = func(w http.ResponseWriter, _ int) bool {
					w.WriteHeader(http.StatusBadRequest)
					fmt.Fprint(w, `{"error":"unauthorized_client","error_description":"The client is not authorized to use the provided grant type."}`)
					return true
				}
				return okta.ServiceApp{ClientID: testClient, PrivateKey: secret.Value(a.appKeyPair("x")), KeyID: "x"}
			}, []string{"unauthorized_client", "OKTA_CLIENT_ID", "is active"},
		},
		"a key's file that is gone": {
			func(a *authority) okta.ServiceApp {
				return okta.ServiceApp{ClientID: testClient, PrivateKey: secret.File(filepath.Join(t.TempDir(), "absent.pem"))}
			}, []string{"private key of the service app", "absent.pem", "OKTA_PRIVATE_KEY_FILE"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			app := test.app(a)
			org, _ := a.org(func(c *okta.Config) { c.ServiceApp = &app })
			e := failed(t, org, "zones")
			require.Equal(t, okta.Person, e.Class, "%v", e)
			for _, want := range test.want {
				require.ErrorContains(t, e, want)
			}
			require.Empty(t, a.calls)
		})
	}
}

func TestAKeysFileIsReadAnewForEachToken(t *testing.T) {
	a := newAuthority(t)
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, []byte(a.appKeyPair("")), 0o600))
	org, _ := a.org(func(c *okta.Config) {
		c.ServiceApp = &okta.ServiceApp{ClientID: testClient, PrivateKey: secret.File(file)}
	})
	listed(t, org, "zones")
	rotated := a.appKeyPair("") // instead of the first
	require.Equal(t, "invalid_client", failed(t, org, "users").Code)
	require.NoError(t, os.WriteFile(file, []byte(rotated), 0o600))
	require.Eventually(t, func() bool { _, err := list(t.Context(), org, "users"); return err == nil }, 10*time.Second, 50*time.Millisecond)
	require.Equal(t, []string{"", "", ""}, a.keyIDs, "no id is sent if there is none")
}

func TestATokenEndpointThatFailsIsAskedLessAndLess(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, _ int) bool{
		"a server's error": func(w http.ResponseWriter, _ int) bool { w.WriteHeader(http.StatusInternalServerError); return true },
		"a proxy's page": func(w http.ResponseWriter, _ int) bool {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<html>")
			return true
		},
		"no token":     func(w http.ResponseWriter, _ int) bool { fmt.Fprint(w, `{}`); return true },
		"half a token": func(w http.ResponseWriter, _ int) bool { fmt.Fprint(w, `{"access_token":"x`); return true },
		"a broken header": func(w http.ResponseWriter, _ int) bool {
			fmt.Fprint(w, `{"access_token":"x\r\ny","token_type":"Bearer","expires_in":60}`)
			return true
		},
		"an unknown type": func(w http.ResponseWriter, _ int) bool {
			fmt.Fprint(w, `{"access_token":"x","token_type":"MAC","expires_in":60}`)
			return true
		},
		"a token of no use": func(w http.ResponseWriter, _ int) bool {
			fmt.Fprint(w, `{"access_token":"x","token_type":"Bearer","expires_in":0}`)
			return true
		},
		"nonces for ever": func(w http.ResponseWriter, n int) bool {
			w.Header().Set("DPoP-Nonce", fmt.Sprint("nonce-", n))
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"use_dpop_nonce"}`)
			return true
		},
		"hang up": func(http.ResponseWriter, int) bool { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			a.fault = answer
			inTime(t, a, func(c *okta.Config) { c.RateShare = 1 }, func(t *testing.T, org *okta.Org) {
				for range 600 { // ten minutes, seven services
					for _, name := range okta.DefaultServices {
						require.Equal(t, okta.Passing, failed(t, org, name).Class)
					}
					time.Sleep(time.Second)
				}
				require.Less(t, len(a.asked), 2*20)
				require.Greater(t, len(a.asked), 10)
				a.change(func(a *authority) { a.fault = nil })
				time.Sleep(time.Minute)
				listed(t, org, okta.DefaultServices...)
			})
		})
	}
}

func TestTheRateLimitOfTheTokenEndpointIsKeptTo(t *testing.T) {
	a := newAuthority(t)
	begins := time.Time{}
	asked := 0
	a.fault = func(w http.ResponseWriter, _ int) bool {
		if now := a.now(); now.Sub(begins) >= time.Minute {
			begins, asked = now, 0
		}
		asked++
		w.Header().Set("X-Rate-Limit-Limit", "8") // 4 are ours
		w.Header().Set("X-Rate-Limit-Remaining", fmt.Sprint(8-asked))
		w.Header().Set("X-Rate-Limit-Reset", fmt.Sprint(begins.Add(time.Minute).Unix()))
		if asked > 4 {
			t.Error("more than the share")
		}
		return false
	}
	inTime(t, a, nil, func(t *testing.T, org *okta.Org) {
		listed(t, org, "logs", "users", "groups", "apps")
		e := failed(t, org, "zones")
		require.Equal(t, okta.RateLimited, e.Class)
		require.InDelta(t, 60, e.Wait.Seconds(), 2)
		listed(t, org, "logs") // has its token
		time.Sleep(e.Wait)
		listed(t, org, "zones")
	})
	require.Len(t, a.asked, 5)

	a = newAuthority(t)
	a.fault = func(w http.ResponseWriter, n int) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("X-Rate-Limit-Limit", "150")
		w.Header().Set("X-Rate-Limit-Remaining", "0")
		w.Header().Set("X-Rate-Limit-Reset", fmt.Sprint(a.now().Add(40*time.Second).Unix()))
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"errorCode":"E0000047"}`)
		return true
	}
	inTime(t, a, nil, func(t *testing.T, org *okta.Org) {
		for _, name := range okta.DefaultServices {
			e := failed(t, org, name)
			require.Equal(t, okta.RateLimited, e.Class)
			require.Greater(t, e.Wait, 39*time.Second)
		}
		require.Len(t, a.asked, 1)
		time.Sleep(42 * time.Second)
		listed(t, org, "zones", "users")
	})
}

func TestAWrongClockOfThisMachineDoesNotMatter(t *testing.T) {
	for _, off := range []time.Duration{-25 * time.Hour, 25 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			a := newAuthority(t)
			a.nonce = "nonce-1"
			inTime(t, a, nil, func(t *testing.T, org *okta.Org) {
				a.change(func(a *authority) { a.now = func() time.Time { return time.Now().Add(off) } })
				listed(t, org, "zones")
				require.Equal(t, "token", a.happened()[len(a.happened())-1], "once more, by Okta's clock")
				require.Len(t, a.asked, 3, "once for the clock, once for the nonce")
				a.change(func(a *authority) { a.now = func() time.Time { return time.Now().Add(-off) } })
				listed(t, org, "users")
			})
		})
	}
}

func TestARefusedProofIsMadeAnewOnceAndIsNeverARefusedCursor(t *testing.T) {
	a := newAuthority(t)
	left := 1
	a.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		if left--; left >= 0 {
			a.refuseProof(w, "invalid_dpop_proof", "'iat'")
		}
		return left >= 0
	}
	org, _ := a.org(nil)
	stored := checkpoint.Position{
		Levels: nil, Pull: &checkpoint.Pull{Kind: checkpoint.PullFull, ID: 1, Began: epoch}, Cursor: "/api/v1/zones?after=x&limit=200",
	}
	r := org.Reader(service(t, "zones"), okta.Begin{}, time.Now)
	page, err := r.Next(t.Context(), stored)
	require.NoError(t, err)
	page.Release()
	require.EqualValues(t, 2, r.Requests())

	left = 2
	_, err = r.Next(t.Context(), stored)
	var e *okta.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, okta.Passing, e.Class, "the cursor stays")
	require.Equal(t, "invalid_dpop_proof", e.Code)
	require.EqualValues(t, 4, r.Requests())
	require.Equal(t, []string{"token", "call invalid_dpop_proof", "call invalid_dpop_proof", "call invalid_dpop_proof"}, a.happened(), "the token stays")
}

func TestANonceThatCallsDemandIsAnswered(t *testing.T) {
	a := newAuthority(t)
	a.nonce, a.callNonce = "of-tokens", "of-calls"
	org, _ := a.org(nil)
	listed(t, org, "zones", "zones", "users")
	require.Equal(t, []string{"use_dpop_nonce", "token", "call use_dpop_nonce", "token"}, a.happened())
	a.change(func(a *authority) { a.nonce, a.callNonce = "of-tokens-2", "of-calls-2" })
	listed(t, org, "zones", "groups", "zones")
	require.Equal(t, []string{"call use_dpop_nonce", "use_dpop_nonce", "token"}, a.happened()[4:], "one challenge for each nonce")
}

func TestAProofNamesTheDecodedPathWithoutTheQuery(t *testing.T) {
	a := newAuthority(t)
	a.refuse = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/apps" {
			return false
		}
		fmt.Fprint(w, `[{"id":"a b@c"}]`)
		return true
	}
	org, w := a.org(nil)
	c := service(t, "app_users")
	r := org.Reader(c, okta.Begin{}, time.Now)
	var at checkpoint.Position
	for range 2 {
		page, err := r.Next(t.Context(), at)
		require.NoError(t, err)
		at = page.Position
		page.Release()
	}
	require.NotEmpty(t, w.requests("/api/v1/apps/a%20b@c/users?limit="))
	require.Equal(t, []string{"token"}, a.happened(), "no proof was refused")
}

func TestARequestThatIsSentAgainHasAnotherProof(t *testing.T) {
	a := newAuthority(t)
	org, _ := a.org(nil)
	left := 0
	a.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		left++
		if left%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // after the proof was seen
		}
		return left%2 == 1
	}
	for range 10 {
		_, _ = list(t.Context(), org, "zones")
	}
	require.Equal(t, []string{"token"}, a.happened(), "no jti came twice")
}

func TestTokensGoToTheOrgsOwnHostOnly(t *testing.T) {
	var stray []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stray = append(stray, r.Method+" "+r.URL.Path) }))
	defer other.Close()
	a := newAuthority(t)
	a.refuse = func(w http.ResponseWriter, _ *http.Request) bool {
		http.Redirect(w, &http.Request{}, other.URL+"/api/v1/zones", http.StatusTemporaryRedirect)
		return true
	}
	server := httptest.NewServer(a)
	defer server.Close()
	use := func(c *okta.Config) { c.URL, c.Transport = server.URL, server.Client().Transport }
	org, _ := a.org(use)
	require.ErrorContains(t, failed(t, org, "zones"), "307")

	a.fault = func(w http.ResponseWriter, _ int) bool {
		http.Redirect(w, &http.Request{}, other.URL+"/oauth2/v1/token", http.StatusTemporaryRedirect)
		return true
	}
	e := failed(t, org, "users")
	require.Equal(t, okta.Person, e.Class)
	require.ErrorContains(t, e, "redirects are not followed: check OKTA_URL")
	require.Empty(t, stray)
}

// An org that repeats whatever it is sent.
func TestNoSecretIsInAnErrorThatRepeatsTheRequest(t *testing.T) {
	const clientSecret = "client/secret+of=acme"
	for name, useKey := range map[string]bool{"key": true, "secret": false} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t)
			hidden := clientSecret
			app := okta.ServiceApp{ClientID: testClient, ClientSecret: secret.Value(clientSecret)}
			if useKey {
				hidden = a.appKeyPair("mine")
				app = okta.ServiceApp{ClientID: testClient, PrivateKey: secret.Value(hidden), KeyID: "mine"}
			} else {
				a.secret = clientSecret
			}
			var sent []string
			// repeat answers with a piece of the request and of the secret at a time.
			piece := 0
			repeat := func(w http.ResponseWriter, texts ...string) bool {
				for _, text := range texts {
					sent = append(sent, strings.Fields(text)...)
				}
				words := strings.Fields(strings.Join(texts, " "))
				piece++
				w.Header().Set("X-Okta-Request-Id", words[piece%len(words)])
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, `{"errorCode":"E1","errorSummary":%q}`, words[piece%len(words)])
				return true
			}
			org, _ := a.org(func(c *okta.Config) { c.ServiceApp, c.RateShare = &app, 1 })
			a.refuse = func(w http.ResponseWriter, r *http.Request) bool {
				return repeat(w, r.Header.Get("Authorization"), r.Header.Get("DPoP"), hidden, url.QueryEscape(hidden))
			}
			var texts []string
			for range 20 {
				texts = append(texts, failed(t, org, "zones").Error())
			}
			a.fault = func(w http.ResponseWriter, n int) bool {
				form, err := url.ParseQuery(a.bodies[n-1])
				require.NoError(t, err)
				return repeat(w, form.Get("client_assertion"), hidden, url.QueryEscape(hidden), url.PathEscape(hidden))
			}
			synctest.Test(t, func(t *testing.T) {
				for range 20 {
					texts = append(texts, failed(t, org, "users").Error())
					time.Sleep(2 * time.Second)
				}
			})
			require.Len(t, a.asked, 21)
			redacted := 0
			for _, text := range texts {
				redacted += strings.Count(text, "[redacted]")
				require.NotContains(t, text, "eyJ")
				for _, word := range sent {
					if len(word) >= 20 && strings.Trim(word, "-") == word {
						require.NotContains(t, text, word[:20])
					}
				}
			}
			require.Positive(t, redacted)
		})
	}
}

func TestMetricsTellTokensAndWhatIsRefusedOfASignIn(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	a := newAuthority(t)
	a.nonce = "nonce-1"
	a.withheld["okta.users.read"] = true
	org, _ := a.org(func(c *okta.Config) { c.Metrics = okta.NewMetrics(registry) })
	listed(t, org, "zones")
	failed(t, org, "users")
	a.change(func(a *authority) { clear(a.tokens) })
	listed(t, org, "zones")

	families, err := registry.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			for _, l := range m.Label {
				if l.GetName() == "reason" || l.GetName() == "type" {
					got[strings.TrimPrefix(family.GetName(), "okta_collector_okta_")+" "+l.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	for name, want := range map[string]float64{
		"tokens_total DPoP": 2, "sign_in_refused_total nonce": 1, "sign_in_refused_total scope": 1, "sign_in_refused_total token": 1,
		"sign_in_refused_total proof": 0, "sign_in_refused_total client": 0,
	} {
		value, ok := got[name]
		require.True(t, ok, name)
		require.Equal(t, want, value, name)
	}
	require.EqualValues(t, 4, samples(t, registry, "/oauth2/v1/token")["okta_collector_okta_budget_used"])
}

// Go's transport repeats a GET by itself, if a kept connection ends before an answer.
func TestNoProofAndNoAssertionIsSentTwiceWhenAConnectionEnds(t *testing.T) {
	var mu sync.Mutex
	var sent []string // each proof, assertion and body that reached the org
	hangUp := false
	a := newAuthority(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		mu.Lock()
		sent = append(sent, r.Header.Get("DPoP"))
		if assertion := r.PostForm.Get("client_assertion"); assertion != "" {
			sent = append(sent, assertion)
		}
		abort := hangUp
		mu.Unlock()
		if abort {
			panic(http.ErrAbortHandler)
		}
		a.ServeHTTP(w, r)
	}))
	defer server.Close()
	transport := server.Client().Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost = 16
	org, _ := a.org(func(c *okta.Config) { c.URL, c.Transport, c.RateShare = server.URL, transport, 1 })
	rates := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-Rate-Limit-Limit", "1000")
		w.Header().Set("X-Rate-Limit-Remaining", "999")
		return false
	}
	a.refuse = rates
	fourAtOnce := func() {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { _, _ = list(t.Context(), org, "zones") })
		}
		all.Wait()
	}
	fourAtOnce() // connections to keep
	for range 5 {
		mu.Lock()
		hangUp = true
		mu.Unlock()
		fourAtOnce()
		failed(t, org, "users") // asks for a token
		mu.Lock()
		hangUp = false
		mu.Unlock()
		fourAtOnce()
	}
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(sent))), len(sent))
}
