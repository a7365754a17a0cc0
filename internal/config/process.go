package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.uber.org/zap/zapcore"
)

// config returns the settings of the process, without tenants.
func (v processVariables) config(found *Problems) Config {
	c := Config{TaskQueue: v.taskQueue(found), Listen: v.Listen, LogFormat: LogFormat(v.LogFormat)}
	_, port, err := net.SplitHostPort(v.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		found.add("COLLECTOR_LISTEN", "is %q; want host:port such as 127.0.0.1:9464, or :9464 for all interfaces", v.Listen)
	}
	if c.LogLevel, err = zapcore.ParseLevel(v.LogLevel); err != nil || c.LogLevel > zapcore.ErrorLevel {
		found.add("COLLECTOR_LOG_LEVEL", "is %q; want debug, info, warn or error", v.LogLevel)
	}
	if !slices.Contains([]LogFormat{LogAuto, LogConsole, LogJSON}, c.LogFormat) {
		found.add("COLLECTOR_LOG_FORMAT", "is %q; want auto, console or json", v.LogFormat)
	}
	return c
}

// maxTaskQueue is the longest name in bytes that Temporal's default limits accept.
const maxTaskQueue = 1000

func (v processVariables) taskQueue(found *Problems) string {
	notPrintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(v.TaskQueue) > maxTaskQueue || strings.ContainsFunc(v.TaskQueue, notPrintable) {
		found.add("COLLECTOR_TASK_QUEUE", "is not usable as a task queue's name; want at most %d printable characters", maxTaskQueue)
	}
	return v.TaskQueue
}
