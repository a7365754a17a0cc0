package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const unitName = "okta-collector-worker.service"

// unit returns the systemd unit's text, and the path of a copy whose program exists here.
func unit(t *testing.T) (text, path string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		require.Empty(t, os.Getenv("CI"), "systemd-analyze (Debian: systemd) is missing, and CI is set: everything is to be tested")
		t.Skip("systemd-analyze is missing (Debian: systemd)")
	}
	content, err := os.ReadFile(filepath.Join("../linux", unitName))
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), unitName)
	here := strings.Replace(string(content), "\nExecStart=/usr/bin/okta-collector-worker\n", "\nExecStart=/bin/true\n", 1)
	require.NotEqual(t, string(content), here)
	require.NoError(t, os.WriteFile(path, []byte(here), 0o644))
	return string(content), path
}

func TestTheUnitIsWellFormed(t *testing.T) {
	_, path := unit(t)
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), unitName, "no warning about it")
}

func TestTheUnitIsExposedLittle(t *testing.T) {
	_, path := unit(t)
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=19", path).CombinedOutput()
	require.NoError(t, err, "the exposure is 2.0 or more:\n%s", out)
}

func TestTheUnitIsStartedAgainUnlessASettingIsWrong(t *testing.T) {
	text, _ := unit(t)
	for _, line := range []string{"Type=notify", "Restart=always", "RestartPreventExitStatus=2", "StartLimitIntervalSec=0", "WatchdogSec=60",
		"TimeoutStopSec=15", "DynamicUser=yes", "EnvironmentFile=/etc/okta-collector/settings", "LoadCredential=secret:/etc/okta-collector/secrets"} {
		require.Contains(t, text, "\n"+line+"\n")
	}
}

func TestTheUnitsSettingsExistAndItsSecretsAreCredentials(t *testing.T) {
	known := knownSettings(t)
	content, err := os.ReadFile("../linux/settings")
	require.NoError(t, err)
	settings := regexp.MustCompile(`(?m)^(?:# )?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(content), -1)
	require.NotEmpty(t, settings)
	for _, setting := range settings {
		require.True(t, known(setting[1]), setting[1])
		if strings.HasSuffix(setting[1], "_FILE") || strings.HasSuffix(setting[1], "_PATH") {
			require.Regexp(t, `^/run/credentials/`+regexp.QuoteMeta(unitName)+`/secret_[a-z.-]+$`, setting[2])
		}
	}
}
