package starter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
)

// appKeyFile writes a private key with a certificate that ends after a while.
func appKeyFile(t *testing.T, left time.Duration) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(left)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, append(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...), 0o600))
	return file
}

// checkedApp calls check as a service app. An org gives it tokens of a type for all scopes but the one that is withheld,
// and answers lists so.
func checkedApp(t *testing.T, tokenType, withheld, list string, left time.Duration, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	app := map[string]string{"OKTA_CLIENT_ID": "0oa1", "OKTA_PRIVATE_KEY_FILE": appKeyFile(t, left), "OKTA_PRIVATE_KEY_ID": "key-1"}
	return checkedWith(t, app, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/oauth2/v1/token":
			fmt.Fprint(w, list)
		case r.FormValue("scope") == withheld:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_scope","error_description":"One or more scopes are not configured."}`)
		default:
			fmt.Fprintf(w, `{"token_type":%q,"expires_in":3600,"access_token":"t0ken"}`, tokenType)
		}
	}, args...)
}

func TestCheckSaysOfAServiceAppWhichScopesAreGrantedAndWhenItsKeyEnds(t *testing.T) {
	code, stdout, stderr := checkedApp(t, "DPoP", "okta.users.read", `[{"id":"a"}]`, 100*24*time.Hour)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "1 of 9 checks failed")
	require.Regexp(t, `okta sign-in\s+ok\s+service app with a private key \(ES256\), key-1\n\s+the key ends 20\d\d-`, stdout)
	require.Regexp(t, `okta logs\s+ok\s+okta.logs.read: granted, with DPoP\n`, stdout)
	require.Regexp(t, `okta users\s+FAILED, see below\s+okta.users.read: no token\n`, stdout)
	require.Contains(t, oneLine(stdout), "400 Bad Request invalid_scope (One or more scopes are not configured.); grant okta.users.read to the service app")
	require.NotContains(t, stdout+stderr, "t0ken")

	_, stdout, _ = checkedApp(t, "Bearer", "okta.users.read", `[{"id":"a"}]`, 100*24*time.Hour, "-o", "json")
	var results []result
	require.NoError(t, json.Unmarshal([]byte(stdout), &results), stdout)
	require.Equal(t, "okta sign-in", results[4].Check)
	require.NotNil(t, results[4].KeyEnds)
	require.Equal(t, []okta.Grant{{Scopes: []string{"okta.logs.read"}, Granted: true}}, results[5].Grants)
	require.Equal(t, []okta.Grant{{Scopes: []string{"okta.users.read"}}}, results[6].Grants)
}

// Every org has a user, so such an app lacks a role.
func TestCheckDoesNotBelieveAServiceAppThatThereAreNoUsers(t *testing.T) {
	code, stdout, _ := checkedApp(t, "Bearer", "", `[]`, 100*24*time.Hour)
	require.Equal(t, 1, code)
	require.Regexp(t, `okta users\s+FAILED, see below\s+okta.users.read: granted, without DPoP\n`, stdout)
	require.Contains(t, oneLine(stdout), "200 OK with an empty list, although every org has a user; the service app lacks an admin role")
	require.Contains(t, stdout, "docs/okta.md")
}

func TestCheckWarnsOfAKeyThatEndsSoon(t *testing.T) {
	for left, want := range map[time.Duration]string{
		20*24*time.Hour + time.Hour: "the key of the service app ends in 20 days: register a new one in Okta beside it",
		-time.Hour:                  "the key of the service app has ended",
	} {
		code, stdout, _ := checkedApp(t, "Bearer", "", `[{"id":"a"}]`, left)
		require.Zero(t, code, stdout)
		require.Regexp(t, `okta sign-in\s+ok, but see below`, stdout)
		require.Contains(t, oneLine(stdout), want)
	}
}
