package config_test

import (
	"bytes"
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
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
	"okta-collector/internal/okta"
	"okta-collector/internal/risk"
	"okta-collector/internal/secret"
)

// env is an environment: the test's process has these settings and no others.
type env map[string]string

// valid is the least that one tenant needs.
func valid() env {
	return env{
		"OKTA_URL":       "https://acme.okta.com",
		"OKTA_API_TOKEN": "00token-of-acme",
		"DEVO_URL":       "stdout:",
	}
}

// two is the least that two tenants need.
func two() env {
	return env{
		"COLLECTOR_TENANTS":        "acme,globex-eu",
		"ACME_OKTA_URL":            "https://acme.okta.com",
		"ACME_OKTA_API_TOKEN":      "00token-of-acme",
		"GLOBEX_EU_OKTA_URL":       "https://globex.okta-emea.com",
		"GLOBEX_EU_OKTA_API_TOKEN": "00token-of-globex",
		"DEVO_URL":                 "tcp://relay:13000",
	}
}

func (e env) with(pairs ...string) env {
	for i := 0; i < len(pairs); i += 2 {
		e[pairs[i]] = pairs[i+1]
	}
	return e
}

func (e env) without(names ...string) env {
	for _, name := range names {
		delete(e, name)
	}
	return e
}

func (e env) set(t *testing.T) {
	t.Helper()
	for _, assignment := range os.Environ() {
		name, _, _ := strings.Cut(assignment, "=")
		if strings.Contains(name, "OKTA_") || strings.Contains(name, "DEVO_") || strings.HasPrefix(name, "COLLECTOR_") {
			t.Setenv(name, "") // so that it comes back after the test
			require.NoError(t, os.Unsetenv(name))
		}
	}
	for name, value := range e {
		t.Setenv(name, value)
	}
}

func (e env) load(t *testing.T) (config.Config, []string, error) {
	t.Helper()
	e.set(t)
	return config.Load()
}

func (e env) mustLoad(t *testing.T) config.Config {
	t.Helper()
	c, warnings, err := e.load(t)
	require.NoError(t, err)
	require.Empty(t, warnings)
	return c
}

func token(t *testing.T, s secret.Secret) string {
	t.Helper()
	value, err := s.Read()
	require.NoError(t, err)
	return value
}

// oktaToken is the API token that requests are signed with.
func oktaToken(t *testing.T, c okta.Config) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, c.URL, nil)
	require.NoError(t, err)
	require.NoError(t, c.Authorizer.Authorize(t.Context(), r, nil))
	return strings.TrimPrefix(r.Header.Get("Authorization"), "SSWS ")
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// keyPair writes a self-signed certificate and its key.
func keyPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestWithTheLeastThatIsNeededEverythingElseHasItsDefault(t *testing.T) {
	c := valid().mustLoad(t)

	require.Equal(t, "okta-collector", c.TaskQueue)
	require.Equal(t, "127.0.0.1:9464", c.Listen)
	require.Equal(t, zapcore.InfoLevel, c.LogLevel)
	require.Equal(t, config.LogAuto, c.LogFormat)
	require.False(t, c.StartNew)
	require.Len(t, c.Tenants, 1)

	tenant := c.Tenants[0]
	require.Equal(t, "default", tenant.Name)
	require.Equal(t, okta.DefaultServices, tenant.Services)
	require.Equal(t, "default", tenant.Okta.Tenant)
	require.Equal(t, "https://acme.okta.com", tenant.Okta.URL)
	require.Equal(t, "00token-of-acme", oktaToken(t, tenant.Okta))
	require.Equal(t, 0.5, tenant.Okta.RateShare)
	require.Equal(t, 24*time.Hour, tenant.Okta.LogsHistory)
	require.Equal(t, 10*time.Second, tenant.Okta.PollLogs)
	require.Equal(t, 15*time.Minute, tenant.Okta.PollResources)
	require.Equal(t, 24*time.Hour, tenant.Okta.FullSync)
	require.Equal(t, "stdout:", tenant.Devo.URL)
	require.Equal(t, 1<<20, tenant.Devo.MaxEvent)
	for _, s := range okta.Services() {
		require.Equal(t, s.Table, tenant.Tables[s.Name])
	}
}

func TestEmptyIsTheSameAsAbsentAndBlanksAroundAreDropped(t *testing.T) {
	c := valid().with("OKTA_RATE_SHARE", "", "COLLECTOR_LISTEN", " ", "DEVO_TABLES", "", "OKTA_URL", " https://acme.okta.com\n", "OKTA_API_TOKEN", "00token-of-acme\n").mustLoad(t)

	require.Equal(t, 0.5, c.Tenants[0].Okta.RateShare)
	require.Equal(t, "127.0.0.1:9464", c.Listen)
	require.Equal(t, "https://acme.okta.com", c.Tenants[0].Okta.URL)
	require.Equal(t, "00token-of-acme", oktaToken(t, c.Tenants[0].Okta))
}

