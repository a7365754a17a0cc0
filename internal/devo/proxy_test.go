package devo_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// A process reads its proxy once. So the test runs in a process of its own, whose proxy answers each CONNECT with the
// status that the host's name begins with.
func TestAProxyThatRefusesIsNamedAndNotDevo(t *testing.T) {
	const child = "IN_A_PROCESS_BEHIND_A_PROXY"
	if os.Getenv(child) == "" {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status, _, _ := strings.Cut(r.Host, ".")
			code, _ := strconv.Atoi(status)
			w.WriteHeader(code)
		}))
		defer proxy.Close()
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		with := strings.Replace(proxy.URL, "http://", "http://user:s3cr3t@", 1)
		again.Env = append(os.Environ(), child+"="+proxy.Listener.Addr().String(), "HTTPS_PROXY="+with, "NO_PROXY=")
		out, err := again.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	for status, test := range map[string]struct {
		remedy string
		person bool
	}{
		"403": {"permit CONNECT", true},
		"407": {"user and password", true},
		"502": {"whether the proxy reaches the server", false},
		"503": {"whether the proxy reaches the server", false},
	} {
		sink := newSink(t, httpConfig("https://"+status+".devo.example"))
		_, err := deliver(t.Context(), openStream(t, sink, target), objects(0, 1, 10))
		for _, err := range []error{err, sink.Check(t.Context())} {
			require.ErrorContains(t, err, "the proxy "+os.Getenv(child)+" refused to connect to "+status+".devo.example:443: "+status)
			require.Contains(t, devo.Remedy(err), test.remedy)
			require.Equal(t, test.person, isRefused(err))
			require.NotContains(t, err.Error(), "s3cr3t")
		}
		require.ErrorIs(t, err, devo.ErrUnsent)
	}
}
