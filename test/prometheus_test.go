package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

const (
	dashboardFile = "../deployments/grafana/dashboard.json"
	rulesFile     = "../deployments/grafana/rules.yaml"
)

// installed returns the path of a program of Debian's package prometheus.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program+" (Debian: prometheus)")
	}
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

// TestEveryPanelAndAlertFindsItsData scrapes a worker that meets a bit of everything with a real Prometheus: each
// panel finds data, without the 0 that is shown in place of none, and each alert is raised by what it is about.
func TestEveryPanelAndAlertFindsItsData(t *testing.T) {
	t.Parallel()
	binary := installed(t, "prometheus")
	var faults aBitOfEverything
	s := newStack(t, oktasim.Config{
		Seed:   40,
		Counts: map[string]int{"logs": 12_000, "users": 300, "groups": 50, "apps": 60, "app_users": 2, "clients": 20, "zones": 20, "idps": 5},
		// app_users use their share up at once.
		Limits:    map[string]int{"/api/v1/logs": 200, "/api/v1/apps": 10},
		LiveEvery: 100 * time.Millisecond,
		Faults:    faults.next,
	})
	s.setOkta("POLL_LOGS", "2s")
	// Nothing of the idps is ever confirmed.
	s.devo.SetHooks(devosim.Hooks{Record: func(a devosim.Arrival) {
		if a.Tag == tables["idps"] {
			s.devo.ResetConnection(a.Peer)
		}
	}})
	s.startWorker()
	p := startPrometheus(t, binary, s.env["COLLECTOR_LISTEN"])

	s.start("logs", "users", "groups", "clients", "zones", "idps", "app_users")
	s.eventually("clients are being fetched", faults.clients.Load)
	s.signal("clients", workflows.SignalBackfill)
	everything := workflows.BackfillID(s.tenant, "clients", checkpoint.Range{})
	t.Cleanup(func() { _ = s.client.TerminateWorkflow(context.Background(), everything, "", "the test is over") })
	s.eventually("a backfill begins, which does not end", func() bool {
		_, err := s.client.DescribeWorkflowExecution(t.Context(), everything, "")
		return err == nil
	})
	// What its worker then tells Temporal of it is refused.
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), s.id("clients"), "", "as nobody should"))
	s.inState("groups", workflows.StateBlocked)
	s.caughtUp("zones")
	s.signal("zones", "pause")
	s.inState("zones", workflows.StatePaused)
	s.caughtUp("logs", "users")
	now := time.Now()
	hours := checkpoint.Range{Since: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}
	require.NoError(t, s.client.SignalWorkflow(t.Context(), s.id("logs"), "", workflows.SignalBackfill, hours))
	s.eventually("the idps were sent so often that somebody should know", func() bool {
		s.signal("idps", workflows.SignalResume) // which does not wait as long as is proper
		return p.has(`okta_collector_deliveries_total{outcome="unconfirmed", service="idps"} > 10`)
	})

	queries := []string{ // that what is shown is about what happened
		`okta_collector_events_total{kind="backfill", service="logs"} > 0`,
		`okta_collector_events_unconfirmed_total{service="idps"} > 50`,
		`okta_collector_devo_connections_lost_total > 0`,
		`okta_collector_okta_rate_limited_total{window="/api/v1/users", reason="window"} == 1`,
		`okta_collector_okta_rate_limited_total{window="/api/v1/zones", reason="concurrency"} == 1`,
		`okta_collector_okta_budget_waits_total{window="/api/v1/apps"} > 0`,
		`okta_collector_okta_budget_used{window="/api/v1/apps"} == okta_collector_okta_budget_limit`,
		`okta_collector_okta_budget_limit{window="/api/v1/logs"} == 100`,
		`temporal_request_failure_total{operation="RecordActivityTaskHeartbeat"} > 0`,
		`okta_collector_slice_failures_total{service="groups", class="blocked"} > 0`,
		`okta_collector_services{service="groups", kind="live", state="blocked"} == 1`,
		`okta_collector_services{service="zones", kind="live", state="paused"} == 1`,
		`okta_collector_services{service="zones", kind="live", state="collecting"} == 0`,
		`okta_collector_services{service="logs", kind="live", state="collecting"} == 1`,
		`okta_collector_services{service="clients", kind="backfill", state="collecting"} == 1`,
		`abs(time() - okta_collector_caught_up_timestamp_seconds{service="logs"}) < 600`,
		`abs(time() - okta_collector_newest_event_timestamp_seconds{service="logs"}) < 600`,
	}
	dashboard := readDashboard(t)
	for _, variable := range dashboard.Templating.List {
		queries = append(queries, metricNames(variable.Query)...)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries = append(queries, inGrafana(s.tenant, strings.TrimSuffix(target.Expr, " or vector(0)")))
		}
	}
	p.findData(s, queries)
	requireConventions(t, s)

	p.raises(s, map[string][]string{
		"OktaCollectorStale":     {"idps"},
		"OktaCollectorBlocked":   {"groups"},
		budgetExhausted:          {"/api/v1/apps"},
		"OktaCollector429":       {"/api/v1/users", "/api/v1/zones"},
		"OktaCollectorSentAgain": {"idps"},
		"OktaCollectorDevoAway":  {"idps"},
	})
	s.worker.kill()
	s.eventually("that there is no worker is noticed", func() bool { return p.alerts()["OktaCollectorNoWorker"] != nil })
	p.requireHealthyRules(16)
}

