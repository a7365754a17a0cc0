package temporalclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"okta-collector/internal/devosim"
)

// frontend is a Temporal that knows one namespace, with a retention of a day.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	key atomic.Value // the API key of the last request
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) DescribeNamespace(ctx context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	if keys := headers.Get("authorization"); len(keys) > 0 {
		f.key.Store(keys[0])
	}
	if r.Namespace != "prod" {
		return nil, status.Error(codes.NotFound, "Namespace "+r.Namespace+" is not found.")
	}
	return &workflowservice.DescribeNamespaceResponse{Config: &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(24 * time.Hour)}}, nil
}

// serve listens at an address, or at one of its own.
func (f *frontend) serve(t *testing.T, address string, creds credentials.TransportCredentials) (string, *grpc.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	server := grpc.NewServer(grpc.Creds(creds))
	workflowservice.RegisterWorkflowServiceServer(server, f)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String(), server
}

// pki makes an authority, and certificates of it.
func pki(t *testing.T) *devosim.PKI {
	t.Helper()
	p, err := devosim.NewPKI(filepath.Join(t.TempDir(), "pki"))
	require.NoError(t, err)
	return p
}

// mutualTLS are the credentials of a server that demands a client's certificate.
func mutualTLS(t *testing.T, p *devosim.PKI) credentials.TransportCredentials {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(p.ServerCertFile, p.ServerKeyFile)
	require.NoError(t, err)
	chain, err := os.ReadFile(p.ChainFile)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(chain))
	return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
}

// copyTo replaces the files that Temporal's settings name.
func copyTo(t *testing.T, dir string, p *devosim.PKI) (settings map[string]string) {
	t.Helper()
	settings = make(map[string]string)
	for variable, from := range map[string]string{
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH": p.ChainFile, "TEMPORAL_TLS_CLIENT_CERT_PATH": p.ClientCertFile, "TEMPORAL_TLS_CLIENT_KEY_PATH": p.ClientKeyFile,
	} {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		settings[variable] = filepath.Join(dir, filepath.Base(from))
		require.NoError(t, os.WriteFile(settings[variable], data, 0o600))
	}
	return settings
}

func TestCertificatesAndCAAreReadAnewForEachConnection(t *testing.T) {
	for name, inProfile := range map[string]bool{"of variables": false, "of a profile": true} {
		t.Run(name, func(t *testing.T) {
			f, dir, before := &frontend{}, t.TempDir(), pki(t)
			address, server := f.serve(t, "127.0.0.1:0", mutualTLS(t, before))
			files := copyTo(t, dir, before)
			settings := map[string]string{"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": "prod"}
			if inProfile {
				settings["TEMPORAL_CONFIG_FILE"] = filepath.Join(t.TempDir(), "temporal.toml")
				require.NoError(t, os.WriteFile(settings["TEMPORAL_CONFIG_FILE"], []byte("[profile.default.tls]\nserver_ca_cert_path = \""+files["TEMPORAL_TLS_SERVER_CA_CERT_PATH"]+
					"\"\nclient_cert_path = \""+files["TEMPORAL_TLS_CLIENT_CERT_PATH"]+"\"\nclient_key_path = \""+files["TEMPORAL_TLS_CLIENT_KEY_PATH"]+"\"\n"), 0o600))
			} else {
				for name, path := range files {
					settings[name] = path
				}
			}
			given(t, settings)
			options, err := Options()
			require.NoError(t, err)
			temporal, err := Dial(t.Context(), options)
			require.NoError(t, err)
			defer temporal.Close()

			after := pki(t) // all of another authority: nothing of before is accepted, on either side
			server.Stop()
			copyTo(t, dir, after)
			f.serve(t, address, mutualTLS(t, after))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ask := func() error {
				_, err := temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "prod"}, grpc.WaitForReady(true))
				return err
			}
			err = ask()
			for err != nil && ctx.Err() == nil {
				err = ask() // the first may still meet the end of the old connection
			}
			require.NoError(t, err)
		})
	}
}