func TestSettingsAreRead(t *testing.T) {
	for _, test := range []struct {
		name, value string
		got         func(config.Config) any
		want        any
	}{
		{"COLLECTOR_TASK_QUEUE", "other", func(c config.Config) any { return c.TaskQueue }, "other"},
		{"COLLECTOR_LISTEN", ":0", func(c config.Config) any { return c.Listen }, ":0"},
		{"COLLECTOR_LOG_LEVEL", "debug", func(c config.Config) any { return c.LogLevel }, zapcore.DebugLevel},
		{"COLLECTOR_START", "new", func(c config.Config) any { return c.StartNew }, true},
		{"COLLECTOR_LOG_FORMAT", "json", func(c config.Config) any { return c.LogFormat }, config.LogJSON},
		{"OKTA_URL", "https://Acme.Okta.com/", func(c config.Config) any { return c.Tenants[0].Okta.URL }, "https://acme.okta.com"},
		{"OKTA_URL", "http://127.0.0.1:8080", func(c config.Config) any { return c.Tenants[0].Okta.URL }, "http://127.0.0.1:8080"},
		{"OKTA_URL", "http://localhost:8080", func(c config.Config) any { return c.Tenants[0].Okta.URL }, "http://localhost:8080"},
		{"OKTA_URL", "http://[::1]:8080", func(c config.Config) any { return c.Tenants[0].Okta.URL }, "http://[::1]:8080"},
		{"OKTA_SERVICES", "users, logs,users", func(c config.Config) any { return c.Tenants[0].Services }, []string{"logs", "users"}},
		{"OKTA_RATE_SHARE", "1", func(c config.Config) any { return c.Tenants[0].Okta.RateShare }, 1.0},
		{"OKTA_LOGS_HISTORY", "90d", func(c config.Config) any { return c.Tenants[0].Okta.LogsHistory }, 90 * 24 * time.Hour},
		{"OKTA_POLL_LOGS", "1s", func(c config.Config) any { return c.Tenants[0].Okta.PollLogs }, time.Second},
		{"OKTA_POLL_RESOURCES", "1h30m", func(c config.Config) any { return c.Tenants[0].Okta.PollResources }, 90 * time.Minute},
		{"OKTA_FULL_SYNC", "7d", func(c config.Config) any { return c.Tenants[0].Okta.FullSync }, 7 * 24 * time.Hour},
		{"DEVO_URL", "tcp://relay:13000", func(c config.Config) any { return c.Tenants[0].Devo.URL }, "tcp://relay:13000"},
		{"DEVO_URL", "tcp://[::1]:13000", func(c config.Config) any { return c.Tenants[0].Devo.URL }, "tcp://[::1]:13000"},
		{"DEVO_URL", "file:///var/lib/okta", func(c config.Config) any { return c.Tenants[0].Devo.URL }, "file:///var/lib/okta"},
		{"DEVO_SERVER_NAME", "collector.devo.io", func(c config.Config) any { return c.Tenants[0].Devo.ServerName }, "collector.devo.io"},
		{"DEVO_ENVIRONMENT", "prod é", func(c config.Config) any { return c.Tenants[0].Devo.Environment }, "prod é"},
		{"DEVO_HOSTNAME", "okta-1.acme", func(c config.Config) any { return c.Tenants[0].Devo.Hostname }, "okta-1.acme"},
		{"DEVO_CONFIRM", "kernel", func(c config.Config) any { return c.Tenants[0].Devo.Confirm }, devo.ConfirmKernel},
		{"DEVO_EVENT_TIME", "published", func(c config.Config) any { return c.Tenants[0].Devo.EventTime }, devo.EventTimePublished},
		{"DEVO_EVENT_TIME", "", func(c config.Config) any { return c.Tenants[0].Devo.EventTime }, devo.EventTimeSent},
		{"DEVO_REPORT", "on", func(c config.Config) any { return c.Tenants[0].Report }, true},
		{"DEVO_MAX_EVENT", "64KiB", func(c config.Config) any { return c.Tenants[0].Devo.MaxEvent }, 64 << 10},
		{"DEVO_MAX_EVENT", "65536", func(c config.Config) any { return c.Tenants[0].Devo.MaxEvent }, 64 << 10},
		{"DEVO_TABLES", "pulls=my.app.acme.pulls,deleted=my.app.acme.gone", func(c config.Config) any {
			return c.Tenants[0].Tables["pulls"] + " " + c.Tenants[0].Tables["deleted"]
		}, "my.app.acme.pulls my.app.acme.gone"},
		{"DEVO_TABLES", "", func(c config.Config) any {
			return c.Tenants[0].Tables["pulls"] + " " + c.Tenants[0].Tables["deleted"]
		}, "my.app.okta.pulls my.app.okta.deleted"},
		{"DEVO_TABLES", "app_users = my.app.acme.users, logs=auth.okta.test", func(c config.Config) any { return c.Tenants[0].Tables["app_users"] }, "my.app.acme.users"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			require.Equal(t, test.want, test.got(valid().with(test.name, test.value).mustLoad(t)))
		})
	}
}

