package test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
)

// TestRsyslogReceivesEveryRecordWhole ships to a syslog server that nobody here wrote, with
// TLS and client certificates.
func TestRsyslogReceivesEveryRecordWhole(t *testing.T) {
	const (
		host    = "collector-1.example"
		date    = "2026-11-22T06:27:00.123Z"
		members = `"@devo_pulling_id":1795332420123,"@okta_app_id":"0oa1"`
	)
	now, err := time.Parse(time.RFC3339, date)
	require.NoError(t, err)
	pages := map[string][][]string{
		"auth.okta.system": {
			{`{"uuid":"plain"}`},
			{},
			{
				`{"uuid":"large","text":"` + strings.Repeat("0123456789", 90_000) + `"}`,
				`{"uuid":"not ASCII","text":"é € 日本 𝄞 ` + "\x7f\u0085\u2028" + `"}`,
				`{"uuid":"escapes","text":"\r\n\t\b\f\"\\\/\u0000\u001f\u2028\ud83d\ude00 #012 #000"}`,
				`{"uuid":"spelling","n":[1.50,-0,1E+2,12345678901234567890],"null":null,"blanks":"  two  "}`,
				`{"uuid":"syslog","text":"%msg% $now <14>2026-11-22T06:27:00.123Z host a.b: {}"}`,
			},
		},
		"my.app.okta.app_users": {users(0, 1000), users(1000, 2000)},
	}

	server := startRsyslog(t)
	warnings, warned := observer.New(zapcore.WarnLevel)
	sink, err := devo.New(devo.Config{
		URL:       "tls://" + server.address,
		ChainFile: server.pki.ChainFile,
		CertFile:  server.pki.ClientCertFile,
		KeyFile:   server.pki.ClientKeyFile,
		Hostname:  host,
		Log:       zap.New(warnings),
		Now:       func() time.Time { return now },
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return sink.Check(t.Context()) == nil }, patience, time.Millisecond)

	var want []received
	again := false
	for tag, tagPages := range pages {
		stream, err := sink.Open(t.Context(), devo.Target{Name: tag, Tag: tag})
		require.NoError(t, err)
		for _, objects := range tagPages {
			batch := devo.Batch{Members: []byte(members)}
			for _, object := range objects {
				batch.Objects = append(batch.Objects, []byte(object))
				message := strings.TrimSuffix(object, "}") + "," + members + "}"
				want = append(want, received{date: date, host: host, tag: tag + ":", program: tag, message: message})
			}
			err := deliver(t.Context(), stream, batch)
			for ; err != nil; err = deliver(t.Context(), stream, batch) {
				// An rsyslogd that answers late, after a FIN of ours, leaves open what it has read: it is sent again.
				require.ErrorContains(t, err, "only after our FIN")
				again = true
				stream.Close()
				stream, err = sink.Open(t.Context(), devo.Target{Name: tag, Tag: tag})
				require.NoError(t, err)
			}
		}
		stream.Close()
	}
	require.NotZero(t, warned.Len(), "rsyslog closes in answer, but without TLS's close_notify")
	require.Contains(t, warned.All()[0].Message, "without close_notify")

	got := server.stop()
	byMessage := func(a, b received) int { return cmp.Compare(a.message, b.message) }
	slices.SortFunc(want, byMessage)
	slices.SortFunc(got, byMessage)
	if again {
		got = slices.Compact(got)
	}
	require.Len(t, got, len(want))
	for i := range want {
		// Not require.Equal: it would print all of the large one.
		require.True(t, want[i] == got[i], "want %.300q\ngot  %.300q", want[i], got[i])
	}
}

func users(from, to int) []string {
	var objects []string
	for i := from; i < to; i++ {
		objects = append(objects, fmt.Sprintf(`{"id":"00u%05d","profile":{"login":"user%d@example.com","name":"Zoë"}}`, i, i))
	}
	return objects
}

// received is one record as rsyslog understood it.
type received struct{ date, host, tag, program, message string }

// rsyslog is a running rsyslogd.
type rsyslog struct {
	address string
	pki     *devosim.PKI

	t      *testing.T
	cmd    *exec.Cmd
	output string // file of what it received
	log    string // file of what it says
	exited chan struct{}
}

