package starter

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
)

// checkedAgainst calls check against an org in order, and a Devo.
func checkedAgainst(t *testing.T, config devosim.Config, url func(*devosim.Server) string, args ...string) (s *devosim.Server, code int, stdout string) {
	t.Helper()
	temporal := newTemporal(t)
	config.Dir, config.Domain, config.Token = filepath.Join(t.TempDir(), "certificates"), "acme", "token"
	s, err := devosim.Start(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }))
	t.Cleanup(org.Close)
	pki := s.PKI()
	for name, value := range map[string]string{
		"OKTA_URL": org.URL, "OKTA_API_TOKEN": "00secret", "OKTA_SERVICES": "users", "DEVO_URL": url(s), "DEVO_MAX_EVENT": "64KiB",
		"DEVO_DOMAIN": "acme", "DEVO_TOKEN": "token",
		"DEVO_CHAIN_FILE": pki.ChainFile, "DEVO_CERT_FILE": pki.ClientCertFile, "DEVO_KEY_FILE": pki.ClientKeyFile,
	} {
		t.Setenv(name, value)
	}
	code, stdout, stderr := temporal.call(append([]string{"check"}, args...)...)
	return s, code, stdout + stderr
}

func TestCheckSendsNothingUnlessItIsTold(t *testing.T) {
	s, code, out := checkedAgainst(t, devosim.Config{}, (*devosim.Server).SyslogURL)
	require.Zero(t, code, out)
	require.Empty(t, s.Stats())
}

func TestCheckSendsOneRecordOfTheLargestSizeAndSaysWhatToLookFor(t *testing.T) {
	s, code, out := checkedAgainst(t, devosim.Config{}, (*devosim.Server).SyslogURL, "--send")
	require.Zero(t, code, out)
	require.EqualValues(t, 1, s.Stats()[devo.CheckTable].Records)
	require.EqualValues(t, 64<<10, s.Stats()[devo.CheckTable].Bytes)
	require.NoError(t, s.Err())
	said := strings.Join(strings.Fields(out), " ")
	require.Contains(t, said, "one large record ok, see below")
	require.Contains(t, said, "65,536 bytes of JSON")
	require.Contains(t, said, `"@okta_check_end":true`)
	require.Contains(t, said, "maxMessageSize")
}

func TestAReceiverThatTruncatesRecordsConfirmsTheLargestOneAllTheSame(t *testing.T) {
	s, code, out := checkedAgainst(t, devosim.Config{MaxRecord: 8096}, (*devosim.Server).SyslogURL, "--send")
	require.Zero(t, code, out)
	require.EqualValues(t, 1, s.Connections().Truncated)
	require.Empty(t, s.Stats(), "which is why somebody has to look")
}

func TestCheckSendsOverEverySink(t *testing.T) {
	for name, url := range map[string]func(s *devosim.Server) string{
		"tcp": (*devosim.Server).TCPURL, "https": (*devosim.Server).HTTPURL, "file": func(*devosim.Server) string { return "file://" + t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			s, code, out := checkedAgainst(t, devosim.Config{}, url, "--send")
			require.Zero(t, code, out)
			require.NoError(t, s.Err())
			if name != "file" {
				require.EqualValues(t, 1, s.Stats()[devo.CheckTable].Records)
			}
		})
	}
}