func TestWhatIsWrongIsNamedWithWhatIsAllowed(t *testing.T) {
	const slash = string(filepath.Separator)
	cert, key := keyPair(t)
	_, otherKey := keyPair(t)
	notPEM := write(t, "not.pem", []byte("no certificate"))
	empty := write(t, "empty", nil)
	tokenFile := write(t, "token", []byte("00token\n"))
	tls := []string{"DEVO_URL", "tls://collector-us.devo.io:443", "DEVO_CERT_FILE", cert, "DEVO_KEY_FILE", key}
	https := []string{"DEVO_URL", "https://http-us.devo.io", "DEVO_DOMAIN", "acme", "DEVO_TOKEN", "devo-token"}

	for _, test := range []struct {
		name string
		env  env
		want []string // each is in the only problem
	}{
		{"no org", valid().without("OKTA_URL"), []string{"OKTA_URL is missing", "https://acme.okta.com"}},
		{"org without a scheme", valid().with("OKTA_URL", "acme.okta.com"), []string{"OKTA_URL does not begin with https://"}},
		{"org over http", valid().with("OKTA_URL", "http://acme.okta.com"), []string{"OKTA_URL is http"}},
		{"org over another scheme", valid().with("OKTA_URL", "ftp://acme.okta.com"), []string{"OKTA_URL does not begin with https://"}},
		{"org with a path", valid().with("OKTA_URL", "https://acme.okta.com/api/v1"), []string{"OKTA_URL has a path"}},
		{"org with a query", valid().with("OKTA_URL", "https://acme.okta.com?x=1"), []string{"OKTA_URL has a path or query"}},
		{"org without a host", valid().with("OKTA_URL", "https://"), []string{"OKTA_URL has no usable host"}},
		{"org that was not filled in", valid().with("OKTA_URL", "https://<your org>.okta.com"), []string{"OKTA_URL is not a URL"}},
		{"Admin Console", valid().with("OKTA_URL", "https://acme-admin.oktapreview.com"), []string{"OKTA_URL is the address of the Admin Console", "https://acme.oktapreview.com"}},
		{"no token", valid().without("OKTA_API_TOKEN"), []string{"OKTA_API_TOKEN and OKTA_API_TOKEN_FILE are both missing"}},
		{"two tokens", valid().with("OKTA_API_TOKEN_FILE", tokenFile), []string{"OKTA_API_TOKEN and OKTA_API_TOKEN_FILE are both set"}},
		{"token file absent", valid().without("OKTA_API_TOKEN").with("OKTA_API_TOKEN_FILE", slash+"absent"), []string{"OKTA_API_TOKEN_FILE cannot be used", slash + "absent"}},
		{"token file empty", valid().without("OKTA_API_TOKEN").with("OKTA_API_TOKEN_FILE", empty), []string{"OKTA_API_TOKEN_FILE cannot be used", empty}},
		{"share of zero", valid().with("OKTA_RATE_SHARE", "0"), []string{"OKTA_RATE_SHARE", `"0"`, "at most 1"}},
		{"share above one", valid().with("OKTA_RATE_SHARE", "1.1"), []string{"OKTA_RATE_SHARE", "at most 1"}},
		{"share that is no number", valid().with("OKTA_RATE_SHARE", "NaN"), []string{"OKTA_RATE_SHARE", "at most 1"}},
		{"share in percent", valid().with("OKTA_RATE_SHARE", "50%"), []string{"OKTA_RATE_SHARE", "at most 1"}},
		{"more history than Okta has", valid().with("OKTA_LOGS_HISTORY", "91d"), []string{"OKTA_LOGS_HISTORY", "90d"}},
		{"duration without a unit", valid().with("OKTA_POLL_LOGS", "10"), []string{"OKTA_POLL_LOGS", `"10"`, "1s"}},
		{"duration too short", valid().with("OKTA_POLL_RESOURCES", "999ms"), []string{"OKTA_POLL_RESOURCES", "1s"}},
		{"negative duration", valid().with("OKTA_FULL_SYNC", "-1h"), []string{"OKTA_FULL_SYNC", "1s"}},

		{"no sink", valid().without("DEVO_URL"), []string{"DEVO_URL is missing", "tls://collector-us.devo.io:443"}},
		{"unknown kind of sink", valid().with("DEVO_URL", "udp://relay:514"), []string{"DEVO_URL", "tls://"}},
		{"sink without a port", valid().with("DEVO_URL", "tcp://relay"), []string{"DEVO_URL", "host:port"}},
		{"sink with a path", valid().with("DEVO_URL", "tcp://relay:13000/x"), []string{"DEVO_URL", "host:port"}},
		{"relative directory", valid().with("DEVO_URL", "file://dir"), []string{"DEVO_URL", "absolute"}},
		{"http to elsewhere", valid().with(https...).with("DEVO_URL", "http://http-us.devo.io"), []string{"DEVO_URL", "https"}},
		{"Devo without a certificate", valid().with(tls...).without("DEVO_CERT_FILE", "DEVO_KEY_FILE"), []string{"DEVO_CERT_FILE and DEVO_KEY_FILE are missing"}},
		{"key without a certificate", valid().with(tls...).without("DEVO_CERT_FILE"), []string{"DEVO_CERT_FILE is missing"}},
		{"certificate without a key", valid().with(tls...).without("DEVO_KEY_FILE"), []string{"DEVO_KEY_FILE is missing"}},
		{"certificate file absent", valid().with(tls...).with("DEVO_CERT_FILE", slash+"absent.crt"), []string{"DEVO_CERT_FILE", slash + "absent.crt"}},
		{"key file absent", valid().with(tls...).with("DEVO_KEY_FILE", slash+"absent.key"), []string{"DEVO_KEY_FILE", slash + "absent.key"}},
		{"key of another certificate", valid().with(tls...).with("DEVO_KEY_FILE", otherKey), []string{"DEVO_CERT_FILE", "DEVO_KEY_FILE", otherKey, "does not match"}},
		{"chain file absent", valid().with(tls...).with("DEVO_CHAIN_FILE", slash+"absent.pem"), []string{"DEVO_CHAIN_FILE", "absent.pem"}},
		{"chain file empty", valid().with(tls...).with("DEVO_CHAIN_FILE", empty), []string{"DEVO_CHAIN_FILE", "no certificate"}},
		{"chain without certificates", valid().with(tls...).with("DEVO_CHAIN_FILE", notPEM), []string{"DEVO_CHAIN_FILE", "no certificate"}},
		{"https without a domain", valid().with(https...).without("DEVO_DOMAIN"), []string{"DEVO_DOMAIN is needed with https"}},
		{"https with a domain that leaves its place in the path", valid().with(https...).with("DEVO_DOMAIN", "a/b"), []string{"DEVO_DOMAIN", "letters"}},
		{"https without a token", valid().with(https...).without("DEVO_TOKEN"), []string{"DEVO_TOKEN or DEVO_TOKEN_FILE is needed with https"}},
		{"https with two tokens", valid().with(https...).with("DEVO_TOKEN_FILE", tokenFile), []string{"DEVO_TOKEN and DEVO_TOKEN_FILE are both set"}},
		{"host name with a blank", valid().with("DEVO_HOSTNAME", "my host"), []string{"DEVO_HOSTNAME", "letters"}},
		{"environment that is a book", valid().with("DEVO_ENVIRONMENT", strings.Repeat("x", 257)), []string{"DEVO_ENVIRONMENT", "256"}},
		{"confirmation of another kind", valid().with("DEVO_CONFIRM", "relp"), []string{"DEVO_CONFIRM", `"relp"`, "close or kernel"}},
		{"time of events that is neither", valid().with("DEVO_EVENT_TIME", "now"), []string{"DEVO_EVENT_TIME", `"now"`, "sent or published"}},
		{"time of events over https", valid().with(https...).with("DEVO_EVENT_TIME", "published"), []string{"DEVO_EVENT_TIME cannot be published with https://", "set it to sent"}},
		{"time of events in files", valid().with("DEVO_URL", "file:///var/lib/okta", "DEVO_EVENT_TIME", "published"), []string{"DEVO_EVENT_TIME cannot be published with file://", "set it to sent"}},
		{"time of events in a tenant's files", two().with("GLOBEX_EU_DEVO_EVENT_TIME", "published", "GLOBEX_EU_DEVO_URL", "file:///var/lib/okta"), []string{"GLOBEX_EU_DEVO_EVENT_TIME cannot be published"}},
		{"report that is half on", valid().with("DEVO_REPORT", "yes"), []string{"DEVO_REPORT", `"yes"`, "auto, on or off"}},
		{"small events only", valid().with("DEVO_MAX_EVENT", "1KiB"), []string{"DEVO_MAX_EVENT", "4096 to 16777216"}},
		{"huge events", valid().with("DEVO_MAX_EVENT", "1GiB"), []string{"DEVO_MAX_EVENT", "4096 to 16777216"}},
		{"size that is none", valid().with("DEVO_MAX_EVENT", "big"), []string{"DEVO_MAX_EVENT", `"big"`}},
		{"table of an unknown service", valid().with("DEVO_TABLES", "user=my.app.x"), []string{"DEVO_TABLES", `"user"`}},
		{"table given twice", valid().with("DEVO_TABLES", "users=my.app.x,users=my.app.y"), []string{"DEVO_TABLES", "users twice"}},
		{"table of one level", valid().with("DEVO_TABLES", "users=users"), []string{"DEVO_TABLES", `"users"`, "2 to 6 levels"}},
		{"table of seven levels", valid().with("DEVO_TABLES", "users=a.b.c.d.e.f.g"), []string{"DEVO_TABLES", "2 to 6 levels"}},
		{"table that would end the tag", valid().with("DEVO_TABLES", "users=my.app.x: y"), []string{"DEVO_TABLES", "2 to 6 levels"}},

		{"address without a port", valid().with("COLLECTOR_LISTEN", "localhost"), []string{"COLLECTOR_LISTEN", "host:port"}},
		{"port out of range", valid().with("COLLECTOR_LISTEN", ":65536"), []string{"COLLECTOR_LISTEN", "host:port"}},
		{"unknown log level", valid().with("COLLECTOR_LOG_LEVEL", "chatty"), []string{"COLLECTOR_LOG_LEVEL", `"chatty"`, "debug"}},
		{"log level that hides errors", valid().with("COLLECTOR_LOG_LEVEL", "fatal"), []string{"COLLECTOR_LOG_LEVEL", "debug"}},
		{"unknown start", valid().with("COLLECTOR_START", "all"), []string{"COLLECTOR_START", "new or off"}},
		{"unknown log format", valid().with("COLLECTOR_LOG_FORMAT", "xml"), []string{"COLLECTOR_LOG_FORMAT", "console"}},
		{"task queue with a line break", valid().with("COLLECTOR_TASK_QUEUE", "a\nb"), []string{"COLLECTOR_TASK_QUEUE"}},
		{"no tenants", valid().with("COLLECTOR_TENANTS", ","), []string{"COLLECTOR_TENANTS names no tenant"}},
		{"tenant with a slash", two().with("COLLECTOR_TENANTS", "acme,globex-eu,a/b"), []string{"COLLECTOR_TENANTS", `"a/b"`}},
		{"tenant that no variable can be named after", two().with("COLLECTOR_TENANTS", "acme,globex-eu,1st"), []string{"COLLECTOR_TENANTS", `"1st"`}},
		{"more tenants than a worker has room for", valid().with("COLLECTOR_TENANTS", strings.Repeat("acme,", 201)), []string{"COLLECTOR_TENANTS has 201 items; want at most 200"}},
		{"more services than there can be", valid().with("OKTA_SERVICES", strings.Repeat("x,", 201)), []string{"OKTA_SERVICES has 201 items; want at most 200"}},
		{"more tables than there can be", valid().with("DEVO_TABLES", strings.Repeat("x,", 201)), []string{"DEVO_TABLES has 201 items; want at most 200"}},
		{"a whole file for a name", valid().with("COLLECTOR_TASK_QUEUE", strings.Repeat("x", 8<<10+1)), []string{"COLLECTOR_TASK_QUEUE has 8193 bytes; want at most 8192"}},
		{"a whole file for every tenant", two().with("DEVO_ENVIRONMENT", strings.Repeat("x", 100_000)), []string{"DEVO_ENVIRONMENT has 100000 bytes; want at most 8192"}},
		{"a whole file for a token", valid().with("OKTA_API_TOKEN", strings.Repeat("x", 64<<10+1)), []string{"OKTA_API_TOKEN cannot be used", "larger than 65536 bytes"}},
		{"tenant twice", two().with("COLLECTOR_TENANTS", "acme,acme,globex-eu"), []string{"COLLECTOR_TENANTS", `"acme" twice`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := test.env.load(t)
			var problems config.Problems
			require.ErrorAs(t, err, &problems)
			require.Len(t, problems, 1)
			for _, want := range test.want {
				require.Contains(t, problems[0].String(), want)
			}
		})
	}
}

