package test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// spellings are all ways in which a secret could be written somewhere.
func spellings(secret string) []string {
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	// In base64 it looks different by where in a text it is; what its neighbours decide is left out.
	for before := range 3 {
		text := append(make([]byte, before), secret...)
		from, to := (before*8+5)/6, len(text)*8/6
		all = append(all, base64.StdEncoding.EncodeToString(text)[from:to], base64.URLEncoding.EncodeToString(text)[from:to])
	}
	return all
}

func TestEverySpellingOfASecretIsLookedFor(t *testing.T) {
	const secret = "00se/cr+et=%"
	for _, text := range []string{
		secret, url.QueryEscape(secret), url.PathEscape("a/" + secret), fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("SSWS " + secret)), base64.URLEncoding.EncodeToString([]byte("user:" + secret + "\n")),
		base64.RawURLEncoding.EncodeToString([]byte("{\"token\":\"" + secret + "\"}")),
	} {
		found := false
		for _, spelling := range spellings(secret) {
			found = found || strings.Contains(text, spelling)
		}
		require.True(t, found, text)
	}
}

// keySecrets are what must be found nowhere of a private key: the lines of its file, and the number itself.
func keySecrets(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(data)
	require.NotNil(t, block)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	number, err := key.(*ecdsa.PrivateKey).Bytes()
	require.NoError(t, err)
	secrets := []string{string(number)}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			secrets = append(secrets, line)
		}
	}
	require.Greater(t, len(secrets), 2)
	return secrets
}

// The run has every secret that there can be, and goes through every error that one could slip into.
func TestSecretsAreFoundNowhere(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 9, Counts: map[string]int{"logs": 2_000, "users": 100, "groups": 50, "apps": 50, "clients": 50, "idps": 50}, Unlimited: true})
	s.env["COLLECTOR_LOG_LEVEL"] = "debug"
	devoToken := "devo%+secret=of-" + s.tenant
	s.replaceDevo(devosim.Config{Dir: filepath.Join(s.dir, "pki"), Domain: "acme", Token: devoToken})
	const wrong = "another%+token="
	key := s.env["DEVO_KEY_FILE"]
	secrets := append(keySecrets(t, key), s.token, devoToken, wrong)
	for i, object := range s.org.All("idps") {
		if !bytes.Equal(object, oktasim.Redacted(object)) {
			secrets = append(secrets, fmt.Sprintf("not-a-secret-%d", i))
			require.Contains(t, string(object), secrets[len(secrets)-1])
		}
	}
	places := map[string]string{}
	served := func(when string) {
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			places[path+" "+when] = s.served(path)
		}
	}

	// Over TLS, with a key; then half of the key.
	s.startWorker()
	places["arguments of the worker"] = arguments(t, s.worker.cmd.Process.Pid)
	s.start("logs", "users", "idps")
	s.caughtUp("logs", "users", "idps")
	s.complete("idps") // so Devo has everything but the secrets
	whole, err := os.ReadFile(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(key, whole[:len(whole)/2], 0o600))
	s.start("groups")
	s.blocked("groups", "DEVO_KEY_FILE")
	places["check without a key"], _ = s.starter("check")
	served("without a key")
	require.NoError(t, os.WriteFile(key, whole, 0o600))
	s.signal("groups", "resume")
	s.caughtUp("groups")
	_ = s.worker.terminate(t)

	// Over HTTPS, with a token that Devo refuses, and then with the right one.
	file := filepath.Join(s.dir, "devo-token")
	require.NoError(t, os.WriteFile(file, []byte(wrong), 0o600))
	s.env["DEVO_URL"], s.env["DEVO_DOMAIN"], s.env["DEVO_TOKEN_FILE"] = s.devo.HTTPURL(), "acme", file
	s.startWorker()
	s.start("apps")
	s.blocked("apps", "DEVO_TOKEN")
	places["check with another token"], _ = s.starter("check")
	require.NoError(t, os.WriteFile(file, []byte(devoToken), 0o600))
	s.signal("apps", "resume")
	s.caughtUp("apps")

	// Okta hangs up, and then refuses the token.
	var failing atomic.Bool
	s.org.SetFaults(func(*http.Request, int) oktasim.Fault {
		if failing.Load() {
			return oktasim.HangUp()
		}
		return nil
	})
	failing.Store(true)
	s.signal("logs", "poll")
	s.eventually("a request fails", func() bool { status, err := s.status("logs"); return err == nil && status.Problems > 0 })
	failing.Store(false)
	s.org.SetToken("another")
	s.signal("users", "poll")
	s.blocked("users", "OKTA_API_TOKEN")
	served("in the end")
	for _, args := range [][]string{{"status", "--tenant", s.tenant}, {"status", "-o", "json"}, {"check"}, {"poll", s.id("users")}, {"start"}} {
		var code int
		places[fmt.Sprint("starter ", args)], code = s.starter(args...)
		if args[0] == "status" || args[0] == "check" {
			require.Equal(t, 1, code, "something is blocked")
		}
	}
	require.Contains(t, places[fmt.Sprint("starter ", []string{"status", "--tenant", s.tenant})], "OKTA_API_TOKEN")
	s.org.SetToken(s.token)
	places["arguments of the starter"] = s.argumentsOfStarter("check")
	s.addRecords(places, "logs", "users", "groups", "apps", "idps")
	foundNowhere(t, places, secrets)
}

