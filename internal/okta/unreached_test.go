package okta

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/secret"
)

func TestAnOrgThatAnswersAnythingIsReached(t *testing.T) {
	for _, status := range []int{200, 302, 401, 404, 429, 503} {
		var asked *http.Request
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r
			w.WriteHeader(status)
		}))
		org, err := New(Config{URL: server.URL, Authorizer: APIToken(secret.Value("00token")), RateShare: 1, Transport: new(http.Transport)})
		require.NoError(t, err)
		require.NoError(t, org.Reach(t.Context()))
		require.Empty(t, asked.Header.Get("Authorization"), "whether it is Okta is not known")

		server.Close()
		require.True(t, Unreached(org.Reach(t.Context())))
	}
}

// outOfDescriptors is a token in a file that cannot be opened.
type outOfDescriptors struct{ Authorizer }

func (outOfDescriptors) Authorize(context.Context, *http.Request, []string) error {
	return &os.PathError{Op: "open", Path: "/token", Err: syscall.EMFILE}
}

func TestATokenThatCannotBeReadForWantOfDescriptorsPasses(t *testing.T) {
	org, err := New(Config{URL: "http://127.0.0.1:1", Authorizer: outOfDescriptors{APIToken(secret.Value("00token"))}, RateShare: 1})
	require.NoError(t, err)
	users, _ := Lookup("users")
	_, err = org.Reader(users, Begin{}, time.Now).Next(t.Context(), checkpoint.Position{})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, Passing, e.Class, "no person need replace the token")
	require.Contains(t, e.Advice, "LimitNOFILE")
}