func TestReportsGoWhereTheyAreNotInTheWayUnlessTheSettingSaysOtherwise(t *testing.T) {
	for url, want := range map[string]bool{
		"tls://relay:443": true, "tcp://relay:13000": true, "https://http-us.devo.io": true,
		"file:///var/lib/okta": false, "stdout:": false,
	} {
		e := valid().with("DEVO_URL", url, "DEVO_DOMAIN", "acme", "DEVO_TOKEN", "devo-token")
		require.Equal(t, want, e.mustLoad(t).Tenants[0].Report, url)
		require.False(t, e.with("DEVO_REPORT", "off").mustLoad(t).Tenants[0].Report, url)
		require.True(t, e.with("DEVO_REPORT", "on").mustLoad(t).Tenants[0].Report, url)
	}
	c := two().with("ACME_DEVO_REPORT", "off").mustLoad(t)
	require.Equal(t, []bool{false, true}, []bool{c.Tenants[0].Report, c.Tenants[1].Report}, "each tenant for itself")
}

func TestAllProblemsAreReportedTogether(t *testing.T) {
	_, _, err := two().without("ACME_OKTA_URL", "GLOBEX_EU_OKTA_API_TOKEN").
		with("COLLECTOR_LISTEN", "x", "OKTA_RATE_SHARE", "2", "GLOBEX_EU_OKTA_POLL_LOGS", "soon", "GLOBEX_EU_DEVO_MAX_EVENT", "1").load(t)

	var problems config.Problems
	require.ErrorAs(t, err, &problems)
	var variables []string
	for _, problem := range problems {
		variables = append(variables, problem.Setting)
		require.Contains(t, err.Error(), "\n  "+problem.Setting+" "+problem.Text)
	}
	require.ElementsMatch(t, []string{
		"COLLECTOR_LISTEN", "ACME_OKTA_URL", "GLOBEX_EU_OKTA_API_TOKEN", "GLOBEX_EU_OKTA_POLL_LOGS", "GLOBEX_EU_DEVO_MAX_EVENT",
		"OKTA_RATE_SHARE", // once, though both tenants inherit it
	}, variables)
}

