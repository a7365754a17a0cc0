package deployments_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

type composeFile struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		EnvFile     []string `yaml:"env_file"`
		Build       struct{ Args map[string]string }
		Healthcheck struct{ Test []string }
		Restart     string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Secrets     []any
		Volumes     []any
		Ports       []string
		Privileged  bool
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		SecurityOpt []string `yaml:"security_opt"`
	}
}

func readCompose(t *testing.T) (compose composeFile) {
	t.Helper()
	readYAML(t, "compose.yaml", &compose)
	require.Contains(t, compose.Services, "worker")
	return compose
}

func TestInComposeTheOperatorsSettingsHold(t *testing.T) {
	worker := readCompose(t).Services["worker"]
	require.Empty(t, worker.Environment, "it would hold before every file")
	require.Equal(t, []string{"compose.env", "collector.env"}, worker.EnvFile, "the last one holds")
	defaults, err := os.ReadFile("compose.env")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^TEMPORAL_ADDRESS=temporal:7233$`, string(defaults))
}

func TestInComposeTheSecretsAreADirectory(t *testing.T) {
	worker := readCompose(t).Services["worker"]
	require.Empty(t, worker.Secrets, "each would be demanded, and would keep its content when mv replaces it")
	require.Equal(t, []any{map[string]any{"type": "bind", "source": "./secrets", "target": "/run/secrets", "read_only": true,
		"bind": map[string]any{"create_host_path": false}}}, worker.Volumes)
	example, err := os.ReadFile("collector.env.example")
	require.NoError(t, err)
	files := regexp.MustCompile(`(?m)_FILE=(.*)$`).FindAllStringSubmatch(string(example), -1)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.Regexp(t, `^/run/secrets/[a-z.-]+$`, file[1])
	}
}

func TestInComposeEverythingThatRunsIsAskedForItsHealth(t *testing.T) {
	services := readCompose(t).Services
	require.Equal(t, []string{"CMD", "/worker", "--health"}, services["worker"].Healthcheck.Test)
	for name, service := range services {
		if service.Restart == "unless-stopped" {
			require.NotEmpty(t, service.Healthcheck.Test, name)
			require.Equal(t, "CMD", service.Healthcheck.Test[0], "the worker's image has no shell, and later ones of Temporal have none")
		}
	}
}

func TestInComposePositionsLast90Days(t *testing.T) {
	retention := readCompose(t).Services["retention"]
	require.Equal(t, "service_healthy", retention.DependsOn["temporal"].Condition)
	require.Equal(t, "on-failure", retention.Restart)
	require.Equal(t, "2160h", retention.Command[len(retention.Command)-1])
}

func TestComposePinsWhatItRuns(t *testing.T) {
	for name, service := range readCompose(t).Services {
		require.Regexp(t, `:(\d+\.\d+\.\d+\}?|\$\{VERSION:\?.+\})$`, service.Image, name)
	}
	require.Equal(t, map[string]string{"VERSION": "${VERSION}"}, readCompose(t).Services["worker"].Build.Args)
}