// addRecords adds what Temporal keeps of some services, and what the worker logged until it was told to stop.
func (s *stack) addRecords(places map[string]string, services ...string) {
	s.t.Helper()
	for _, service := range services {
		places["history of "+service] = s.temporal("workflow", "show", "-w", s.id(service), "-o", "json")
		places["description of "+service] = s.temporal("workflow", "describe", "-w", s.id(service), "-o", "json")
		require.Contains(s.t, places["history of "+service], "CollectSlice", "it is the history")
	}
	_ = s.worker.terminate(s.t)
	places["logs"] = s.worker.out.String()
	require.Contains(s.t, places["logs"], `"level":"debug"`)

	for _, file := range []string{"", "-wal"} {
		if data, err := os.ReadFile(environment.database + file); err == nil {
			places["temporal.db"+file] = string(data)
		}
	}
	require.Contains(s.t, places["temporal.db"]+places["temporal.db-wal"], s.tenant, "it is the right database")
}

// foundNowhere looks for secrets in all places.
func foundNowhere(t *testing.T, places map[string]string, secrets []string) {
	t.Helper()
	for place, text := range places {
		require.NotEmpty(t, text, place)
		for n, secret := range secrets {
			for _, spelling := range spellings(secret) {
				if at := strings.Index(text, spelling); at >= 0 {
					t.Errorf("secret %d is in %s at %d", n, place, at)
				}
			}
		}
	}
}

// TestWhatIsRotatedIsUsedByTheRunningWorker replaces token and certificate files, as Kubernetes does.
func TestWhatIsRotatedIsUsedByTheRunningWorker(t *testing.T) {
	t.Parallel()
	t.Run("Okta's token", func(t *testing.T) {
		s := newStack(t, oktasim.Config{Seed: 21, Counts: map[string]int{"users": 100, "groups": 100}, Unlimited: true})
		file := filepath.Join(s.dir, "okta-token")
		require.NoError(t, os.WriteFile(file, []byte(s.token+"\n"), 0o600))
		s.setOkta("API_TOKEN", "")
		s.setOkta("API_TOKEN_FILE", file)
		s.startWorker()
		s.start("users")
		s.caughtUp("users")

		s.org.SetToken("00rotated")
		s.start("groups")
		s.blocked("groups", "OKTA_API_TOKEN_FILE")
		require.NoError(t, os.WriteFile(file, []byte("00rotated\n"), 0o600))
		s.signal("groups", "resume")
		s.caughtUp("groups")
		s.once("groups")
	})
	t.Run("Devo's chain, certificate and key", func(t *testing.T) {
		s := newStack(t, oktasim.Config{Seed: 22, Counts: map[string]int{"users": 100, "groups": 100}, Unlimited: true})
		dir := filepath.Join(s.dir, "rotated")
		require.NoError(t, os.Mkdir(dir, 0o700))
		use := func(pki devosim.PKI) {
			for setting, file := range map[string]string{"DEVO_CHAIN_FILE": pki.ChainFile, "DEVO_CERT_FILE": pki.ClientCertFile, "DEVO_KEY_FILE": pki.ClientKeyFile} {
				data, err := os.ReadFile(file)
				require.NoError(t, err)
				s.env[setting] = filepath.Join(dir, setting)
				require.NoError(t, os.WriteFile(s.env[setting], data, 0o600))
			}
		}
		address := freeAddress(t) // that no connection is given while nobody listens there
		s.replaceDevo(devosim.Config{ListenTLS: address, Dir: filepath.Join(s.dir, "pki")})
		use(s.devo.PKI())
		s.startWorker()
		s.start("users")
		s.caughtUp("users")

		// Another authority at the same address.
		s.replaceDevo(devosim.Config{ListenTLS: address, Dir: filepath.Join(s.dir, "other-pki")})
		s.start("groups")
		s.blocked("groups", "DEVO_CHAIN_FILE")
		use(s.devo.PKI())
		s.signal("groups", "resume")
		s.caughtUp("groups")
		s.once("groups")
	})
}

