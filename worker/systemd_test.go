package worker

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// systemd is the end of the socket that systemd has.
type systemd struct {
	t      *testing.T
	socket *net.UnixConn
}

func newSystemd(t *testing.T) *systemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // a socket's path has at most 108 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	socket, err := net.ListenUnixgram("unixgram", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	require.NoError(t, socket.SetReadDeadline(time.Now().Add(time.Minute)))
	t.Setenv("NOTIFY_SOCKET", address.Name)
	t.Setenv("WATCHDOG_USEC", "20000")
	return &systemd{t, socket}
}

// told returns the lines of the next message.
func (s *systemd) told() []string {
	s.t.Helper()
	buffer := make([]byte, 4<<10)
	n, err := s.socket.Read(buffer)
	require.NoError(s.t, err)
	return strings.Split(string(buffer[:n]), "\n")
}

// toldAtLast reads messages until one is as wanted.
func (s *systemd) toldAtLast(lines ...string) {
	s.t.Helper()
	for told := s.told(); strings.Join(told, "\n") != strings.Join(lines, "\n"); told = s.told() {
	}
}

func TestSystemdIsToldThatTheWorkerRunsHowItIsAndThatItStops(t *testing.T) {
	s := newSystemd(t)
	ready := &readiness{contact: newContact(zap.NewNop())}
	ready.Store(&phase{reason: "connecting to Temporal\nWATCHDOG=1"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		notifySystemd(ctx, ready, &liveness{ready: ready}, zap.NewNop())
	}()

	require.Equal(t, []string{"READY=1"}, s.told(), "a unit does not wait for Temporal")
	require.Equal(t, []string{"WATCHDOG=1", "STATUS=connecting to Temporal; WATCHDOG=1"}, s.told(), "a text from elsewhere is one line")

	ready.contact.mu.Lock()
	ready.contact.last = time.Now().Add(-maxSilence)
	ready.contact.mu.Unlock()
	for told := s.told(); told[0] == "WATCHDOG=1"; told = s.told() {
	}
	told := s.told()
	require.Len(t, told, 1)
	require.Contains(t, told[0], "STATUS=Temporal has not answered for 10m0s; a restart may help")

	cancel()
	s.toldAtLast("STOPPING=1", "STATUS=delivering what is under way")
	<-done
}

func TestNobodyIsToldWhereSystemdDoesNotAsk(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	notifySystemd(t.Context(), nil, nil, zap.NewNop()) // returns
}

func TestTheWorkerAnswersTwiceAsOftenAsTheWatchdogAsks(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	for name, test := range map[string]struct {
		usec, pid string
		want      time.Duration
	}{
		"a watchdog":                    {"20000000", "", 10 * time.Second},
		"a watchdog of this process":    {"20000000", pid, 10 * time.Second},
		"a watchdog of another process": {"20000000", "1", statusInterval},
		"a patient watchdog":            {"3600000000", "", statusInterval},
		"none":                          {"", "", statusInterval},
		"no number":                     {"soon", "", statusInterval},
		"nothing":                       {"0", "", statusInterval},
		"below nothing":                 {"-5", "", statusInterval},
		"more than there is":            {"9223372036854775807", "", statusInterval},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("WATCHDOG_USEC", test.usec)
			t.Setenv("WATCHDOG_PID", test.pid)
			require.Equal(t, test.want, watchdogInterval())
		})
	}
}
