package okta

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProxyThatRefusesIsNamedAndNotOkta(t *testing.T) {
	for status, want := range map[int]struct {
		class  Class
		advice string
	}{
		http.StatusForbidden:          {Person, "permit CONNECT"},
		http.StatusProxyAuthRequired:  {Person, "user and password"},
		http.StatusServiceUnavailable: {Passing, "whether the proxy reaches the server"},
	} {
		org := httptest.NewTLSServer(http.NotFoundHandler())
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		address, err := url.Parse(proxy.URL)
		require.NoError(t, err)
		address.User = url.UserPassword("user", "s3cr3t")
		o := trusting(t, org, "127.0.0.1")
		o.cfg.Transport.(*http.Transport).Proxy = http.ProxyURL(address)

		err = zones(t, o)
		e, ok := errors.AsType[*Error](err)
		require.True(t, ok, err)
		require.Equal(t, want.class, e.Class)
		require.Contains(t, e.Reason(), "the proxy "+address.Host+" refused to connect to 127.0.0.1:")
		require.Contains(t, e.Advice, want.advice)
		require.NotContains(t, e.Error(), "s3cr3t")
		proxy.Close()
		org.Close()
	}
}