func TestAProblemNamesTheVariablesOfItsTenant(t *testing.T) {
	cert, _ := keyPair(t)
	_, otherKey := keyPair(t)
	data, err := os.ReadFile(cert)
	require.NoError(t, err)
	for _, test := range []struct {
		env  env
		want config.Problem
	}{
		{two().with("GLOBEX_EU_DEVO_URL", "udp://relay:514"),
			config.Problem{Setting: "GLOBEX_EU_DEVO_URL", Text: "must begin with tls://, tcp://, https://, file:// or stdout:"}},
		{two().with("DEVO_URL", "udp://relay:514"),
			config.Problem{Setting: "DEVO_URL", Text: "must begin with tls://, tcp://, https://, file:// or stdout:"}},
		{two().with("GLOBEX_EU_DEVO_URL", "https://http-us.devo.io", "DEVO_DOMAIN", "acme"),
			config.Problem{Setting: "GLOBEX_EU_DEVO_TOKEN", Text: "or GLOBEX_EU_DEVO_TOKEN_FILE is needed with https: secret is empty"}},
		{two().with("ACME_DEVO_URL", "tls://relay:443", "ACME_DEVO_CERT_FILE", cert, "DEVO_KEY_FILE", otherKey),
			config.Problem{Setting: "ACME_DEVO_CERT_FILE", Text: "or DEVO_KEY_FILE is wrong: " + cert + " and " + otherKey +
				" are not a certificate and its key: tls: private key does not match public key; that certificate has " + expiry.Describe(expiry.Parse(data)[0])}},
		{two().without("ACME_OKTA_API_TOKEN"),
			config.Problem{Setting: "ACME_OKTA_API_TOKEN", Text: "and ACME_OKTA_API_TOKEN_FILE are both missing; want one of them: an API token of the org (Security > API > Tokens); or ACME_OKTA_CLIENT_ID: a service app"}},
	} {
		t.Run(test.want.Setting, func(t *testing.T) {
			_, _, err := test.env.load(t)
			var problems config.Problems
			require.ErrorAs(t, err, &problems)
			require.Equal(t, config.Problems{test.want}, problems)
		})
	}
}

func TestEveryTenantHasItsOwnOrgAndCredentials(t *testing.T) {
	c := two().mustLoad(t)

	require.Len(t, c.Tenants, 2)
	require.Equal(t, "acme", c.Tenants[0].Name)
	require.Equal(t, "https://acme.okta.com", c.Tenants[0].Okta.URL)
	require.Equal(t, "00token-of-acme", oktaToken(t, c.Tenants[0].Okta))
	require.Equal(t, "globex-eu", c.Tenants[1].Name)
	require.Equal(t, "https://globex.okta-emea.com", c.Tenants[1].Okta.URL)
	require.Equal(t, "00token-of-globex", oktaToken(t, c.Tenants[1].Okta))
}

func TestATenantNeverInheritsAnOrgOrItsCredentials(t *testing.T) {
	for _, name := range []string{"OKTA_URL", "OKTA_API_TOKEN"} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := two().without("GLOBEX_EU_"+name).with(name, "https://other.okta.com").load(t)
			require.ErrorContains(t, err, "GLOBEX_EU_"+name)
			require.Len(t, warnings, 1)
			require.Contains(t, warnings[0], name+" is not used")
		})
	}
	t.Run("nor a token file", func(t *testing.T) {
		_, _, err := two().without("GLOBEX_EU_OKTA_API_TOKEN").with("OKTA_API_TOKEN_FILE", write(t, "token", []byte("00other"))).load(t)
		require.ErrorContains(t, err, "GLOBEX_EU_OKTA_API_TOKEN")
	})
	t.Run("not even when it is the only one", func(t *testing.T) {
		_, _, err := valid().with("COLLECTOR_TENANTS", "acme").load(t)
		require.ErrorContains(t, err, "ACME_OKTA_URL")
		require.ErrorContains(t, err, "ACME_OKTA_API_TOKEN")
	})
}

func TestATenantInheritsTuningAndTheSinkUnlessItHasItsOwn(t *testing.T) {
	c := two().with("OKTA_RATE_SHARE", "0.3", "GLOBEX_EU_OKTA_RATE_SHARE", "0.7", "GLOBEX_EU_DEVO_URL", "stdout:",
		"OKTA_SERVICES", "logs", "DEVO_TABLES", "logs=my.app.all", "GLOBEX_EU_DEVO_TABLES", "logs=my.app.globex").mustLoad(t)

	require.Equal(t, 0.3, c.Tenants[0].Okta.RateShare)
	require.Equal(t, 0.7, c.Tenants[1].Okta.RateShare)
	require.Equal(t, "tcp://relay:13000", c.Tenants[0].Devo.URL)
	require.Equal(t, "stdout:", c.Tenants[1].Devo.URL)
	require.Equal(t, []string{"logs"}, c.Tenants[1].Services)
	require.Equal(t, "my.app.all", c.Tenants[0].Tables["logs"])
	require.Equal(t, "my.app.globex", c.Tenants[1].Tables["logs"])
}

