package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

const (
	small = "compose.yaml"
	full  = "compose.full.yaml"
)

// project loads a compose file as `docker compose` does, with the example of settings as it is.
func project(t *testing.T, file string) *compose.Project {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{file: file, "compose.env": "compose.env", ".env.example": ".env"} {
		content, err := os.ReadFile(filepath.Join("..", from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), content, 0o600))
	}
	return load(t, dir, file, "VERSION=v1.2.3")
}

func load(t *testing.T, dir, file string, environment ...string) *compose.Project {
	t.Helper()
	loaded, err := loader.LoadWithContext(t.Context(), compose.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []compose.ConfigFile{{Filename: filepath.Join(dir, file)}},
		Environment: compose.NewMapping(environment),
	}, func(o *loader.Options) { o.SetProjectName("okta-collector", true) })
	require.NoError(t, err)
	return loaded
}

func eachProject(t *testing.T, test func(t *testing.T, p *compose.Project)) {
	for _, file := range []string{small, full} {
		t.Run(file, func(t *testing.T) { test(t, project(t, file)) })
	}
}

func TestTheSmallComposeIsTemporalAndAWorker(t *testing.T) {
	p := project(t, small)
	require.ElementsMatch(t, []string{"temporal", "retention", "worker"}, p.ServiceNames())
	require.Equal(t, "volume", p.Services["temporal"].Volumes[0].Type)
	require.Empty(t, p.Services["worker"].DependsOn, "it waits for Temporal by itself")

	retention := p.Services["retention"]
	require.Equal(t, compose.ServiceConditionHealthy, retention.DependsOn["temporal"].Condition)
	require.Equal(t, compose.RestartPolicyOnFailure, retention.Restart)
	require.Equal(t, "2160h", retention.Command[len(retention.Command)-1], "positions last 90 days")
}

func TestTheFullComposeHasEverythingThatProductionWatches(t *testing.T) {
	p := project(t, full)
	require.ElementsMatch(t, []string{"postgresql", "schema", "temporal", "web-ui", "setup", "worker", "prometheus", "grafana"}, p.ServiceNames())
	require.Equal(t, 2, *p.Services["worker"].Deploy.Replicas)
	require.Empty(t, p.Services["worker"].Ports, "two workers cannot have one port of the machine")
	require.EqualValues(t, []string{"/okta-collector", "setup"}, p.Services["setup"].Entrypoint)
	require.Equal(t, compose.ServiceConditionCompletedSuccessfully, p.Services["temporal"].DependsOn["schema"].Condition)
	for service, file := range map[string]string{"prometheus": "../grafana/rules.yaml", "grafana": "../grafana/dashboard.json"} {
		mounted := p.Services[service].Volumes[1]
		require.True(t, mounted.ReadOnly)
		require.Equal(t, filepath.Base(file), filepath.Base(mounted.Source))
		require.FileExists(t, file)
	}
	require.Contains(t, p.Configs["prometheus"].Content, "names: [worker]")
	require.Contains(t, p.Configs["prometheus"].Content, p.Services["prometheus"].Volumes[1].Target)
	require.Contains(t, p.Configs["dashboards"].Content, filepath.Dir(p.Services["grafana"].Volumes[1].Target))
}

func TestInComposeTheOperatorsSettingsHold(t *testing.T) {
	for _, file := range []string{small, full} {
		dir := t.TempDir()
		for name, content := range map[string]string{"compose.env": "DEVO_HOSTNAME=default\nCOLLECTOR_START=new\n", ".env": "DEVO_HOSTNAME=mine\n"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
		content, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), content, 0o600))
		environment := load(t, dir, file, "VERSION=v1.2.3").Services["worker"].Environment
		require.Equal(t, "mine", *environment["DEVO_HOSTNAME"], file)
		require.Equal(t, "new", *environment["COLLECTOR_START"], file)
	}
}