// aBitOfEverything forbids groups, answers each kind of 429 once, and never about clients.
type aBitOfEverything struct{ users, zones, clients atomic.Bool }

func (f *aBitOfEverything) next(r *http.Request, _ int) oktasim.Fault {
	tooMany := oktasim.Refuse(http.StatusTooManyRequests, "E0000047")
	switch {
	case r.URL.Path == "/api/v1/groups":
		return oktasim.Refuse(http.StatusForbidden, "E0000006")
	case r.URL.Path == "/api/v1/users" && !f.users.Swap(true):
		return tooMany
	case r.URL.Path == "/api/v1/zones" && !f.zones.Swap(true):
		return oktasim.All(tooMany, func(a *oktasim.Answer) {
			a.Header.Set("X-Rate-Limit-Limit", "0")
			a.Header.Set("X-Rate-Limit-Remaining", "0")
		})
	case r.URL.Path == "/oauth2/v1/clients":
		f.clients.Store(true)
		return oktasim.Delay(time.Hour)
	}
	return oktasim.Delay(50 * time.Millisecond)
}

// prometheus is a running Prometheus that scrapes one worker each second.
type prometheus struct {
	t   *testing.T
	url string
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

	p := &prometheus{t: t, url: "http://" + freeAddress(t)}
	out := &output{}
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--log.level=warn", "--web.listen-address="+strings.TrimPrefix(p.url, "http://"))
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

// has says whether a query has a value now that is a number.
func (p *prometheus) has(query string) bool {
	p.t.Helper()
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
}

// findData waits until each of the queries has had data. Some only have it now and then, as between two
// rate-limit windows.
func (p *prometheus) findData(s *stack, queries []string) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Log("without data:\n" + strings.Join(queries, "\n"))
		}
	}()
	s.eventually("every query finds data", func() bool {
		queries = slices.DeleteFunc(queries, p.has)
		return len(queries) == 0
	})
}

// budgetExhausted is an alert that other windows may raise too. A backfill joins the window of its service and may have to wait.
// If a slice is lost, all that it may have used counts as used.
const budgetExhausted = "OktaCollectorBudgetExhausted"

// raises waits until just these alerts are raised, each by just these services or windows.
func (p *prometheus) raises(s *stack, want map[string][]string) {
	s.t.Helper()
	var raised map[string][]string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("raised: %v", raised)
		}
	}()
	s.eventually("each alert is raised by what it is about", func() bool {
		raised = p.alerts()
		raised[budgetExhausted] = slices.DeleteFunc(raised[budgetExhausted], func(window string) bool { return !slices.Contains(want[budgetExhausted], window) })
		return reflect.DeepEqual(want, raised)
	})
}

// alerts are the alerts that are firing, or that will when they have lasted, and what raises each: services, buckets
// or jobs.
func (p *prometheus) alerts() map[string][]string {
	p.t.Helper()
	var answer struct {
		Alerts []struct{ Labels map[string]string }
	}
	p.get("/api/v1/alerts", nil, &answer)
	raised := map[string][]string{}
	for _, alert := range answer.Alerts {
		name := alert.Labels["alertname"]
		raised[name] = append(raised[name], alert.Labels["service"]+alert.Labels["window"]+alert.Labels["job"])
		slices.Sort(raised[name])
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

// requireConventions looks at what the worker exports: that what only grows says so, Temporal's SDK's
// metrics too, and that nothing secret is there.
func requireConventions(t *testing.T, s *stack) {
	t.Helper()
	body := s.served("/metrics")
	require.NotContains(t, body, s.token)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE ((?:okta_collector|temporal)_\S+) (\S+)$`).FindAllStringSubmatch(body, -1) {
		name, kind := m[1], m[2]
		require.Equal(t, strings.HasSuffix(name, "_total"), kind == "counter", name)
		require.NotEqual(t, "untyped", kind, name)
	}
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

// metricNames are the metrics that an expression asks for.
func metricNames(expr string) []string {
	return regexp.MustCompile(`\b(?:okta_collector|temporal|process|go)_\w+`).FindAllString(expr, -1)
}