func TestTheAPIKeyIsReadAtEachUse(t *testing.T) {
	f, file := &frontend{}, filepath.Join(t.TempDir(), "key")
	address, _ := f.serve(t, "127.0.0.1:0", insecure.NewCredentials())
	require.NoError(t, os.WriteFile(file, []byte("first\n"), 0o600))
	given(t, map[string]string{"TEMPORAL_ADDRESS": address, "TEMPORAL_TLS": "false", "TEMPORAL_API_KEY_FILE": file})
	options, err := Options()
	require.NoError(t, err)
	temporal, err := Dial(t.Context(), options)
	require.NoError(t, err)
	defer temporal.Close()

	for _, key := range []string{"first", "second"} {
		require.NoError(t, os.WriteFile(file, []byte(key), 0o600))
		keeps, err := Retention(t.Context(), temporal.WorkflowService(), "prod")
		require.NoError(t, err)
		require.Equal(t, 24*time.Hour, keeps)
		require.Equal(t, "Bearer "+key, f.key.Load())
	}
}

func TestAnAPIKeyTurnsTLSOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("key"), 0o600))
	given(t, map[string]string{"TEMPORAL_API_KEY_FILE": file})
	options, err := Options()
	require.NoError(t, err)
	require.NotNil(t, options.ConnectionOptions.TLS)
}

func TestAnAPIKeyIsGivenOnceAndCanBeRead(t *testing.T) {
	given(t, map[string]string{"TEMPORAL_API_KEY": "0key", "TEMPORAL_API_KEY_FILE": "/absent"})
	_, err := Options()
	require.ErrorContains(t, err, "both TEMPORAL_API_KEY and TEMPORAL_API_KEY_FILE are set")
	require.NotContains(t, err.Error(), "0key")

	given(t, map[string]string{"TEMPORAL_API_KEY_FILE": "/absent"})
	_, err = Options()
	require.ErrorContains(t, err, "TEMPORAL_API_KEY_FILE: reading secret")
}

func TestAConnectionThatFailsSaysWhatToDo(t *testing.T) {
	f, p := &frontend{}, pki(t)
	plain, _ := f.serve(t, "127.0.0.1:0", insecure.NewCredentials())
	encrypted, _ := f.serve(t, "127.0.0.1:0", mutualTLS(t, p))
	right := copyTo(t, t.TempDir(), p)
	stranger := copyTo(t, t.TempDir(), pki(t))
	with := func(changes ...string) map[string]string {
		settings := map[string]string{"TEMPORAL_ADDRESS": encrypted}
		for name, value := range right {
			settings[name] = value
		}
		for i := 0; i < len(changes); i += 2 {
			settings[changes[i]] = changes[i+1]
		}
		return settings
	}
	for want, settings := range map[string]map[string]string{
		"the server speaks TLS, and no TLS is set here: set TEMPORAL_TLS=true":          {"TEMPORAL_ADDRESS": encrypted},
		"the server does not speak TLS, and TLS is set here":                            {"TEMPORAL_ADDRESS": plain, "TEMPORAL_TLS": "true"},
		"name the CA of the server's certificate in TEMPORAL_TLS_SERVER_CA_CERT_PATH":   {"TEMPORAL_ADDRESS": encrypted, "TEMPORAL_TLS": "true"},
		"name the server in TEMPORAL_TLS_SERVER_NAME":                                   with("TEMPORAL_TLS_SERVER_NAME", "temporal.acme.com"),
		"the server does not accept the client's certificate, or asks for one: replace": with("TEMPORAL_TLS_CLIENT_CERT_PATH", stranger["TEMPORAL_TLS_CLIENT_CERT_PATH"], "TEMPORAL_TLS_CLIENT_KEY_PATH", stranger["TEMPORAL_TLS_CLIENT_KEY_PATH"]),
		"is it running, and TEMPORAL_ADDRESS right?":                                    {"TEMPORAL_ADDRESS": "127.0.0.1:1"},
	} {
		t.Run(want, func(t *testing.T) {
			given(t, settings)
			options, err := Options()
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			_, err = Dial(ctx, options)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "cannot reach Temporal at "+settings["TEMPORAL_ADDRESS"])
			if strings.Contains(want, "client's certificate") {
				require.ErrorContains(t, err, fmt.Sprintf(`serial %X, end `, clientCertificate()[0].SerialNumber))
			}
			t.Log(err)
		})
	}
}