func TestATenantsOwnDevoTokenReplacesAnInheritedTokenFile(t *testing.T) {
	c := two().with("DEVO_URL", "https://http-us.devo.io", "DEVO_DOMAIN", "acme",
		"DEVO_TOKEN_FILE", write(t, "token", []byte("devo-shared\n")), "ACME_DEVO_TOKEN", "devo-acme").mustLoad(t)

	require.Equal(t, "devo-acme", token(t, c.Tenants[0].Devo.Token))
	require.Equal(t, "devo-shared", token(t, c.Tenants[1].Devo.Token))
}

func TestCertificatesThatFitAreAccepted(t *testing.T) {
	cert, key := keyPair(t)
	c := valid().with("DEVO_URL", "tls://collector-us.devo.io:443", "DEVO_CERT_FILE", cert, "DEVO_KEY_FILE", key, "DEVO_CHAIN_FILE", cert).mustLoad(t)

	require.Equal(t, cert, c.Tenants[0].Devo.CertFile)
	require.Equal(t, key, c.Tenants[0].Devo.KeyFile)
	require.Equal(t, cert, c.Tenants[0].Devo.ChainFile)
}

func TestUnknownNamesAreWarnedAboutWithTheNearestKnownOne(t *testing.T) {
	for _, test := range []struct {
		env  env
		name string
		want string
	}{
		{valid(), "OKTA_RATE_SHRAE", "did you mean OKTA_RATE_SHARE?"},
		{valid(), "COLLECTOR_LOGLEVEL", "did you mean COLLECTOR_LOG_LEVEL?"},
		{valid(), "DEVO_CERTFILE", "did you mean DEVO_CERT_FILE?"},
		{two(), "GLOBEX_EU_DEVO_UR", "did you mean GLOBEX_EU_DEVO_URL?"},
		{valid(), "OKTA_COLLECTOR_SERVICE_PORT_METRICS", "is not a setting"},
		{two(), "OKTA_URL", "is not used"},
		{valid(), "DEVO_CERT", "did you mean DEVO_CERT_FILE?"},
		{valid(), "OKTA_TOKEN", "did you mean OKTA_API_TOKEN?"},
		{valid(), "TEMPORAL_ADRESS", "did you mean TEMPORAL_ADDRESS?"},
		{two(), "ACME_OKTA_TOKEN", "did you mean ACME_OKTA_API_TOKEN?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, warnings, err := test.env.with(test.name, "x").load(t)
			require.NoError(t, err)
			require.Len(t, warnings, 1)
			require.Contains(t, warnings[0], test.name+" is not")
			require.Contains(t, warnings[0], test.want)
		})
	}
	t.Run("with nothing near, nothing is suggested", func(t *testing.T) {
		_, warnings, err := valid().with("OKTA_COLLECTOR_PORT_9464_TCP_PROTO", "tcp").load(t)
		require.NoError(t, err)
		require.Len(t, warnings, 1)
		require.NotContains(t, warnings[0], "did you mean")
	})
	t.Run("nor with a tenant that is not in the list, but the one that is nearly called so", func(t *testing.T) {
		_, warnings, err := two().with("GLOBEX_OKTA_URL", "x").load(t)
		require.NoError(t, err)
		require.Equal(t, []string{"GLOBEX_OKTA_URL is of no tenant in COLLECTOR_TENANTS; did you mean GLOBEX_EU_OKTA_URL?"}, warnings)
	})
	t.Run("other variables are none of our business", func(t *testing.T) {
		_, warnings, err := valid().with("MY_OKTA_URL", "x", "OKTAX", "x", "TEMPORAL_TLS", "false", "TEMPORAL_CLI_ADDRESS", "x", "TEMPORAL_FRONTEND_PORT", "tcp").load(t)
		require.NoError(t, err)
		require.Empty(t, warnings)
	})
}

func TestCertificatesThatNothingShowsAreWarnedAbout(t *testing.T) {
	cert, key := keyPair(t)
	for _, url := range []string{"tcp://relay:13000", "file:///var/lib/okta", "stdout:"} {
		_, warnings, err := valid().with("DEVO_URL", url, "DEVO_CERT_FILE", cert, "DEVO_KEY_FILE", key).load(t)
		require.NoError(t, err)
		require.Len(t, warnings, 2)
		scheme, _, _ := strings.Cut(url, ":")
		require.Equal(t, "DEVO_CERT_FILE is not used: DEVO_URL begins with "+scheme+":, and certificates are for tls:", warnings[0])
	}
	t.Run("but not where another tenant shows them", func(t *testing.T) {
		_, warnings, err := two().with("ACME_DEVO_URL", "tls://relay:443", "DEVO_CERT_FILE", cert, "DEVO_KEY_FILE", key).load(t)
		require.NoError(t, err)
		require.Empty(t, warnings)
	})
}

func TestATokenWithItsSchemeIsSaidToHaveIt(t *testing.T) {
	for name, e := range map[string]env{
		"OKTA_API_TOKEN":      valid().with("OKTA_API_TOKEN", "SSWS 00token"),
		"OKTA_API_TOKEN_FILE": valid().without("OKTA_API_TOKEN").with("OKTA_API_TOKEN_FILE", write(t, "token", []byte("SSWS 00token\n"))),
	} {
		_, _, err := e.load(t)
		require.EqualError(t, err, "a setting is wrong: "+name+" begins with SSWS; want the token alone, without it")
	}
}

