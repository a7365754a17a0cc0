// Package risk finds settings that work and are dangerous: what travels in the clear, a server whose name is not verified,
// a secret that others may read. [Risk] is what the worker logs, `starter check` shows and Devo is told.
package risk

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Risk is one setting that is dangerous.
type Risk struct {
	// Tenant is empty for a setting of the process.
	Tenant string
	// Setting is the variable, with its tenant's prefix.
	Setting string
	Kind    Kind
	// At is the address or the file that the risk is about.
	At string
	// Mode is the file's.
	Mode fs.FileMode
}

// Kind says what is dangerous.
type Kind string

// Kinds of risks.
const (
	KeyInTheClear Kind = "key in the clear" // Temporal's API key is sent without TLS
	InTheClear    Kind = "in the clear"     // data is sent to a public address without TLS
	Simulator     Kind = "simulator"        // a token is sent without TLS to a program on this machine
	Unverified    Kind = "unverified"       // anybody can be the server
	Readable      Kind = "readable"         // other users may read a file with a secret
	Writable      Kind = "writable"         // other users may replace it
)

// String says what may happen, and what to do.
func (r Risk) String() string {
	switch r.Kind {
	case KeyInTheClear:
		return fmt.Sprintf("%s turns TLS off, so the API key is sent to %s in the clear: whoever sees the connection has it; turn TLS on", r.Setting, r.At)
	case InTheClear:
		return fmt.Sprintf("%s sends to %s in the clear, and that may be a public address: whoever is on the way can read and change it; use TLS", r.Setting, r.At)
	case Simulator:
		return fmt.Sprintf("%s is http: the token goes to whichever program listens at %s; that is right for a simulated org only", r.Setting, r.At)
	case Unverified:
		return fmt.Sprintf("%s is set: whoever is on the way can be Temporal, take the credentials and change positions; unset it, and name the CA in "+
			"TEMPORAL_TLS_SERVER_CA_CERT_PATH", r.Setting)
	case Writable:
		return fmt.Sprintf("%s: other users may replace %s (mode %04o); 'chmod go-w' it", r.Setting, r.At, r.Mode)
	}
	return fmt.Sprintf("%s: other users may read %s (mode %04o); 'chmod 0400' it, or 0440 with a group of the collector's own", r.Setting, r.At, r.Mode)
}

// Secret returns the risk of a file with a secret; none if there is no file. A file that only its owner and a group of
// this process may read is as it should be. So are the files of a Kubernetes secret, whatever their mode: they are in the
// memory of one pod, in a directory that nobody else on the node may enter.
func Secret(tenant, setting, path string) []Risk {
	info, err := os.Stat(path)
	if path == "" || err != nil || !info.Mode().IsRegular() || ofKubernetes(path) {
		return nil
	}
	r, others := Risk{Tenant: tenant, Setting: setting, At: path, Mode: info.Mode().Perm()}, fs.FileMode(0o007)
	if !ofOurGroup(info) {
		others = 0o077
	}
	switch {
	case r.Mode&others&0o022 != 0:
		r.Kind = Writable
	case r.Mode&others&0o044 != 0:
		r.Kind = Readable
	default:
		return nil
	}
	return []Risk{r}
}

// ofKubernetes reports whether the kubelet wrote a file: a link to ..data/, a link itself to a directory with a date.
func ofKubernetes(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && filepath.Dir(target) == "..data"
}

// Clear returns the risk of an address, host:port or a host, that is spoken to without TLS; none if it is not public.
func Clear(tenant, setting, address string) []Risk {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if !public(host) {
		return nil
	}
	return []Risk{{Tenant: tenant, Setting: setting, Kind: InTheClear, At: address}}
}

// localNames are the ends of names that no public DNS has (RFC 6761, RFC 6762, RFC 8375, and ICANN's .internal).
var localNames = []string{".local", ".localhost", ".internal", ".home.arpa", ".lan", ".localdomain", ".svc", ".cluster.local"}

// lookupTimeout bounds the look at what a name stands for.
const lookupTimeout = 2 * time.Second

// public reports whether a host may be reached over the Internet. A name counts as public unless all its addresses are
// private. Without an answer of DNS it may be.
func public(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return publicAddress(address)
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if !strings.Contains(name, ".") || slices.ContainsFunc(localNames, func(end string) bool { return strings.HasSuffix(name, end) }) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err != nil || slices.ContainsFunc(addresses, publicAddress)
}

// shared is the range of addresses of a provider's own network (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func publicAddress(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// IsLoopback reports whether a host is localhost or a loopback address. Only there may a token be sent in the clear.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