// TestAServerThatClosesWithoutAReasonIsNotBlamedOnACertificateThatNobodySet has a server like a balancer that reaches no
// Temporal.
func TestAServerThatClosesWithoutAReasonIsNotBlamedOnACertificateThatNobodySet(t *testing.T) {
	p := pki(t)
	cert, err := tls.LoadX509KeyPair(p.ServerCertFile, p.ServerKeyFile)
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	given(t, map[string]string{"TEMPORAL_ADDRESS": listener.Addr().String(), "TEMPORAL_TLS": "true", "TEMPORAL_TLS_SERVER_CA_CERT_PATH": p.ChainFile})
	options, err := Options()
	require.NoError(t, err)
	_, err = Dial(t.Context(), options)
	require.ErrorContains(t, err, "or what stands before it does not reach Temporal")
}

func TestARunningConnectionWhoseCertificateIsRefusedSaysWhatToDo(t *testing.T) {
	f, p := &frontend{}, pki(t)
	address, server := f.serve(t, "127.0.0.1:0", mutualTLS(t, p))
	settings := copyTo(t, t.TempDir(), p)
	settings["TEMPORAL_ADDRESS"] = address
	given(t, settings)
	options, err := Options()
	require.NoError(t, err)
	temporal, err := Dial(t.Context(), options)
	require.NoError(t, err)
	defer temporal.Close()

	server.Stop()
	strangers, err := devosim.NewPKI(filepath.Join(t.TempDir(), "pki"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	chain, err := os.ReadFile(strangers.ChainFile)
	require.NoError(t, err)
	require.True(t, pool.AppendCertsFromPEM(chain))
	cert, err := tls.LoadX509KeyPair(p.ServerCertFile, p.ServerKeyFile)
	require.NoError(t, err)
	f.serve(t, address, credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}))
	require.Eventually(t, func() bool {
		_, err := Retention(t.Context(), temporal.WorkflowService(), "prod")
		return err != nil && strings.Contains(err.Error(), "the server does not accept the client's certificate")
	}, time.Minute, 20*time.Millisecond)
}

// silent is a Temporal that never answers. It tells until when it would be waited for.
type silent struct {
	workflowservice.WorkflowServiceClient
	operatorservice.OperatorServiceClient
}

func (silent) DescribeNamespace(ctx context.Context, _ *workflowservice.DescribeNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	<-ctx.Done()
	return nil, serviceerror.NewDeadlineExceeded("context deadline exceeded")
}

func (silent) ListSearchAttributes(ctx context.Context, _ *operatorservice.ListSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	<-ctx.Done()
	return nil, serviceerror.NewDeadlineExceeded("context deadline exceeded")
}

func TestATemporalThatNeverAnswersIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Retention(t.Context(), silent{}, "prod")
		require.ErrorContains(t, err, "see whether it is overloaded")
		_, err = MissingAttributes(t.Context(), silent{}, "prod")
		require.ErrorContains(t, err, "see whether it is overloaded")
	})
}

func TestANamespaceThatDoesNotExistIsToldTheCommand(t *testing.T) {
	address, _ := (&frontend{}).serve(t, "127.0.0.1:0", insecure.NewCredentials())
	given(t, map[string]string{"TEMPORAL_ADDRESS": address})
	options, err := Options()
	require.NoError(t, err)
	temporal, err := Dial(t.Context(), options)
	require.NoError(t, err)
	defer temporal.Close()
	_, err = Retention(t.Context(), temporal.WorkflowService(), "nope")
	require.ErrorContains(t, err, "make it with 'starter setup'")
}
