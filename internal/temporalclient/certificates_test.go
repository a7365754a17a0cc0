package temporalclient

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/expiry"
)

func TestTheCertificateForTemporalIsReadAnewFromWhereItIs(t *testing.T) {
	server.Store(nil) // of another test's
	given(t, nil)
	require.Empty(t, Certificates(), "none is set")

	first, err := devosim.NewPKI(filepath.Join(t.TempDir(), "first"))
	require.NoError(t, err)
	second, err := devosim.NewPKI(filepath.Join(t.TempDir(), "second"))
	require.NoError(t, err)
	given(t, map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": first.ClientCertFile, "TEMPORAL_TLS_CLIENT_KEY_PATH": first.ClientKeyFile})
	before := Certificates()
	require.Len(t, before, 1)
	require.Equal(t, expiry.TemporalClient, before[0].For)
	renewed, err := os.ReadFile(second.ClientCertFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(first.ClientCertFile, renewed, 0o600))
	require.NotEqual(t, before[0].SerialNumber, Certificates()[0].SerialNumber)

	_, err = Options()
	require.ErrorContains(t, err, "private key does not match public key; the client has TEMPORAL_TLS_CLIENT_CERT_PATH (")
	require.ErrorContains(t, err, fmt.Sprintf("serial %X, end 2", Certificates()[0].SerialNumber))

	given(t, map[string]string{"TEMPORAL_TLS_CLIENT_CERT_DATA": string(renewed)})
	require.Equal(t, "TEMPORAL_TLS_CLIENT_CERT_DATA", Certificates()[0].From)
	t.Setenv("TEMPORAL_TLS", "false")
	require.Empty(t, Certificates(), "it is not used")
}
