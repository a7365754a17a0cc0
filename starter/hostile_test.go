package starter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"okta-collector/internal/printable"
	"okta-collector/workflows"
)

// escapes set a terminal's title, clear its screen, reverse a line, hide a letter, and draw over a line.
const escapes = "\x1b]0;owned\x07\x1b[2J\u202E\u009b31m\u200B\rok"

// requirePrintable fails if a text commands a terminal.
func requirePrintable(t *testing.T, text string) {
	t.Helper()
	require.Equal(t, printable.Text(text), text)
}

// hostileServer is a TLS server whose certificate has escapes in its names, and is signed by nobody.
func hostileServer(t *testing.T) (address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: escapes, Organization: []string{escapes}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"\x1b]0;owned\x07.example\x7f"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return strings.Replace(listener.Addr().String(), "127.0.0.1", "localhost", 1)
}

func TestCheckShowsNothingThatCommandsATerminal(t *testing.T) {
	for _, args := range [][]string{{}, {"-o", "json"}} {
		temporal := newTemporal(t)
		org := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(map[string]string{"errorCode": "E0000006", "errorSummary": escapes, "errorId": escapes})
		}))
		t.Cleanup(org.Close)
		t.Setenv("OKTA_URL", org.URL)
		t.Setenv("OKTA_API_TOKEN", "00secret")
		t.Setenv("DEVO_URL", "tls://"+hostileServer(t))
		code, stdout, stderr := temporal.call(append([]string{"check"}, args...)...)

		require.Equal(t, 1, code)
		require.Contains(t, strings.ReplaceAll(stdout, `\\`, `\`), `\u001b]0;owned\u0007.example`, "the name is shown, as what it is")
		requirePrintable(t, stdout+stderr)
		if len(args) > 0 {
			require.True(t, json.Valid([]byte(stdout)), stdout)
		}
	}
}

func TestStatusShowsNothingThatCommandsATerminal(t *testing.T) {
	id := "okta/acme/" + escapes
	answer := workflows.Status{
		Tenant: "acme", Service: escapes, State: workflows.CollectorState(escapes), Reason: workflows.WaitReason(escapes), Failures: 1,
		LastProblem: &workflows.Problem{At: noon, Class: escapes, Message: escapes, Endpoint: escapes, RequestID: escapes, Remedy: escapes},
		Warnings:    workflows.Warnings{{At: time.Now(), Kind: escapes, Message: escapes + "\n" + escapes, Count: 2}},
	}
	for name, args := range map[string][]string{"table": {}, "json": {"-o", "json"}} {
		t.Run(name, func(t *testing.T) {
			temporal := newTemporal(t)
			temporal.lists(id, users)
			temporal.has(id, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
			temporal.has(users, enums.WORKFLOW_EXECUTION_STATUS_RUNNING)
			temporal.answers(id, answer)
			temporal.On("QueryWorkflow", mock.Anything, users, run, workflows.QueryStatus).Return(nil, errors.New(escapes))
			temporal.history(started(t, workflows.CollectInput{}))
			_, stdout, stderr := temporal.call(append([]string{"status"}, args...)...)
			requirePrintable(t, stdout+stderr)
			require.Contains(t, stdout, `\u001b]0;owned\u0007`)
			if name == "json" {
				var shown []map[string]any
				require.NoError(t, json.Unmarshal([]byte(stdout), &shown))
				require.Len(t, shown, 2)
				require.Contains(t, fmt.Sprint(shown), escapes, "JSON says the same")
			}
		})
	}
}
