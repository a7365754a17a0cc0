package worker

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/config"
	"okta-collector/internal/printable"
)

func logFile(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return file
}

func TestAutoLogsJSONWhereNobodyIsWatching(t *testing.T) {
	file := logFile(t)
	newLogger(zapcore.InfoLevel, config.LogAuto, file).Info("hello")

	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(read(t, file.Name())), &line))
	require.Equal(t, "hello", line["msg"])
	require.Equal(t, "info", line["level"])
	require.NotEmpty(t, line["time"])
}

func TestConsoleLogsForPeople(t *testing.T) {
	file := logFile(t)
	newLogger(zapcore.InfoLevel, config.LogConsole, file).Info("hello")

	require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3}  INFO  hello\n$`, read(t, file.Name()))
}

// An error of a certificate's name, of Okta's summary or of a workflow's id may have anything in it.
func TestALogEntryIsOnePrintableLineWhateverItSays(t *testing.T) {
	for _, format := range []config.LogFormat{config.LogConsole, config.LogJSON} {
		file := logFile(t)
		newLogger(zapcore.InfoLevel, format, file).Error("x509: valid for \x1b]0;owned\x07\u202E\u009b2J, not devo\n12:00:00.000  INFO  stopped\n",
			zap.Error(errors.New("\x1b[2K\r\u200bok")), zap.String("workflow", "okta/\x7f/\xff"))

		said := read(t, file.Name())
		require.Equal(t, printable.Line(strings.TrimSuffix(said, "\n"))+"\n", said, format)
		require.Contains(t, said, `\u001b]0;owned\u0007`)
	}
}

func TestLowerLevelsAreLeftOut(t *testing.T) {
	file := logFile(t)
	newLogger(zapcore.WarnLevel, config.LogJSON, file).Info("hello")

	require.Empty(t, read(t, file.Name()))
}

func TestAFailedSliceIsNotLoggedByTheSDKToo(t *testing.T) {
	file := logFile(t)
	sdkLogger{newLogger(zapcore.InfoLevel, config.LogJSON, file).Sugar()}.Error("Activity error.", "Error", "it went wrong")
	require.Empty(t, read(t, file.Name()))
}

func TestTemporalsSDKLogsWithItsFields(t *testing.T) {
	file := logFile(t)
	logger := log.With(sdkLogger{newLogger(zapcore.DebugLevel, config.LogJSON, file).Sugar()}, "Namespace", "prod")
	for level, write := range map[string]func(string, ...any){"debug": logger.Debug, "info": logger.Info, "warn": logger.Warn, "error": logger.Error} {
		require.NoError(t, file.Truncate(0))
		_, err := file.Seek(0, 0)
		require.NoError(t, err)
		write("hello", "Attempt", 2)

		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(read(t, file.Name())), &line))
		require.Equal(t, level, line["level"])
		require.Equal(t, "prod", line["Namespace"])
		require.Equal(t, 2.0, line["Attempt"])
	}
}
