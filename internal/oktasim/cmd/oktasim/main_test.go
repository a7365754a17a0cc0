package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

// run starts the program and returns its address, and what waits for its end and returns the rest that it printed.
func run(t *testing.T, args ...string) (url string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(in)
	ended := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		_ = in.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewReader(out)
	url, err := lines.ReadString('\n')
	require.NoError(t, err)
	return url[:len(url)-1], func() string {
		cancel()
		rest, err := io.ReadAll(lines)
		require.NoError(t, err)
		require.NoError(t, <-ended)
		return string(rest)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "SSWS t")
	r.Close = true
	w, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NoError(t, w.Body.Close())
	require.Equal(t, http.StatusOK, w.StatusCode, string(body))
	return string(body)
}

func TestServesUntilItIsStoppedAndSaysWhatWasAskedOfIt(t *testing.T) {
	t.Setenv("OKTASIM_TOKEN", "t")
	url, stop := run(t, "--counts", "logs=10,users=3", "--limits", "/api/v1/users=12")
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, url)
	fetch(t, url+"/api/v1/users")
	require.Contains(t, stop(), "/api/v1/users: 1 requests in 1 windows, at most 1 in one; 0 refused\n")
}

func TestWhatIsNotInOrderIsSwitchedOnByName(t *testing.T) {
	url, stop := run(t, "--token", "t", "--odd", "null=users/1,no-link=users:1")
	defer stop()
	require.Regexp(t, `^\[{.*},null,{.*}\]$`, fetch(t, url+"/api/v1/users?limit=3"))
}

func TestTheHelpListsEveryOddity(t *testing.T) {
	for _, o := range oktasim.Oddities() {
		require.Contains(t, command().Long, o.Name)
	}
}

func TestAStateFileMakesTheNextRunTheSameOrg(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	page := func(seed string) string {
		url, stop := run(t, "--token", "t", "--state", state, "--seed", seed)
		defer stop()
		return fetch(t, url+"/api/v1/users?limit=5")
	}
	first := page("5")
	require.Equal(t, first, page("6"))
	require.NoError(t, os.Remove(state))
	require.NotEqual(t, first, page("6"))
}

func TestWhatCannotBeUsedIsSaid(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(broken, []byte(`{"seed":1}`), 0o600))
	for want, args := range map[string][]string{
		"token":            {},
		"--epoch":          {"--token", "t", "--epoch", "now"},
		"no epoch":         {"--token", "t", "--state", broken},
		"no such":          {"--token", "t", "--state", "/no/such/directory/state"},
		"gadgets":          {"--token", "t", "--counts", "gadgets=1"},
		"--odd":            {"--token", "t", "--odd", "null=users/x"},
		"client-id":        {"--client-secret", "s"},
		"--client-keys":    {"--client-id", "a", "--client-keys", broken},
		"--scopes-file":    {"--client-id", "a", "--client-secret", "s", "--scopes-file", "/no/such/file"},
		"keys or a secret": {"--client-id", "a"},
	} {
		cmd := command()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), want)
	}
}

func TestAServiceAppSignsInWhileItsFilesSaySo(t *testing.T) {
	t.Setenv("OKTASIM_CLIENT_SECRET", "s3cret")
	scopes := filepath.Join(t.TempDir(), "scopes")
	grant := func(text string) { require.NoError(t, os.WriteFile(scopes, []byte(text), 0o600)) }
	grant("okta.users.read\nokta.logs.read\n")
	url, stop := run(t, "--client-id", "0oa", "--scopes-file", scopes, "--token-lifetime", "5m", "--counts", "users=3")
	status, answer := post(t, url+"/oauth2/v1/token", "okta.users.read")
	require.Equal(t, http.StatusOK, status)
	require.EqualValues(t, 300, answer["expires_in"])

	grant("okta.logs.read")
	_, answer = post(t, url+"/oauth2/v1/token", "okta.users.read")
	require.Equal(t, "invalid_scope", answer["error"])
	require.NoError(t, os.Remove(scopes))
	_, answer = post(t, url+"/oauth2/v1/token", "okta.logs.read")
	require.Equal(t, "invalid_client", answer["errorCode"], "there is no app without its files")
	grant("okta.users.read")
	status, _ = post(t, url+"/oauth2/v1/token", "okta.users.read")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, stop(), `"okta.users.read": asked for 3 times, 2 tokens`)
}

func TestAServiceAppWithKeysNeedsAnAssertionAndAProof(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	keys := filepath.Join(t.TempDir(), "keys.pem")
	require.NoError(t, os.WriteFile(keys, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	url, stop := run(t, "--client-id", "0oa", "--client-keys", keys, "--dpop", "--strict")
	defer stop()
	_, answer := post(t, url+"/oauth2/v1/token", "okta.users.read")
	require.Contains(t, answer["error_description"], "private_key_jwt")
}

// post asks for a token with the client secret.
func post(t *testing.T, url, scope string) (status int, answer map[string]any) {
	t.Helper()
	form := neturl.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("0oa", "s3cret")
	r.Close = true
	w, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer w.Body.Close()
	require.NoError(t, json.NewDecoder(w.Body).Decode(&answer))
	return w.StatusCode, answer
}
