package test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

const (
	dashboardFile = "../deployments/grafana/dashboard.json"
	rulesFile     = "../deployments/grafana/rules.yaml"
)

// installed returns the path of a program of Debian's package prometheus. Without it the test is
// skipped, but not where everything is to be tested.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("%s is not installed (Debian: prometheus)", program)
	}
	require.NoError(t, err)
	return path
}

func TestAlertRulesAreWellFormedAndDoWhatTheySay(t *testing.T) {
	t.Parallel()
	promtool := installed(t, "promtool")
	for _, args := range [][]string{
		{"check", "rules", rulesFile},
		{"test", "rules", "../deployments/grafana/rules_test.yaml"},
	} {
		out, err := exec.Command(promtool, args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}

// TestEveryPanelAndAlertFindsItsData scrapes a worker that meets a bit of everything with a real Prometheus.
func TestEveryPanelAndAlertFindsItsData(t *testing.T) {
	t.Parallel()
	binary := installed(t, "prometheus")
	s := newStack(t, oktasim.Config{
		Seed:   40,
		Counts: map[string]int{"logs": 12_000, "users": 300, "groups": 50, "apps": 20, "app_users": 2, "zones": 20},
		// The logs never use their share up, app_users do at once.
		Limits:    map[string]int{"/api/v1/logs": 200, "/api/v1/apps": 10},
		LiveEvery: 100 * time.Millisecond,
		Faults:    refusingNowAndThen(),
	})
	s.setOkta("POLL_LOGS", "2s")
	s.startWorker()
	p := startPrometheus(t, binary, s.env["COLLECTOR_LISTEN"])

	s.start("logs", "users", "groups", "zones", "app_users")
	s.wait(tables["logs"], 2_000)
	s.devo.StopReading()
	s.devo.ResetConnections()
	s.eventually("a delivery is lost", func() bool {
		status, err := s.status("logs")
		return err == nil && status.Problems > 0
	})
	s.devo.ResumeReading()
	s.inState("groups", workflows.StateBlocked)
	s.caughtUp("zones")
	s.signal("zones", "pause")
	s.inState("zones", workflows.StatePaused)
	s.caughtUp("logs", "users")
	now := time.Now()
	hours := checkpoint.Range{Since: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}
	require.NoError(t, s.client.SignalWorkflow(t.Context(), s.id("logs"), "", workflows.SignalBackfill, hours))

	// What is shown is about what happened.
	for _, query := range []string{
		`okta_collector_events_total{kind="backfill", service="logs"} > 0`,
		`okta_collector_deliveries_total{outcome="unconfirmed"} > 0`,
		`okta_collector_devo_connections_lost_total > 0`,
		`okta_collector_okta_rate_limited_total{bucket="/api/v1/users", reason="window"} == 1`,
		`okta_collector_okta_rate_limited_total{bucket="/api/v1", reason="concurrency"} == 1`,
		`okta_collector_okta_budget_waits_total{bucket="/api/v1/apps"} > 0`,
		`okta_collector_okta_budget_used{bucket="/api/v1/apps"} == okta_collector_okta_budget_limit`,
		`okta_collector_okta_budget_limit{bucket="/api/v1/logs"} == 100`,
		`okta_collector_slice_failures_total{service="groups", class="blocked"} > 0`,
		`okta_collector_services{service="groups", kind="live", state="blocked"} == 1`,
		`okta_collector_services{service="zones", kind="live", state="paused"} == 1`,
		`okta_collector_services{service="zones", kind="live", state="collecting"} == 0`,
		`okta_collector_services{service="logs", kind="live", state="collecting"} == 1`,
		`time() - okta_collector_caught_up_timestamp_seconds{service="logs"} < 600`,
		`abs(time() - okta_collector_newest_event_timestamp_seconds{service="logs"}) < 600`,
	} {
		p.finds(s, query, query)
	}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			p.finds(s, "the panel "+panel.Title, inGrafana(s.tenant, target.Expr))
		}
	}

	exported, text := p.metrics(s)
	require.NotContains(t, text, s.token)
	for _, name := range []string{"temporal_request_total", "temporal_activity_execution_latency_seconds", "okta_collector_events_total"} {
		kind := "counter"
		if strings.HasSuffix(name, "_seconds") {
			kind = "histogram"
		}
		require.Equal(t, kind, exported[name], name)
	}
	rules := readRules(t)
	for _, rule := range rules {
		for _, name := range metricNames(rule.Expr) {
			p.finds(s, rule.Alert+" asks for "+name, name)
		}
	}
	for _, alert := range []string{"OktaCollectorBlocked", "OktaCollector429"} {
		s.eventually(alert+" is raised", func() bool { return p.alerts()[alert] })
	}
	require.False(t, p.alerts()["OktaCollectorNoWorker"])
	s.worker.kill()
	s.eventually("that there is no worker is noticed", func() bool { return p.alerts()["OktaCollectorNoWorker"] })
	p.requireHealthyRules(len(rules))
}

