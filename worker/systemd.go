package worker

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/printable"
)

// statusInterval is the time between two messages to systemd where it has no watchdog.
const statusInterval = 30 * time.Second

// notifySystemd tells systemd how the worker is, until ctx ends. It does nothing without NOTIFY_SOCKET, which systemd sets
// for a unit of Type=notify. The protocol is that of sd_notify(3): datagrams of lines.
//
// READY=1 is sent at once: the settings are right and the process runs. A unit must not wait for Temporal, which may
// start after it. STATUS= says whether the worker works. WATCHDOG=1 is left out when /healthz fails, since a restart may
// help then.
func notifySystemd(ctx context.Context, ready *readiness, live *liveness, log *zap.Logger) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	ticker := time.NewTicker(watchdogInterval())
	defer ticker.Stop()
	send := func(lines string) {
		if err := sendDatagram(socket, lines); err != nil {
			log.Warn("systemd cannot be told how the worker is", zap.Error(err))
		}
	}
	send("READY=1")
	for ctx.Err() == nil {
		if failure := live.failure(ctx); failure != "" {
			send("STATUS=" + statusLine(failure))
		} else if problem := ready.problem(ctx); problem != "" {
			send("WATCHDOG=1\nSTATUS=" + statusLine(problem))
		} else {
			send("WATCHDOG=1\nSTATUS=" + statusLine(ready.reached()))
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	send("STOPPING=1\nSTATUS=delivering what is under way")
}

// watchdogInterval is half of the time after which systemd kills a silent unit, as sd_watchdog_enabled(3) recommends.
func watchdogInterval() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return statusInterval // the watchdog is another process's
	}
	limit, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if interval := time.Duration(limit) * time.Microsecond / 2; err == nil && interval > 0 {
		return min(interval, statusInterval)
	}
	return statusInterval
}

// statusLine makes one line of a text from anywhere: a second line would be a message of its own.
func statusLine(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(printable.Text(text)), "\n", "; ")
}

func sendDatagram(socket, text string) error {
	connection, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.Write([]byte(text))
	return err
}
