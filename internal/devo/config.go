package devo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"okta-collector/internal/secret"
)

// Bounds of [Config.MaxEvent] in bytes. The least leaves room for what a cut object
// keeps; the most is well below the 32 MB that Devo accepts in one POST.
const (
	defaultMaxEvent = 1 << 20
	minMaxEvent     = 4 << 10
	maxMaxEvent     = 16 << 20
)

// maxEnvironment bounds [Config.Environment] in bytes.
const maxEnvironment = 256

// Confirm is what proves that a syslog server has read what was sent to it.
type Confirm string

const (
	// ConfirmClose: it closes its side of the connection after ours was closed.
	ConfirmClose Confirm = "close"
	// ConfirmKernel: its kernel has acknowledged every byte. For servers that do not close; what
	// they, or a proxy before them, had not read when they died is lost. Linux only.
	ConfirmKernel Confirm = "kernel"
)

// Config says where and how events are delivered.
type Config struct {
	// URL is tls://host:port, tcp://host:port, https://host (http only for loopback),
	// file:///dir or stdout:.
	URL string
	// ChainFile, CertFile and KeyFile are PEM files. They are read anew for each
	// connection, so that certificates can be rotated.
	ChainFile, CertFile, KeyFile string
	// ServerName is the name to verify when it is not that of the URL.
	ServerName string
	// Domain and Token are for https.
	Domain string
	Token  secret.Secret
	// Environment, if set, is added to every object as @devo_environment; at most 256 bytes.
	Environment string
	// Confirm says what proves to tls and tcp that events were read; default [ConfirmClose].
	Confirm Confirm
	// Hostname is the host of each record; default: the machine's name.
	Hostname string
	// MaxEvent is the largest object in bytes that is shipped whole, added members
	// included; 4 KiB to 16 MiB, default 1 MiB. A larger one is shipped cut.
	MaxEvent int

	Log     *zap.Logger
	Metrics *Metrics
	// Now is the clock of the records' dates; default time.Now.
	Now func() time.Time
}

// New checks cfg and returns the sink that it describes. It connects to nothing. Its
// error joins one for everything that is wrong with cfg, each of which begins with the
// setting's name and a blank.
func New(cfg Config) (Sink, error) {
	var problems []error
	wrong := func(setting, format string, args ...any) {
		problems = append(problems, fmt.Errorf(setting+" "+format, args...))
	}

	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxEvent == 0 {
		cfg.MaxEvent = defaultMaxEvent
	}
	if cfg.MaxEvent < minMaxEvent || cfg.MaxEvent > maxMaxEvent {
		wrong("DEVO_MAX_EVENT", "is %d, must be %d to %d bytes", cfg.MaxEvent, minMaxEvent, maxMaxEvent)
	}
	switch {
	case cfg.Confirm == "":
		cfg.Confirm = ConfirmClose
	case cfg.Confirm != ConfirmClose && cfg.Confirm != ConfirmKernel:
		wrong("DEVO_CONFIRM", "is %q, must be %s or %s", cfg.Confirm, ConfirmClose, ConfirmKernel)
	case cfg.Confirm == ConfirmKernel && !hasKernelAck:
		wrong("DEVO_CONFIRM", "can be %s on Linux only", ConfirmKernel)
	}
	if cfg.Hostname == "" {
		cfg.Hostname = machineName()
	}
	if !validHost.MatchString(cfg.Hostname) {
		wrong("DEVO_HOSTNAME", "must be letters, digits and . _ : -, at most 256")
	}
	if len(cfg.Environment) > maxEnvironment {
		wrong("DEVO_ENVIRONMENT", "is longer than %d bytes", maxEnvironment)
	}

	// Neither message has the URL: somebody may have put the token into it.
	u, err := url.Parse(cfg.URL)
	if err != nil {
		u = &url.URL{}
		wrong("DEVO_URL", "is not a URL")
	} else if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		wrong("DEVO_URL", "must have no user, query or fragment")
	}

	var sink Sink
	switch u.Scheme {
	case "tls", "tcp":
		if port := u.Port(); u.Hostname() == "" || port == "" || strings.Trim(u.Path, "/") != "" {
			wrong("DEVO_URL", "must be %s://host:port", u.Scheme)
		}
		s := newSyslogSink(cfg, u.Host)
		if u.Scheme == "tls" {
			s.security = newSecurity(cfg, u.Hostname())
			if _, err := s.security.read(); err != nil {
				problems = append(problems, err)
			}
		}
		sink = s
	case "https", "http":
		if u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
			wrong("DEVO_URL", "must be %s://host without a path", u.Scheme)
		}
		if u.Scheme == "http" && !IsLoopback(u.Hostname()) {
			wrong("DEVO_URL", "must be https: http would send the token in the clear")
		}
		if !validDomain.MatchString(cfg.Domain) {
			wrong("DEVO_DOMAIN", "is needed with https and must be letters, digits and . _ @ -")
		}
		if _, err := cfg.Token.Read(); err != nil {
			wrong("DEVO_TOKEN or DEVO_TOKEN_FILE", "is needed with https: %w", err)
		}
		security := newSecurity(cfg, u.Hostname())
		if _, err := security.read(); u.Scheme == "https" && err != nil {
			problems = append(problems, err)
		}
		sink = &httpSink{cfg: cfg, base: url.URL{Scheme: u.Scheme, Host: u.Host}, security: security}
	case "file":
		if (u.Host != "" && u.Host != "localhost") || !strings.HasPrefix(u.Path, "/") {
			wrong("DEVO_URL", "must be file:///directory, an absolute path")
		}
		sink = &fileSink{cfg: cfg, dir: u.Path}
	case "stdout":
		if cfg.URL != "stdout:" {
			wrong("DEVO_URL", "must be just stdout:")
		}
		sink = &stdoutSink{cfg: cfg, out: os.Stdout}
	default:
		wrong("DEVO_URL", "must begin with tls://, tcp://, https://, file:// or stdout:")
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return sink, nil
}

// newFramer returns what turns the pages of one stream into lines.
func newFramer(cfg Config) framer {
	f := framer{maxEvent: cfg.MaxEvent}
	if cfg.Environment != "" {
		value, _ := json.Marshal(cfg.Environment) // of a string it cannot fail
		f.environment = append([]byte(`"@devo_environment":`), value...)
	}
	return f
}

var (
	// validHost keeps a record's fields and a URL's path apart, whatever is configured. A
	// dot does not come first, so that it is no "..".
	validHost   = regexp.MustCompile(`^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,255}$`)
	validDomain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,255}$`)
)

// machineName is the machine's name with what no record may have replaced.
func machineName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "okta-collector"
	}
	clean := strings.Map(func(r rune) rune {
		if validHost.MatchString(string(r)) || r == '.' {
			return r
		}
		return '-'
	}, strings.TrimLeft(name, "."))
	if !validHost.MatchString(clean) {
		return "okta-collector"
	}
	return clean
}

// IsLoopback says whether a host can only be this machine, so that a token may be sent to it in the
// clear: localhost or a loopback address.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