func TestTheOtherSettingsAreCheckedWhereATenantsNameIsWrong(t *testing.T) {
	_, warnings, err := two().without("ACME_OKTA_URL").with("COLLECTOR_TENANTS", "ACME,globex_eu", "GLOBEX_EU_OKTA_RATE_SHARE", "2").load(t)
	for _, want := range []string{`COLLECTOR_TENANTS has "ACME"`, `COLLECTOR_TENANTS has "globex_eu"`, "ACME_OKTA_URL is missing", "GLOBEX_EU_OKTA_RATE_SHARE"} {
		require.ErrorContains(t, err, want)
	}
	require.Empty(t, warnings)

	_, warnings, err = valid().with("COLLECTOR_TENANTS", "1st").load(t)
	require.ErrorContains(t, err, "COLLECTOR_TENANTS")
	require.Empty(t, warnings, "nobody knows what they should be called")
}

func TestThePlanSaysWhetherAnybodyHasMadeIt(t *testing.T) {
	for _, e := range []env{{"COLLECTOR_TENANTS": "acme"}, {"OKTA_URL": "https://acme.okta.com"}, {"OKTA_SERVICES": "logs"}, {"DEVO_URL": "stdout:"}} {
		e.set(t)
		plan, _, err := config.LoadPlan()
		require.NoError(t, err)
		require.True(t, plan.Given, e)
		for name := range e {
			require.NoError(t, os.Unsetenv(name))
		}
	}
	for _, e := range []env{{}, {"COLLECTOR_TASK_QUEUE": "q", "OKTA_URL": " "}} {
		e.set(t)
		plan, _, err := config.LoadPlan()
		require.NoError(t, err)
		require.False(t, plan.Given, e)
	}
}

func TestNoSecretIsInAProblemOrInAPrintedConfig(t *testing.T) {
	const password = "s3cret"
	_, _, err := valid().with("OKTA_API_TOKEN", "00"+password+" with a blank", "OKTA_URL", "https://me:"+password+"@acme.okta.com",
		"DEVO_URL", "https://me:"+password+"@http-us.devo.io", "DEVO_TOKEN", password+"\x01", "OKTA_CLIENT_SECRET", password).load(t)
	require.ErrorContains(t, err, "OKTA_API_TOKEN")
	require.NotContains(t, err.Error(), password)

	c := valid().with("OKTA_API_TOKEN", password).mustLoad(t)
	require.NotContains(t, fmt.Sprintf("%+v %#v %+v", c, c, c.Tenants[0].Okta.Authorizer), password)
	data, err := json.Marshal(c.Tenants[0].Okta.Authorizer)
	require.NoError(t, err)
	require.NotContains(t, string(data), password)
}

func TestThePlanNeedsNoCredentials(t *testing.T) {
	env{"COLLECTOR_TENANTS": "acme,globex", "OKTA_SERVICES": "logs,users", "GLOBEX_OKTA_SERVICES": "apps", "COLLECTOR_TASK_QUEUE": "q"}.set(t)

	plan, warnings, err := config.LoadPlan()
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, config.Plan{Given: true, TaskQueue: "q", Targets: []config.Target{
		{Tenant: "acme", Service: "logs"}, {Tenant: "acme", Service: "users"}, {Tenant: "globex", Service: "apps"},
	}}, plan)
}

func TestThePlanNamesWhatIsWrong(t *testing.T) {
	env{"OKTA_SERVICES": "nothing"}.set(t)

	_, _, err := config.LoadPlan()
	require.ErrorContains(t, err, "OKTA_SERVICES")
}

func TestUsageNamesEverySettingAndShowsNoValue(t *testing.T) {
	valid().with("DEVO_HOSTNAME", "shown-nowhere").set(t)

	var usage bytes.Buffer
	require.NoError(t, config.Usage(&usage))
	for _, name := range []string{"OKTA_URL", "OKTA_API_TOKEN", "OKTA_API_TOKEN_FILE", "DEVO_KEY_FILE", "COLLECTOR_LOG_FORMAT", "okta-collector", "1MiB"} {
		require.Contains(t, usage.String(), name)
	}
	require.NotContains(t, usage.String(), "00token")
	require.NotContains(t, usage.String(), "shown-nowhere")
}