// rsyslogConfig makes rsyslogd take records over TLS from a client that the authority has
// certified under its name, and write what it understood to a file. By default it would cut
// messages at 8 KiB. It would also replace control characters, of which JSON has none, and is
// left to. A direct queue has everything in the file before a close is answered.
const rsyslogConfig = `
global(
  workDirectory="%[1]s"
  maxMessageSize="2m"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="%[2]s"
  defaultNetstreamDriverCertFile="%[3]s"
  defaultNetstreamDriverKeyFile="%[4]s"
)
main_queue(queue.type="direct")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1"
  streamDriver.authMode="x509/name" permittedPeer=["%[5]s"])
template(name="record" type="list") {
  property(name="timereported" dateFormat="rfc3339") constant(value="\t")
  property(name="hostname") constant(value="\t")
  property(name="syslogtag") constant(value="\t")
  property(name="programname") constant(value="\t")
  property(name="msg") constant(value="\n")
}
ruleset(name="received") { action(type="omfile" file="%[1]s/received" template="record") }
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="%[1]s/port" ruleset="received")
`

// startRsyslog starts rsyslogd on a free port of loopback, if it and
// its TLS module are installed.
func startRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/rsyslogd") // not in everybody's PATH
	}
	if err != nil {
		missing(t, "rsyslogd (Debian: rsyslog, rsyslog-gnutls)")
	}
	dir := t.TempDir()
	pki, err := devosim.NewPKI(filepath.Join(dir, "certificates"))
	require.NoError(t, err)
	config := filepath.Join(dir, "rsyslog.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, rsyslogConfig,
		dir, pki.ChainFile, pki.ServerCertFile, pki.ServerKeyFile, devosim.ClientName), 0o600))

	s := &rsyslog{
		pki:    pki,
		t:      t,
		cmd:    exec.Command(program, "-n", "-f", config, "-i", filepath.Join(dir, "pid")),
		output: filepath.Join(dir, "received"),
		log:    filepath.Join(dir, "log"),
		exited: make(chan struct{}),
	}
	log, err := os.Create(s.log)
	require.NoError(t, err)
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	require.NoError(t, s.cmd.Start())
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
	})
	s.awaitPort(filepath.Join(dir, "port"))
	return s
}

// awaitPort waits until rsyslogd has written which port it listens on.
func (s *rsyslog) awaitPort(file string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		if port, err := os.ReadFile(file); err == nil && len(port) > 0 {
			s.address = "127.0.0.1:" + strings.TrimSpace(string(port))
			return
		}
		if strings.Contains(s.said(), "could not load module 'lmnsd_gtls'") {
			missing(s.t, "rsyslogd's TLS module (Debian: rsyslog-gnutls)")
		}
		select {
		case <-look.C:
		case <-s.exited:
			require.Fail(s.t, "rsyslogd ended", s.said())
		case <-ctx.Done():
			require.Fail(s.t, "rsyslogd does not listen", s.said())
		}
	}
}

// said returns rsyslogd's own messages.
func (s *rsyslog) said() string {
	log, err := os.ReadFile(s.log)
	require.NoError(s.t, err)
	return string(log)
}

// stop ends rsyslogd and returns everything that it received.
func (s *rsyslog) stop() []received {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.exited:
	case <-time.After(patience):
		require.Fail(s.t, "rsyslogd does not end", s.said())
	}
	data, err := os.ReadFile(s.output)
	require.NoError(s.t, err, s.said())
	var records []received
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 5)
		require.Len(s.t, fields, 5, "%.300q", line)
		// What follows the tag begins with its blank.
		message, ok := strings.CutPrefix(fields[4], " ")
		require.True(s.t, ok, "%.300q", line)
		records = append(records, received{fields[0], fields[1], fields[2], fields[3], message})
	}
	return records
}

// deliver sends a batch and waits until it is confirmed.
func deliver(ctx context.Context, stream devo.Stream, batch devo.Batch) error {
	delivery, err := stream.Send(ctx, batch)
	if err != nil {
		return err
	}
	_, err = delivery.Wait(ctx)
	return err
}
