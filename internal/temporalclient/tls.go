package temporalclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc/credentials"

	"okta-collector/internal/expiry"
	"okta-collector/internal/secret"
)

// rereadTLS is TLS whose settings and files are read again for each connection. envconfig reads them once, so a worker
// would be cut off when its certificate expires.
type rereadTLS struct {
	credentials.TransportCredentials
}

// ClientHandshake implements credentials.TransportCredentials. If the files are wrong, it reads them again for up to a
// second, because somebody may be replacing them.
func (rereadTLS) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, err := secret.Retry(ctx, readTLS)
	if err != nil {
		return nil, nil, err
	}
	secured, info, err := credentials.NewTLS(config).ClientHandshake(ctx, authority, conn)
	if state, ok := info.(credentials.TLSInfo); ok && len(state.State.VerifiedChains) > 0 {
		server.Store(expiry.Verified(state.State.VerifiedChains))
	}
	return secured, info, err
}

// Clone implements credentials.TransportCredentials.
func (r rereadTLS) Clone() credentials.TransportCredentials {
	return rereadTLS{r.TransportCredentials.Clone()}
}

func readTLS() (*tls.Config, error) {
	profile, err := settings()
	if err != nil {
		return nil, err
	}
	options, err := clientOptions(profile)
	if err == nil && options.ConnectionOptions.TLS == nil {
		err = settingError(errors.New("TLS was set when the process started, and is not any more: restart it"))
	}
	return options.ConnectionOptions.TLS, err
}

// speaksTLS reports whether the server at an address answers a TLS handshake, whatever it then thinks of it.
func speaksTLS(ctx context.Context, address string) bool {
	conn, err := (&tls.Dialer{}).DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
		return true
	}
	var alert *net.OpError
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, &alert) && alert.Op == "remote error"
}
