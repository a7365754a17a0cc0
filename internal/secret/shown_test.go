package secret_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/secret"
)

func TestAnOrdinaryMistakeIsShown(t *testing.T) {
	for _, value := range []string{
		"", "10x", "0,5", "half", "24 hours", "1h30", "150 %"[:3], "logs,user", "auth.okta.users2", "127.0.0.1", ":94640", "192.168.100.200:27233", "debg", "Acme_EU",
		"/etc/okta/token.txt", "./token", "/run/secrets/okta-api-token", "/var/run/secrets/okta-collector/..2026_11_28_17_18_51.3084915/okta_api_token",
		"/home/JohnDoe/OktaCollector/api-token-2.pem", "us-west-2.aws.api.temporal.io:7233", "quickstart-okta-collector.x7f3k", "my.app.acme.users_2026",
	} {
		require.False(t, secret.MayBe(value), value)
		require.Equal(t, fmt.Sprintf("%q", value), secret.Shown(value))
	}
	require.Equal(t, "/etc/okta/token.txt", secret.ShownPath("/etc/okta/token.txt"))
}

func TestWhatMayBeASecretIsNotShown(t *testing.T) {
	tokens := []string{
		"00AbC-dEfGhIjKlMnOpQrStUvWxYz_0123456789ab", "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsidGVtcG9yYWwiXX0.Zm9vYmFy", "a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d",
		"SSWS 00AbCdEfGhIjKlMnOpQrStUvWxYz0123456789ab", "https://collector:Passw0rd@devo.example", "Tr0ub4dor&3", "hunter2!",
		"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----", "/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcd=",
	}
	source := rand.NewChaCha8([32]byte{})
	for range 5000 { // of every usual spelling and length
		var random [32]byte
		_, _ = source.Read(random[:])
		for _, size := range []int{22, 24, 30, 32} {
			tokens = append(tokens, hex.EncodeToString(random[:size]), base64.StdEncoding.EncodeToString(random[:size]), base64.RawURLEncoding.EncodeToString(random[:size]),
				base32.StdEncoding.EncodeToString(random[:size]))
		}
	}
	for _, token := range tokens {
		for _, shown := range []string{secret.Shown(token), secret.ShownPath(token), secret.ShownName(token)} {
			require.NotContains(t, shown, token)
			require.Contains(t, shown, fmt.Sprintf("%d bytes", len(token)), "how long it is helps to find it")
		}
	}
	require.NotContains(t, secret.ShownPath("correct-horse"), "horse", "where a path belongs, no path is a secret")
}

func TestAnErrorOfAFileDoesNotRepeatATokenThatStandsInItsPlace(t *testing.T) {
	const token = "00AbC-dEfGhIjKlMnOpQrStUvWxYz_0123456789ab"
	_, err := secret.File(token).Read()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotContains(t, err.Error(), token)
	require.ErrorContains(t, err, "a path of 42 bytes (not shown, because it may be a secret): no such file or directory")

	_, err = secret.File("/etc/okta/absent.txt").Read()
	require.ErrorContains(t, err, "/etc/okta/absent.txt: no such file or directory")
}

func TestAnErrorFromElsewhereIsRepeatedWithoutWhatMayBeASecret(t *testing.T) {
	cause := errors.New(`open 00AbCdEfGhIjKlMnOpQrStUvWxYz0123456789ab: not a directory; invalid "a\nb", host temporal.example`)
	err := secret.Hide(cause, "00AbCdEfGhIjKlMnOpQrStUvWxYz0123456789ab", "a\nb", "temporal.example", "")
	require.ErrorIs(t, err, cause)
	require.NotContains(t, err.Error(), "AbCdEf")
	require.ErrorContains(t, err, "host temporal.example")
	require.NoError(t, secret.Hide(nil, "x"))
}
