package worker

import (
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/config"
	"okta-collector/internal/printable"
)

// newLogger returns a logger that writes to file, one printable line for each entry: an encoder escapes what is in JSON,
// but the console has the message as it is. file must not be standard output, where the sink stdout: writes.
func newLogger(level zapcore.Level, format config.LogFormat, file *os.File) *zap.Logger {
	if format == config.LogAuto {
		format = config.LogJSON
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 { // a terminal
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
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(printable.Entries{To: file})), level))
}

// sdkLogger is the logger of Temporal's SDK.
type sdkLogger struct{ sugar *zap.SugaredLogger }

func (l sdkLogger) Debug(msg string, keyvals ...any) { l.sugar.Debugw(msg, keyvals...) }
func (l sdkLogger) Info(msg string, keyvals ...any)  { l.sugar.Infow(msg, keyvals...) }
func (l sdkLogger) Warn(msg string, keyvals ...any)  { l.sugar.Warnw(msg, keyvals...) }

// Error logs the failure of a slice at the level debug, because the slice has logged it. The SDK's message is the only
// thing that tells this failure from others.
func (l sdkLogger) Error(msg string, keyvals ...any) {
	if msg == "Activity error." {
		l.sugar.Debugw(msg, keyvals...)
		return
	}
	l.sugar.Errorw(msg, keyvals...)
}
