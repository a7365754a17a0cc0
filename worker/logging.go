package main

import (
	"os"

	"go.temporal.io/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/config"
)

// newLogger logs to a file, which is standard error: the sink stdout: needs standard output for itself.
func newLogger(level zapcore.Level, format config.LogFormat, file *os.File) *zap.Logger {
	if format == config.LogAuto {
		format = config.LogJSON
		if terminal(file) {
			format = config.LogConsole
		}
	}
	settings := zap.NewProductionEncoderConfig()
	settings.TimeKey = "time"
	settings.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	settings.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(settings)
	if format == config.LogConsole {
		settings.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		settings.EncodeLevel = zapcore.CapitalLevelEncoder
		settings.ConsoleSeparator = "  "
		encoder = zapcore.NewConsoleEncoder(settings)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(file), level))
}

// terminal reports whether the file is a terminal.
func terminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// activityError is the SDK's message about a failed slice. The slice has logged the failure itself.
const activityError = "Activity error."

// sdkLogger adapts zap to the interface of Temporal's SDK.
type sdkLogger struct{ sugar *zap.SugaredLogger }

var _ log.WithLogger = sdkLogger{}

func temporalLogger(l *zap.Logger) log.Logger { return sdkLogger{l.Sugar()} }

func (l sdkLogger) Debug(msg string, keyvals ...any) { l.sugar.Debugw(msg, keyvals...) }
func (l sdkLogger) Info(msg string, keyvals ...any)  { l.sugar.Infow(msg, keyvals...) }
func (l sdkLogger) Warn(msg string, keyvals ...any)  { l.sugar.Warnw(msg, keyvals...) }
func (l sdkLogger) Error(msg string, keyvals ...any) {
	if msg == activityError {
		l.sugar.Debugw(msg, keyvals...)
		return
	}
	l.sugar.Errorw(msg, keyvals...)
}

// With implements log.WithLogger.
func (l sdkLogger) With(keyvals ...any) log.Logger { return sdkLogger{l.sugar.With(keyvals...)} }