// FuzzLoad: whatever is in a setting, Load either refuses it in a few words that do not repeat a token, or
// returns something in bounds.
func FuzzLoad(f *testing.F) {
	f.Add("https://acme.okta.com", "00t0ken", "stdout:", "0.5", "24h", "1MiB", "users=my.app.x", "logs", "acme", "127.0.0.1:9464", "okta-collector", "host-1", "prod")
	f.Add("http://[::1]:1/", "two words", "tls://h:1", "1e-9", "1y", "4kb", "users", "all", "default", ":0", "a\nb", "..", "é\"")
	f.Add("https://a@b", "\x00", "file:///", "NaN", "-1s", "-1", "=,=", ",", "a,b", "x", "", "a b", "\x1b[31m")
	f.Fuzz(func(t *testing.T, url, token, sink, share, duration, size, tables, services, tenants, listen, queue, host, environment string) {
		token = "s3cr3t-" + token
		e := env{
			"COLLECTOR_TENANTS": tenants, "COLLECTOR_LISTEN": listen, "COLLECTOR_TASK_QUEUE": queue,
			"OKTA_RATE_SHARE": share, "OKTA_SERVICES": services, "OKTA_LOGS_HISTORY": duration, "OKTA_POLL_LOGS": duration,
			"DEVO_URL": sink, "DEVO_DOMAIN": "acme", "DEVO_TOKEN": token, "DEVO_MAX_EVENT": size, "DEVO_TABLES": tables, "DEVO_HOSTNAME": host, "DEVO_ENVIRONMENT": environment,
			"OKTA_URL": url, "OKTA_API_TOKEN": token,
		}
		for _, name := range regexp.MustCompile(`[a-z][a-z0-9-]*`).FindAllString(tenants, 3) {
			prefix := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
			e[prefix+"OKTA_URL"], e[prefix+"OKTA_API_TOKEN"] = url, token
		}
		for name, value := range e {
			if strings.Contains(value, "\x00") {
				t.Skip("no variable can have a NUL in it")
			}
			if !strings.HasSuffix(name, "TOKEN") && strings.Contains(value, "s3cr3t") {
				t.Skip("no secret any more")
			}
		}
		c, warnings, err := e.load(t)
		require.NotContains(t, strings.Join(warnings, "\n"), "s3cr3t")
		require.NotContains(t, fmt.Sprintf("%+v", c), "s3cr3t")
		if err != nil {
			var problems config.Problems
			require.ErrorAs(t, err, &problems)
			require.NotContains(t, err.Error(), "s3cr3t")
			require.Less(t, len(err.Error()), 1<<20)
			for _, problem := range problems {
				require.Regexp(t, `^[A-Z][A-Z0-9_]*$`, problem.Setting)
				require.NotEmpty(t, problem.Text)
			}
			return
		}
		require.NotEmpty(t, c.Tenants)
		require.LessOrEqual(t, len(c.Tenants), 200)
		require.Regexp(t, `^.*:\d+$`, c.Listen)
		require.LessOrEqual(t, len(c.TaskQueue), 1000)
		require.NotContains(t, c.TaskQueue, "\n")
		for _, tenant := range c.Tenants {
			require.Regexp(t, `^[a-z][a-z0-9-]{0,62}$`, tenant.Name)
			require.Regexp(t, `^https?://[^/?#@]+$`, tenant.Okta.URL)
			require.True(t, tenant.Okta.RateShare > 0 && tenant.Okta.RateShare <= 1)
			require.LessOrEqual(t, tenant.Okta.LogsHistory, 90*24*time.Hour)
			require.GreaterOrEqual(t, tenant.Okta.LogsHistory, time.Second)
			require.LessOrEqual(t, tenant.Okta.PollLogs, 24*time.Hour)
			require.GreaterOrEqual(t, tenant.Okta.PollLogs, time.Second)
			require.NotEmpty(t, tenant.Services)
			require.LessOrEqual(t, tenant.Devo.MaxEvent, 16<<20)
			require.GreaterOrEqual(t, tenant.Devo.MaxEvent, 4<<10)
			require.LessOrEqual(t, len(tenant.Devo.Environment), 256)
			require.Regexp(t, `^[\w:.-]{0,256}$`, tenant.Devo.Hostname)
			for _, tag := range tenant.Tables {
				require.Regexp(t, `^[\w-]+(\.[\w-]+){1,5}$`, tag)
			}
		}
	})
}

// A token stands where its file's path, a number, a URL, a list or a name belongs.
func TestATokenInTheWrongPlaceIsNotShown(t *testing.T) {
	const token = "00AbC-dEfGhIjKlMnOpQrStUvWxYz_0123456789ab"
	const pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----"
	secrets := []string{token, strings.ToLower(token), strings.ToUpper(token), strings.ToUpper(strings.ReplaceAll(token, "-", "_")), "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"}
	rows, err := config.Rows()
	require.NoError(t, err)
	delete(rows, "OKTA_API_TOKEN") // there it belongs
	delete(rows, "OKTA_PRIVATE_KEY")
	delete(rows, "OKTA_CLIENT_SECRET")
	delete(rows, "DEVO_TOKEN")
	for setting := range rows {
		for _, misplaced := range []string{token, "SSWS " + token, strings.ToLower(token), pem, "https://" + token, "https://collector:" + token + "@acme.okta.com", "logs," + token, "users=" + token} {
			settings := valid().with("DEVO_URL", "https://http-us.devo.io", "DEVO_DOMAIN", "acme", "DEVO_TOKEN", "devo-token", "DEVO_CERT_FILE", "", "DEVO_KEY_FILE", "").
				with(setting, misplaced).without(strings.TrimSuffix(setting, "_FILE") + map[bool]string{false: "-"}[strings.HasSuffix(setting, "_FILE")])
			settings.set(t)
			synctest.Test(t, func(t *testing.T) { // a file is read again for a while
				_, warnings, err := config.Load()
				for _, secret := range secrets {
					require.NotContains(t, fmt.Sprint(warnings, err), secret, setting)
				}
				switch {
				case setting == "OKTA_PRIVATE_KEY_FILE" && misplaced == pem:
					require.ErrorContains(t, err, "OKTA_PRIVATE_KEY_FILE has the key itself")
				case strings.HasSuffix(setting, "_FILE"):
					require.ErrorContains(t, err, fmt.Sprintf("a path of %d bytes (not shown, because it may be a secret)", len(misplaced)))
				}
			})
		}
	}
}

func TestRiskySettingsAreNamedForTheirTenant(t *testing.T) {
	open := write(t, "token", []byte("00token"))
	require.NoError(t, os.Chmod(open, 0o644))
	closed := write(t, "token", []byte("00token"))

	c := two().with("DEVO_URL", "tcp://203.0.113.7:13000", "GLOBEX_EU_DEVO_URL", "tcp://relay:13000", "ACME_OKTA_URL", "http://127.0.0.1:8080").
		with("ACME_OKTA_API_TOKEN_FILE", closed, "GLOBEX_EU_OKTA_API_TOKEN_FILE", open).without("ACME_OKTA_API_TOKEN", "GLOBEX_EU_OKTA_API_TOKEN").mustLoad(t)
	require.Equal(t, []risk.Risk{
		{Tenant: "acme", Setting: "ACME_OKTA_URL", Kind: risk.Simulator, At: "127.0.0.1:8080"},
		{Tenant: "acme", Setting: "DEVO_URL", Kind: risk.InTheClear, At: "203.0.113.7:13000"},
		{Tenant: "globex-eu", Setting: "GLOBEX_EU_OKTA_API_TOKEN_FILE", Kind: risk.Readable, At: open, Mode: 0o644},
	}, c.Risks)
	require.Empty(t, valid().mustLoad(t).Risks)
}