func TestInComposeSecretsAreFiles(t *testing.T) {
	eachProject(t, func(t *testing.T, p *compose.Project) {
		worker := p.Services["worker"]
		require.Empty(t, worker.Secrets, "each would be demanded, and would keep its content when mv replaces it")
		require.Len(t, worker.Volumes, 1)
		secrets := worker.Volumes[0]
		require.Equal(t, "/run/secrets", secrets.Target)
		require.True(t, secrets.ReadOnly)
		require.False(t, bool(secrets.Bind.CreateHostPath))
		for name, service := range p.Services {
			for setting, value := range service.Environment {
				require.NotRegexp(t, `(?i)(password|pwd|token|secret|api_key)$`, setting, name)
				if strings.HasSuffix(setting, "_FILE") {
					require.Regexp(t, `^/run/secrets/[a-z.-]+$`, *value, name)
				}
			}
			for _, secret := range service.Secrets {
				require.Regexp(t, `/passwords/`+secret.Source+`$`, p.Secrets[secret.Source].File, "the worker does not have them")
			}
		}
	})
}

func TestInComposeEverythingThatRunsIsAskedForItsHealth(t *testing.T) {
	eachProject(t, func(t *testing.T, p *compose.Project) {
		require.EqualValues(t, []string{"CMD", "/okta-collector-worker", "--health"}, p.Services["worker"].HealthCheck.Test)
		for name, service := range p.Services {
			if service.Restart == compose.RestartPolicyUnlessStopped {
				require.NotNil(t, service.HealthCheck, name)
				require.Equal(t, "CMD", service.HealthCheck.Test[0], "%s: the worker's image has no shell, and later ones of Temporal have none", name)
			} else {
				require.Equal(t, compose.RestartPolicyOnFailure, service.Restart, name)
			}
		}
	})
}

func TestComposePinsWhatItRuns(t *testing.T) {
	eachProject(t, func(t *testing.T, p *compose.Project) {
		for name, service := range p.Services {
			require.Regexp(t, `:v?\d+\.\d+(\.\d+)?$`, service.Image, name)
		}
		require.Equal(t, "v1.2.3", *p.Services["worker"].Build.Args["VERSION"])
	})
	for _, file := range []string{small, full} {
		content, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		for _, image := range regexp.MustCompile(`(?m)^\s+image: (?:&\w+ )?(.*)$`).FindAllStringSubmatch(string(content), -1) {
			require.Regexp(t, `^(\$\{[A-Z_]+_IMAGE:-[a-z/-]+:v?[0-9.]+\}|okta-collector:\$\{VERSION:\?.*\}|\*temporal)$`, image[1],
				"a digest in .env can take its place")
		}
	}
}

func TestComposeGivesNoRights(t *testing.T) {
	eachProject(t, func(t *testing.T, p *compose.Project) {
		worker := p.Services["worker"]
		require.True(t, worker.ReadOnly)
		require.Equal(t, []string{"ALL"}, worker.CapDrop)
		require.Contains(t, worker.SecurityOpt, "no-new-privileges")
		require.Greater(t, time.Duration(*worker.StopGracePeriod), 10*time.Second, "a worker takes up to 9.5 s to stop")
		for name, service := range p.Services {
			require.False(t, service.Privileged, name)
			for _, port := range service.Ports {
				require.Equal(t, "127.0.0.1", port.HostIP, "%s is for this machine only", name)
			}
		}
	})
}

func TestEverySettingOfComposeExists(t *testing.T) {
	known := knownSettings(t)
	for _, file := range []string{"compose.env", ".env.example"} {
		content, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		for _, assignment := range regexp.MustCompile(`(?m)^(?:# )?([A-Z_]+)=`).FindAllStringSubmatch(string(content), -1) {
			require.True(t, known(assignment[1]) || assignment[1] == "VERSION", "%s: %s is no setting", file, assignment[1])
		}
	}
}
