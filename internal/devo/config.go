package devo

import (
	"cmp"
	"crypto/x509"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/risk"
	"okta-collector/internal/secret"
)

// Bounds of settings in bytes.
const (
	defaultMaxEvent = 1 << 20
	minMaxEvent     = 4 << 10  // leaves room for the members of a cut object
	maxMaxEvent     = 16 << 20 // well below the 32 MB that Devo accepts in one POST
	maxEnvironment  = 256
)

// Confirm is what proves that a syslog server has read everything that was sent to it.
type Confirm string

const (
	// ConfirmAuto: the best proof that the server ever gave. Nothing less is accepted until an operator resets it.
	ConfirmAuto Confirm = "auto"
	// ConfirmClose: the same, and the server closes its side of the connection without a FIN of ours in TLS.
	ConfirmClose Confirm = "close"
	// ConfirmKernel: the server's kernel acknowledges every byte, whatever the server has proven before. If the server, or
	// a proxy before it, dies with unread bytes, they are lost. Linux only.
	ConfirmKernel Confirm = "kernel"
)

// leastProof is the weakest proof that each setting accepts. Only Linux tells what the peer's kernel has acknowledged;
// elsewhere a connection that stays open gives no proof at all.
var leastProof = map[Confirm]checkpoint.Proof{
	ConfirmAuto:   checkpoint.ProofKernel,
	ConfirmClose:  checkpoint.ProofFIN,
	ConfirmKernel: checkpoint.ProofKernel,
}

// Config says where and how events are delivered.
type Config struct {
	// URL is tls://host:port, tcp://host:port, https://host (http only for loopback), file:///dir or stdout:. With
	// file:///dir?shared=yes, other users may write to the directory.
	URL string
	// Tenant and Owner are for file: the tenant whose files are written, and who writes them, one line of text. Files of
	// another owner are refused. If Owner is empty, nobody is asked.
	Tenant, Owner string
	// ChainFile, CertFile and KeyFile are PEM files. They are read for each connection, so that certificates can be
	// rotated.
	ChainFile, CertFile, KeyFile string
	// ServerName is the name to verify in the server's certificate; default: the URL's host.
	ServerName string
	// Domain and Token are for https.
	Domain string
	Token  secret.Secret
	// Environment is added to every object as @devo_environment, unless it is empty. At most 256 bytes.
	Environment string
	// Confirm is for tls and tcp; default [ConfirmAuto].
	Confirm Confirm
	// EventTime is the time of each record; default [EventTimeSent]. Records of https and file have no time.
	EventTime EventTime
	// Hostname is the host of each record; default: the machine's name.
	Hostname string
	// MaxEvent is the largest size of an object that is shipped whole, in bytes with added members: 4 KiB to 16 MiB,
	// default 1 MiB. A larger object is cut.
	MaxEvent int

	Log     *zap.Logger
	Metrics *Metrics
	// Limits are the worker's; default: the sink's own.
	Limits *Limits
	// Now returns the date of a record; default: time.Now.
	Now func() time.Time

	server *atomic.Pointer[x509.Certificate] // with whose end the server, as last seen, is trusted no more
}

