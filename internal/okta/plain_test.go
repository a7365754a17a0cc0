package okta_test

import (
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// likeOktas is a token as Okta makes them.
const likeOktas = "00aXq7Lm2-bT9kZcR4pWs8YdHf3JnGu6EoIt_KxQvM"

func backwards(s string) string {
	letters := []rune(s)
	slices.Reverse(letters)
	return string(letters)
}

// cuts returns a text in pieces of so many bytes.
func cuts(s string, size int, between string) string {
	var pieces []string
	for piece := range slices.Chunk([]byte(s), size) {
		pieces = append(pieces, string(piece))
	}
	return strings.Join(pieces, between)
}

// spellings of a token in which an answer could have it.
func spellings(token string) map[string]string {
	return map[string]string{
		"as it is":          token,
		"backwards":         backwards(token),
		"in halves":         cuts(token, 21, " and "),
		"in small pieces":   cuts(token, 5, ", "),
		"letter by letter":  cuts(token, 1, " "),
		"in capitals":       strings.ToUpper(token),
		"base64":            base64.StdEncoding.EncodeToString([]byte(token)),
		"base64, backwards": base64.RawURLEncoding.EncodeToString([]byte(backwards(token))),
		"base32":            base32.StdEncoding.EncodeToString([]byte(token)),
		"hex":               hex.EncodeToString([]byte(token)),
		"hex with blanks":   cuts(hex.EncodeToString([]byte(token)), 4, " "),
		"escaped":           strings.ToLower(fmt.Sprintf("%% %x", token)),
		"as an address":     cuts(hex.EncodeToString([]byte(token))[:32], 4, ":"),
	}
}

// says reports how many letters and digits in a row of any spelling of a token a text has at most.
func says(text, token string) (most int) {
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, strings.ToLower(s))
	}
	shown := letters(text)
	for _, s := range spellings(token) {
		spelt := letters(s)
		for from := range spelt {
			for n := most + 1; from+n <= len(spelt) && strings.Contains(shown, spelt[from:from+n]); n++ {
				most = n
			}
		}
	}
	return most
}

func TestNoTextOfAnAnswerHasTheTokenHoweverItIsSpelt(t *testing.T) {
	for place, answer := range map[string]func(w http.ResponseWriter, spelt string){
		"code": func(w http.ResponseWriter, spelt string) {
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]string{"errorCode": spelt})
		},
		"summary": func(w http.ResponseWriter, spelt string) {
			w.WriteHeader(403)
			_ = json.NewEncoder(w).Encode(map[string]string{"errorCode": "E0000006", "errorSummary": "You do not have " + spelt})
		},
		"OAuth's error": func(w http.ResponseWriter, spelt string) {
			w.WriteHeader(403)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": spelt, "error_description": spelt})
		},
		"request id": func(w http.ResponseWriter, spelt string) {
			w.Header().Set("X-Okta-Request-Id", spelt)
			w.WriteHeader(500)
		},
		"HTML": func(w http.ResponseWriter, spelt string) { w.WriteHeader(503); fmt.Fprintf(w, "<html>%s", spelt) },
		"page": func(w http.ResponseWriter, spelt string) { fmt.Fprintf(w, "{%q", spelt) },
		"location": func(w http.ResponseWriter, spelt string) {
			w.Header().Set("Location", "http://%zz/"+spelt)
			w.WriteHeader(302)
		},
		"status line": func(w http.ResponseWriter, spelt string) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprintf(conn, "HTTP/1.1 %s\r\n\r\n", spelt)
			conn.Close()
		},
		"header line": func(w http.ResponseWriter, spelt string) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", spelt)
			conn.Close()
		},
		"encoding": func(w http.ResponseWriter, spelt string) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n", spelt)
			conn.Close()
		},
	} {
		t.Run(place, func(t *testing.T) {
			for spelling, spelt := range spellings(likeOktas) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, spelt) }))
				cfg := settings()
				cfg.URL, cfg.Authorizer = server.URL, okta.APIToken(secret.Value(likeOktas))
				org, err := okta.New(cfg)
				require.NoError(t, err)
				_, err = org.Reader(service(t, "zones"), okta.Begin{}, time.Now).Next(t.Context(), checkpoint.Position{})
				server.Close()
				var e *okta.Error
				require.True(t, errors.As(err, &e))
				require.LessOrEqual(t, says(e.Error(), likeOktas), 8, "%s: %s", spelling, e) // in hex these are four of 42
			}
		})
	}
}

