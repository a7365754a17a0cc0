package temporalclient

import (
	"cmp"
	"net"
	"os"

	"go.temporal.io/sdk/client"

	"okta-collector/internal/risk"
)

// Risks returns what is dangerous about the connection to Temporal; nothing if its settings are wrong, which [Options]
// says.
func Risks() (all []risk.Risk) {
	profile, err := settings()
	if err != nil {
		return nil
	}
	options, err := clientOptions(profile)
	if err != nil {
		return nil
	}
	address := cmp.Or(options.HostPort, client.DefaultHostPort)
	host, _, _ := net.SplitHostPort(address)
	switch tls := options.ConnectionOptions.TLS; {
	case tls != nil && tls.InsecureSkipVerify:
		all = append(all, risk.Risk{Setting: "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", Kind: risk.Unverified, At: address})
	case tls != nil:
	case profile.APIKey != "" && !risk.IsLoopback(host):
		all = append(all, risk.Risk{Setting: "TEMPORAL_TLS", Kind: risk.KeyInTheClear, At: address})
	default:
		all = risk.Clear("", "TEMPORAL_ADDRESS", address)
	}
	all = append(all, risk.Secret("", "TEMPORAL_API_KEY_FILE", os.Getenv("TEMPORAL_API_KEY_FILE"))...)
	if profile.TLS != nil {
		all = append(all, risk.Secret("", "TEMPORAL_TLS_CLIENT_KEY_PATH", profile.TLS.ClientKeyPath)...)
	}
	return all
}