// New checks cfg and returns its sink. It opens no connection. Its error is [SettingErrors].
func New(cfg Config) (Sink, error) {
	var wrong SettingErrors
	cfg.Log = cmp.Or(cfg.Log, zap.NewNop())
	cfg.Metrics = cmp.Or(cfg.Metrics, NewMetrics(prometheus.NewRegistry()))
	cfg.Limits = cmp.Or(cfg.Limits, NewLimits())
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.server = new(atomic.Pointer[x509.Certificate])
	cfg.MaxEvent = cmp.Or(cfg.MaxEvent, defaultMaxEvent)
	cfg.Confirm = cmp.Or(cfg.Confirm, ConfirmAuto)
	cfg.EventTime = cmp.Or(cfg.EventTime, EventTimeSent)
	cfg.Hostname = cmp.Or(cfg.Hostname, machineName())
	wrong.unless(cfg.MaxEvent >= minMaxEvent && cfg.MaxEvent <= maxMaxEvent,
		"DEVO_MAX_EVENT", "is %d, must be %d to %d bytes", cfg.MaxEvent, minMaxEvent, maxMaxEvent)
	least, known := leastProof[cfg.Confirm]
	wrong.unless(known, "DEVO_CONFIRM", "is %s, must be %s, %s or %s", secret.Shown(string(cfg.Confirm)), ConfirmAuto, ConfirmClose, ConfirmKernel)
	wrong.unless(cfg.Confirm != ConfirmKernel || runtime.GOOS == "linux", "DEVO_CONFIRM", "can be %s on Linux only", ConfirmKernel)
	wrong.unless(validHost.MatchString(cfg.Hostname), "DEVO_HOSTNAME", "must be letters, digits and . _ : -, at most 256")
	wrong.unless(len(cfg.Environment) <= maxEnvironment, "DEVO_ENVIRONMENT", "is longer than %d bytes", maxEnvironment)

	// The messages do not repeat the URL, because it may contain a token.
	u, err := url.Parse(cfg.URL)
	if err != nil {
		u = &url.URL{}
		wrong.add("DEVO_URL", "is not a URL")
	}
	shared := u.Scheme == "file" && u.RawQuery == "shared=yes"
	wrong.unless(u.User == nil && u.Fragment == "" && (u.RawQuery == "" || shared), "DEVO_URL",
		"must have no user, query or fragment; only file:///directory may have ?shared=yes")
	cfg.checkEventTime(&wrong, u.Scheme)
	cfg.ServerName = cmp.Or(cfg.ServerName, u.Hostname())
	secured := u.Scheme == "tls" || u.Scheme == "https"
	if secured {
		_, files := cfg.readTLS()
		wrong = append(wrong, files...)
	}

	var sink Sink
	hostOnly := u.Hostname() != "" && strings.Trim(u.Path, "/") == "" && (strings.Contains(u.Hostname(), ".") || !secret.MayBe(u.Hostname()))
	switch u.Scheme {
	case "tls", "tcp":
		wrong.unless(hostOnly && u.Port() != "", "DEVO_URL", "must be %s://host:port", u.Scheme)
		sink = &syslogSink{
			cfg: cfg, address: u.Host, secured: secured, timeouts: defaultTimeouts, unacked: unacknowledged,
			least: least, known: newKnowledge(u.Scheme + "://" + u.Host), pace: cfg.Limits.pace(u.Host),
		}
	case "https", "http":
		wrong.unless(hostOnly, "DEVO_URL", "must be %s://host without a path", u.Scheme)
		wrong.unless(secured || risk.IsLoopback(u.Hostname()), "DEVO_URL", "must be https: http would send the token in the clear")
		wrong.unless(validDomain.MatchString(cfg.Domain), "DEVO_DOMAIN", "is needed with https and must be letters, digits and . _ @ -")
		if _, err := cfg.Token.Read(); err != nil {
			wrong.addEither("DEVO_TOKEN", "DEVO_TOKEN_FILE", "is needed with https: %v", err)
		}
		sink = &httpSink{cfg: cfg, scheme: u.Scheme, host: u.Host, size: bodySize{bytes: maxPost}}
	case "file":
		wrong.unless((u.Host == "" || u.Host == "localhost") && strings.HasPrefix(u.Path, "/"),
			"DEVO_URL", "must be file:///directory, an absolute path")
		sink = &fileSink{cfg: cfg, dir: u.Path, shared: shared}
	case "stdout":
		wrong.unless(cfg.URL == "stdout:", "DEVO_URL", "must be just stdout:")
		sink = &stdoutSink{cfg: cfg, out: os.Stdout}
	default:
		wrong.add("DEVO_URL", "must begin with tls://, tcp://, https://, file:// or stdout:")
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return sink, nil
}

var (
	// validHost allows no character that separates the fields of a record or the segments of a URL. It allows no dot at
	// the beginning, so that a host cannot be "..".
	validHost   = regexp.MustCompile(`^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,255}$`)
	notInHost   = regexp.MustCompile(`[^A-Za-z0-9._:-]`)
	validDomain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,255}$`)
)

// machineName returns the machine's name. It replaces characters that validHost does not allow by -.
func machineName() string {
	name, _ := os.Hostname()
	name = notInHost.ReplaceAllString(strings.TrimLeft(name, "."), "-")
	if !validHost.MatchString(name) {
		return "okta-collector"
	}
	return name
}