// refusingNowAndThen forbids groups, and answers each kind of 429 once.
func refusingNowAndThen() func(*http.Request, int) oktasim.Fault {
	var users, zones atomic.Bool
	forbidden := forbidding("/api/v1/groups")
	return func(r *http.Request, n int) oktasim.Fault {
		switch {
		case r.URL.Path == "/api/v1/users" && !users.Swap(true):
			return oktasim.Refuse(http.StatusTooManyRequests, "E0000047")
		case r.URL.Path == "/api/v1/zones" && !zones.Swap(true):
			return oktasim.All(oktasim.Refuse(http.StatusTooManyRequests, "E0000047"), func(a *oktasim.Answer) {
				a.Header.Set("X-Rate-Limit-Limit", "0")
				a.Header.Set("X-Rate-Limit-Remaining", "0")
			})
		case forbidden(r, n) != nil:
			return forbidden(r, n)
		}
		return oktasim.Delay(50 * time.Millisecond)
	}
}

// prometheus is a running Prometheus that scrapes one worker each second.
type prometheus struct {
	t      *testing.T
	url    string
	worker string // its address
}

func startPrometheus(t *testing.T, binary, worker string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(rulesFile)
	require.NoError(t, err)
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - {job_name: okta-collector, static_configs: [{targets: [%q]}]}
`, rules, worker), 0o600))

	p := &prometheus{t: t, url: "http://127.0.0.1:" + freePort(t), worker: worker}
	out := &output{}
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+strings.TrimPrefix(p.url, "http://"))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log("Prometheus:\n" + tail(out.String()))
		}
	})
	return p
}

// get asks the HTTP API. It says false while Prometheus is not up yet.
func (p *prometheus) get(path string, values url.Values, data any) bool {
	p.t.Helper()
	resp, err := http.PostForm(p.url+path, values)
	if values == nil {
		resp, err = http.Get(p.url + path)
	}
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	if resp.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	require.Equal(p.t, http.StatusOK, resp.StatusCode, "%s %s: %s", path, values, body)
	require.NoError(p.t, json.Unmarshal(body, &struct{ Data any }{data}))
	return true
}

// finds waits until a query has a value that is a number.
func (p *prometheus) finds(s *stack, what, query string) {
	s.t.Helper()
	s.eventually(what+" finds data by "+query, func() bool {
		var answer struct {
			Result []struct{ Value [2]any }
		}
		p.get("/api/v1/query", url.Values{"query": {query}}, &answer)
		for _, series := range answer.Result {
			value, err := strconv.ParseFloat(series.Value[1].(string), 64)
			if err == nil && !math.IsNaN(value) {
				return true
			}
		}
		return false
	})
}

// alerts are the alerts that are firing, or that will when they have lasted.
func (p *prometheus) alerts() map[string]bool {
	p.t.Helper()
	var answer struct {
		Alerts []struct{ Labels map[string]string }
	}
	p.get("/api/v1/alerts", nil, &answer)
	raised := map[string]bool{}
	for _, alert := range answer.Alerts {
		raised[alert.Labels["alertname"]] = true
	}
	return raised
}

func (p *prometheus) requireHealthyRules(count int) {
	p.t.Helper()
	var answer struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	require.True(p.t, p.get("/api/v1/rules", nil, &answer))
	require.Len(p.t, answer.Groups, 1)
	require.Len(p.t, answer.Groups[0].Rules, count)
	for _, rule := range answer.Groups[0].Rules {
		require.Equal(p.t, "ok", rule.Health, "%s: %s", rule.Name, rule.LastError)
	}
}

// metrics are the types of the metrics that the worker exports, by name, and the text that it does so in.
func (p *prometheus) metrics(s *stack) (types map[string]string, text string) {
	s.t.Helper()
	resp, err := http.Get("http://" + p.worker + "/metrics")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	types = map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(string(body), -1) {
		types[m[1]] = m[2]
	}
	return types, string(body)
}

type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Query string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	data, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &d))
	require.NotEmpty(t, d.Panels)
	return d
}

// inGrafana is an expression with its variables replaced, as Grafana would.
func inGrafana(tenant, expr string) string {
	return strings.NewReplacer("$tenant", tenant, "$service", ".*", "$job", ".*", "$__rate_interval", "5m").Replace(expr)
}

type rule struct {
	Alert, Expr string
	Annotations map[string]string
}

func readRules(t *testing.T) []rule {
	t.Helper()
	data, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(data, &file))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// metricNames are the metrics that an expression asks for.
func metricNames(expr string) []string {
	return regexp.MustCompile(`\b(?:okta_collector|temporal|process|go)_\w+`).FindAllString(expr, -1)
}
