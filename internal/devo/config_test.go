package devo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
	"okta-collector/internal/secret"
)

func isRefused(err error) bool { return errors.Is(err, devo.ErrRefused) }

func requireNoToken(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}

func TestNewNamesEveryProblemAtOnce(t *testing.T) {
	ca := newAuthority(t, "ca")
	one, two := clientFiles(t, ca, ca, "one"), clientFiles(t, ca, ca, "two")
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		name string
		cfg  devo.Config
		want []string
	}{
		{"nothing", devo.Config{}, []string{"DEVO_URL"}},
		{"an unknown scheme", devo.Config{URL: "relp://a:1"}, []string{"DEVO_URL"}},
		{"no port", devo.Config{URL: "tls://collector-us.devo.io"}, []string{"DEVO_URL"}},
		{"a path", devo.Config{URL: "tcp://relay:13000/x"}, []string{"DEVO_URL"}},
		{"a user", devo.Config{URL: "https://s3cr3t:s3cr3t@http-us.devo.io", Domain: "d", Token: secret.Value("t")}, []string{"DEVO_URL"}},
		{"a URL with the token", devo.Config{URL: "https://http-us.devo.io/stream/d/token!s3cr3t/%zz"}, []string{"DEVO_URL"}},
		{"http to elsewhere", devo.Config{URL: "http://http-us.devo.io", Domain: "d", Token: secret.Value("t")}, []string{"DEVO_URL"}},
		{"a relative directory", devo.Config{URL: "file://out/dir"}, []string{"DEVO_URL"}},
		{"more than stdout", devo.Config{URL: "stdout:x"}, []string{"DEVO_URL"}},
		{"several", devo.Config{URL: "https://http-us.devo.io", Domain: "a/b", Token: secret.Value("s3cr3t x"), Hostname: "a b", MaxEvent: 1, Environment: string(make([]byte, 300))},
			[]string{"DEVO_DOMAIN", "DEVO_TOKEN", "DEVO_HOSTNAME", "DEVO_MAX_EVENT", "DEVO_ENVIRONMENT"}},
		{"a host that is a way out", devo.Config{URL: "stdout:", Hostname: ".."}, []string{"DEVO_HOSTNAME"}},
		{"too large an event", devo.Config{URL: "stdout:", MaxEvent: 17 << 20}, []string{"DEVO_MAX_EVENT"}},
		{"no files", devo.Config{URL: "tls://a:1", ChainFile: "/none/a", CertFile: "/none/b", KeyFile: "/none/c"},
			[]string{"DEVO_CHAIN_FILE", "DEVO_CERT_FILE", "DEVO_KEY_FILE"}},
		{"a key without certificate", devo.Config{URL: "tls://a:1", KeyFile: one.key}, []string{"DEVO_CERT_FILE"}},
		{"a key of another certificate", devo.Config{URL: "tls://a:1", CertFile: one.cert, KeyFile: two.key}, []string{"DEVO_CERT_FILE", "DEVO_KEY_FILE"}},
		{"an empty chain", devo.Config{URL: "tls://a:1", ChainFile: empty}, []string{"DEVO_CHAIN_FILE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := devo.New(c.cfg)
			var wrong devo.SettingErrors
			require.ErrorAs(t, err, &wrong)
			var settings []string
			for _, w := range wrong {
				settings = append(settings, w.Setting, w.Or)
			}
			require.Subset(t, settings, c.want)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				require.Regexp(t, `^DEVO_[A-Z_]+ `, line)
			}
			requireNoToken(t, err)
		})
	}
}

func TestStreamNeedsANameAndATag(t *testing.T) {
	for _, url := range []string{"tcp://127.0.0.1:1", "http://127.0.0.1:1", "file://" + t.TempDir(), "stdout:"} {
		sink, err := devo.New(httpConfig(url))
		require.NoError(t, err)
		_, err = sink.Open(t.Context(), devo.Target{Name: "n", Tag: "auth.okta.system: {}\n<14>"})
		require.ErrorIs(t, err, devo.ErrRefused)
		_, err = sink.Open(t.Context(), devo.Target{Tag: "auth.okta.system"})
		require.Error(t, err)
	}
}
