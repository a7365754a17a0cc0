package risk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileThatOthersMayReadIsARisk(t *testing.T) {
	for name, test := range map[string]struct {
		mode os.FileMode
		want Kind
	}{
		"its owner alone":        {0o600, ""},
		"its owner alone, fixed": {0o400, ""},
		"a group of ours":        {0o440, ""},
		"everybody":              {0o644, Readable},
		"everybody but a group":  {0o604, Readable},
		"everybody writes":       {0o666, Writable},
		"everybody only writes":  {0o602, Writable},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(path, []byte("00secret"), 0o600))
			require.NoError(t, os.Chmod(path, test.mode)) // whatever the umask
			link := filepath.Join(t.TempDir(), "link")
			require.NoError(t, os.Symlink(path, link))
			for _, path := range []string{path, link} {
				var kind Kind
				for _, r := range Secret("acme", "ACME_OKTA_API_TOKEN_FILE", path) {
					kind = r.Kind
					require.Equal(t, Risk{"acme", "ACME_OKTA_API_TOKEN_FILE", test.want, path, test.mode}, r)
					require.Contains(t, r.String(), path)
				}
				require.Equal(t, test.want, kind)
			}
		})
	}
}

func TestAFileOfAGroupThatIsNotOursIsARisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give a file away")
	}
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chown(path, -1, 54321))
	require.Empty(t, Secret("", "DEVO_TOKEN_FILE", path))
	require.NoError(t, os.Chmod(path, 0o640))
	require.Equal(t, Readable, Secret("", "DEVO_TOKEN_FILE", path)[0].Kind)
	require.NoError(t, os.Chmod(path, 0o620))
	require.Equal(t, Writable, Secret("", "DEVO_TOKEN_FILE", path)[0].Kind)
}

// The kubelet writes a secret as links, with the mode 0644 unless the pod says otherwise.
func TestASecretOfKubernetesIsNoFalseAlarm(t *testing.T) {
	volume := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(volume, "..2026_11_28_12_00_00.1"), 0o755))
	file := filepath.Join(volume, "..2026_11_28_12_00_00.1", "okta-api-token")
	require.NoError(t, os.WriteFile(file, []byte("00secret"), 0o644))
	require.NoError(t, os.Chmod(file, 0o644))
	require.NoError(t, os.Symlink("..2026_11_28_12_00_00.1", filepath.Join(volume, "..data")))
	require.NoError(t, os.Symlink("..data/okta-api-token", filepath.Join(volume, "okta-api-token")))

	require.Empty(t, Secret("", "OKTA_API_TOKEN_FILE", filepath.Join(volume, "okta-api-token")))
	require.NotEmpty(t, Secret("", "OKTA_API_TOKEN_FILE", file))
}

func TestWhatIsNoFileIsNoRiskHere(t *testing.T) {
	require.Empty(t, Secret("", "OKTA_API_TOKEN_FILE", ""))
	require.Empty(t, Secret("", "OKTA_API_TOKEN_FILE", filepath.Join(t.TempDir(), "absent")), "the settings' own error says so")
	require.Empty(t, Secret("", "OKTA_API_TOKEN_FILE", t.TempDir()))
}

func TestInTheClearToAPublicAddressIsARisk(t *testing.T) {
	for _, address := range []string{"8.8.8.8:13000", "203.0.113.7:13000", "[2001:4860:4860::8888]:13000", "[::ffff:8.8.8.8]:13000", "relay.invalid:13000"} {
		risks := Clear("acme", "DEVO_URL", address)
		require.Equal(t, []Risk{{Tenant: "acme", Setting: "DEVO_URL", Kind: InTheClear, At: address}}, risks, address)
		require.Contains(t, risks[0].String(), address)
	}
	for _, address := range []string{
		"127.0.0.1:13000", "localhost:13000", "10.1.2.3:13000", "172.16.0.1:1", "192.168.1.1:1", "100.64.1.1:1", "169.254.1.1:1", "[::1]:1", "[fd00::1]:1", "[fe80::1]:1",
		"relay:13000", "temporal-frontend.temporal.svc:7233", "temporal.ns.svc.cluster.local:7233", "relay.internal:1", "printer.local:1", "relay.LAN.:1",
	} {
		require.Empty(t, Clear("acme", "DEVO_URL", address), address)
	}
}
