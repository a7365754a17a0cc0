package temporalclient

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
)

const (
	// probeTimeout bounds the test whether a server that did not answer speaks TLS.
	probeTimeout = 2 * time.Second
	// askTimeout bounds one question to Temporal. Its SDK sets no deadline for these.
	askTimeout = 10 * time.Second
)

// Dial connects to Temporal until ctx ends. It does not look at the namespace.
func Dial(ctx context.Context, options client.Options) (client.Client, error) {
	temporal, err := client.DialContext(ctx, options)
	if err == nil {
		return temporal, nil
	}
	advice := adviceFor(err)
	probing, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	switch {
	case Code(err) == codes.DeadlineExceeded:
		advice = "is it running, is TEMPORAL_ADDRESS right, and does a firewall let this machine through?"
	case options.ConnectionOptions.TLS == nil && speaksTLS(probing, options.HostPort):
		advice = "the server speaks TLS, and no TLS is set here: set TEMPORAL_TLS=true, TEMPORAL_TLS_SERVER_CA_CERT_PATH for a CA of your own, " +
			"and TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH where the server asks for a certificate"
	case advice != "":
	default:
		advice = "is it running, and TEMPORAL_ADDRESS right?"
	}
	return nil, hide(fmt.Errorf("cannot reach Temporal at %s: %w (%s)", options.HostPort, err, advice))
}

// Retention returns how long a namespace keeps closed workflows.
func Retention(ctx context.Context, service workflowservice.WorkflowServiceClient, namespace string) (time.Duration, error) {
	answer, err := describe(ctx, service, namespace)
	return answer.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), err
}

// Identify returns a line of text that names a namespace as no other one of any Temporal is named.
func Identify(ctx context.Context, service workflowservice.WorkflowServiceClient, namespace string) (string, error) {
	answer, err := describe(ctx, service, namespace)
	return fmt.Sprintf("Temporal namespace %s, id %s", namespace, answer.GetNamespaceInfo().GetId()), err
}

func describe(ctx context.Context, service workflowservice.WorkflowServiceClient, namespace string) (*workflowservice.DescribeNamespaceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return nil, hide(Explain(fmt.Errorf("asking Temporal about namespace %q: %w", namespace, err)))
	}
	return answer, nil
}

// Explain adds to an error of Temporal's what to do about it, if that is known.
func Explain(err error) error {
	if advice := adviceFor(err); advice != "" {
		return fmt.Errorf("%w (%s)", err, advice)
	}
	return err
}

// adviceFor says what is wrong and what to do about it; empty if that is not known.
func adviceFor(err error) string {
	switch Code(err) {
	case codes.NotFound:
		if strings.Contains(strings.ToLower(err.Error()), "namespace") {
			return "the namespace does not exist: make it with 'starter setup', or correct TEMPORAL_NAMESPACE"
		}
	case codes.Unauthenticated:
		return "Temporal does not accept the credentials: check TEMPORAL_API_KEY_FILE or TEMPORAL_API_KEY, or the client's certificate in TEMPORAL_TLS_CLIENT_CERT_PATH"
	case codes.DeadlineExceeded:
		return "Temporal did not answer in time: see whether it is overloaded, and whether its disk is full"
	case codes.PermissionDenied:
		return "the API key or the client's certificate lacks a permission: give it the permission to write to the namespace, or correct TEMPORAL_NAMESPACE"
	}
	for _, known := range knownTexts {
		if strings.Contains(err.Error(), known.text) {
			return known.advice
		}
	}
	if strings.Contains(err.Error(), "remote error: tls:") {
		return refusedCertificate()
	}
	if closedByServer(err) {
		return adviceForClose(err)
	}
	return ""
}

// Code returns the gRPC code of an error of Temporal's.
func Code(err error) codes.Code { return serviceerror.ToStatus(err).Code() }

// knownTexts are parts of errors of TLS, and what to do about them. gRPC passes on nothing but the text.
var knownTexts = []struct{ text, advice string }{
	{"first record does not look like a TLS handshake", "the server does not speak TLS, and TLS is set here: " +
		"unset TEMPORAL_TLS and TEMPORAL_TLS_*, set TEMPORAL_TLS=false where there is an API key, or correct the port of TEMPORAL_ADDRESS"},
	{"certificate signed by unknown authority", "name the CA of the server's certificate in TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
	{"certificate has expired or is not yet valid", "the server's certificate is of another time: renew it, or correct this machine's clock"},
	{"has an RSA key of", "have the server's certificate, or its authority's, issued with a key of at least 2,048 bits"},
	{"certificate is valid for", "correct TEMPORAL_ADDRESS, or name the server in TEMPORAL_TLS_SERVER_NAME"},
	{"certificate is not valid for any names", "correct TEMPORAL_ADDRESS, or name the server in TEMPORAL_TLS_SERVER_NAME"},
	{"doesn't contain any IP SANs", "name the server in TEMPORAL_TLS_SERVER_NAME"},
}

// closedByServer reports whether the server closed the connection before it said why.
func closedByServer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "broken pipe") || strings.Contains(text, "error reading server preface") ||
		strings.Contains(text, "connection reset by peer")
}

// adviceForClose says why a server may have closed a connection without a reason; empty if there are too many reasons. A
// server that speaks TLS 1.3 refuses a client's certificate after the handshake, and its reason may not arrive.
func adviceForClose(closed error) string {
	profile, err := settings()
	if err != nil {
		return err.Error()
	}
	switch options, err := clientOptions(profile); {
	case err != nil:
		return err.Error()
	case options.ConnectionOptions.TLS == nil && strings.Contains(closed.Error(), "error reading server preface"):
		return "does the server speak TLS now? Then set TEMPORAL_TLS=true"
	case options.ConnectionOptions.TLS == nil:
		return ""
	case len(options.ConnectionOptions.TLS.Certificates) > 0:
		return refusedCertificate()
	}
	return "the server asks for a client's certificate (TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH), or what stands before it does not reach Temporal"
}