func TestWhatOktaAndProxiesSayStaysReadable(t *testing.T) {
	for _, text := range []string{
		"Api validation failed: limit",
		"You do not have permission to perform the requested action",
		"You do not have permission to access the feature you are requesting",
		"Invalid token provided",
		"API call exceeded rate limit due to too many requests.",
		"Not found: Resource not found: me (User)",
		"Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZZ",
		"The since parameter is over 180 days ago.",
		"The request was not valid: Missing Required Feature Flag",
		"The access token provided does not contain the required scopes.",
		"One or more scopes are not configured: okta.authorizationServers.read, okta.oauthIntegrations.read",
		"upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
		"The requested URL was rejected. Please consult with your administrator.",
		"Zugriff verweigert: größere Änderung nötig",
	} {
		org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_ = json.NewEncoder(w).Encode(map[string]string{"errorCode": "E0000006", "errorSummary": text})
		}))
		require.Equal(t, text, refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{}).Summary)
	}
}

func TestOfATextOnlyPlainWordsAreShown(t *testing.T) {
	for text, want := range map[string]string{
		"Resource not found: 0oa1gjh63g214q0Hq0g4 (AppInstance)": "Resource not found: … (AppInstance)",
		"session 102RzfzHh6bRfiXCjFv5VHJ9w is over":              "session … is over",
		"see https://acme.okta.com/help?id=1":                    "see …",
		"a b c d e f g h":                                        "a b c …",
		strings.Repeat("word ", 100):                             strings.TrimSpace(strings.Repeat("word ", 40)),
		"\x1b[31mred\x1b[0m alert":                               "… alert",
	} {
		org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_ = json.NewEncoder(w).Encode(map[string]string{"errorCode": "E0000006", "errorSummary": text})
		}))
		e := refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
		require.Equal(t, want, strings.TrimSpace(e.Summary))
	}
}

func TestErrorsOfTheNetworkNameTheirAddresses(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 3128}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, test := range []struct {
		err  error
		says string
	}{
		{dial, "dial tcp [2001:db8::1]:3128: connect: connection refused"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial}, "proxyconnect tcp: dial tcp [2001:db8::1]:3128: connect: connection refused"},
		{
			&net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40000}, Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 443}, Err: syscall.ECONNRESET},
			"read tcp 10.0.0.1:40000->10.0.0.2:443: connection reset by peer",
		},
		{&net.DNSError{Err: "no such host", Name: "dev-123456.okta.com", Server: "10.0.0.3:53", IsNotFound: true}, "lookup dev-123456.okta.com on 10.0.0.3:53: no such host"},
		{x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"intranet.example"}}, Host: "acme.okta.com"}, "x509: certificate is valid for intranet.example, not acme.okta.com"},
		{errors.New("net/http: HTTP/1.x transport connection broken: unexpected EOF"), "net/http: HTTP/1.x transport connection broken: unexpected EOF"},
		{errors.New("stream error: stream ID 3; INTERNAL_ERROR; received from peer"), "stream error: stream ID 3; INTERNAL_ERROR; received from peer"},
	} {
		cfg := settings()
		cfg.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, test.err })
		org, err := okta.New(cfg)
		require.NoError(t, err)
		require.ErrorContains(t, refused(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{}), test.says)
	}
}