// TestAProxyOfTheEnvironmentSeesNoSecret runs everything through an HTTP proxy that writes down all
// that it is given to forward.
func TestAProxyOfTheEnvironmentSeesNoSecret(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 23, Counts: map[string]int{"logs": 1_000, "users": 100}, Unlimited: true})
	certificate, file := certificateOf(t, "acme.okta.test")
	org := httptest.NewUnstartedServer(s.org)
	org.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	org.Config.ErrorLog = log.New(io.Discard, "", 0)
	org.StartTLS()
	defer org.Close()
	proxy := startProxy(t, map[string]string{
		"acme.okta.test:443": org.Listener.Addr().String(),
		"http.devo.test:443": strings.TrimPrefix(s.devo.HTTPURL(), "https://"),
	})
	s.setOkta("URL", "https://acme.okta.test")
	s.env["SSL_CERT_FILE"] = file
	s.env["DEVO_URL"], s.env["DEVO_SERVER_NAME"] = "https://http.devo.test", "localhost"
	s.env["DEVO_DOMAIN"], s.env["DEVO_TOKEN"] = "acme", "devo-"+s.token
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		s.env[name] = "http://me:password@" + proxy.address
	}
	s.startWorker()
	s.start("logs", "users")
	s.caughtUp("logs", "users")
	s.once("logs")
	s.once("users")
	_ = s.worker.terminate(t)

	seen := proxy.seen.String()
	require.Contains(t, seen, "CONNECT acme.okta.test:443")
	require.Contains(t, seen, "CONNECT http.devo.test:443")
	for _, spelling := range spellings(s.token) {
		require.NotContains(t, seen, spelling)
	}
	require.NotContains(t, s.worker.out.String(), "password", "nor is the proxy's own in the logs")
}

// TestNothingNeedsRoot runs the programs as nobody where the tests are root's; else they all run as
// somebody else anyway.
func TestNothingNeedsRoot(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("all tests run without root's rights")
	}
	const nobody = 65534
	s := newStack(t, oktasim.Config{Seed: 24, Counts: map[string]int{"logs": 1_000}, Unlimited: true})
	// Its files are readable by nobody else.
	require.NoError(t, filepath.WalkDir(filepath.Dir(s.dir), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	}))
	worker := filepath.Join(s.dir, "worker")
	require.NoError(t, os.Link(filepath.Join(environment.dir, "okta-collector-worker"), worker))
	p := &process{cmd: exec.Command(worker), out: &output{}, done: make(chan struct{})}
	p.cmd.Env, p.cmd.Dir = environ(s.env), s.dir
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	s.worker = p
	s.eventually("the worker is ready", func() bool {
		resp, err := http.Get("http://" + s.env["COLLECTOR_LISTEN"] + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	s.start("logs")
	s.caughtUp("logs")
	s.once("logs")
	code := p.terminate(t)
	require.Zero(t, code, p.out.String())
}

// blocked waits until a service needs somebody, who is told about a setting.
func (s *stack) blocked(service, setting string) {
	s.t.Helper()
	require.Contains(s.t, s.inState(service, workflows.StateBlocked).LastProblem.String(), setting)
}

// replaceDevo starts another Devo instead of the stack's own.
func (s *stack) replaceDevo(cfg devosim.Config) {
	s.t.Helper()
	s.devo.Close()
	var err error
	s.devo, err = devosim.Start(cfg)
	require.NoError(s.t, err)
	s.env["DEVO_URL"] = s.devo.SyslogURL()
}

// served is what the worker answers, which has little patience with who takes long to ask.
func (s *stack) served(path string) (body string) {
	s.t.Helper()
	s.eventually(path+" is answered", func() bool {
		resp, err := http.Get("http://" + s.env["COLLECTOR_LISTEN"] + path)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		body = string(data)
		return err == nil
	})
	return body
}

// arguments are what everybody on the machine sees of a process.
func arguments(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	require.NoError(t, err)
	return string(data)
}

// argumentsOfStarter are those of a starter that waits for an answer of Okta's.
func (s *stack) argumentsOfStarter(args ...string) string {
	s.t.Helper()
	var asked atomic.Bool
	release := s.holdOkta(func(*http.Request) bool { asked.Store(true); return true })
	defer s.org.SetFaults(nil)
	cmd := exec.Command(filepath.Join(environment.dir, "okta-collector"), args...)
	cmd.Env = environ(s.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(s.t, cmd.Start())
	// Right after its start a process has no arguments yet.
	s.eventually("Okta is asked", asked.Load)
	seen := arguments(s.t, cmd.Process.Pid)
	release()
	require.NoError(s.t, cmd.Wait())
	return seen
}

// certificateOf makes a certificate for a name, and a file that makes a program trust it.
func certificateOf(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// connectProxy forwards connections and writes down what clients send.
type connectProxy struct {
	address string
	seen    output
}

// startProxy starts a proxy that knows where some hosts are, and no others.
func startProxy(t *testing.T, hosts map[string]string) *connectProxy {
	t.Helper()
	p := &connectProxy{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var head bytes.Buffer
		_ = r.Header.Write(&head)
		fmt.Fprintf(&p.seen, "%s %s\n%s", r.Method, r.RequestURI, head.String())
		address, ok := hosts[r.Host]
		if r.Method != http.MethodConnect || !ok {
			http.Error(w, "no such host", http.StatusBadGateway)
			return
		}
		upstream, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer upstream.Close()
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		go func() {
			_, _ = io.Copy(client, upstream)
			_ = client.Close()
		}()
		_, _ = io.Copy(upstream, io.TeeReader(buffered.Reader, &p.seen))
	}))
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	p.address = server.Listener.Addr().String()
	return p
}
