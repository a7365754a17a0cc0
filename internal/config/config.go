// Package config reads every setting from the environment once. [Load] returns the [Config] of a worker, [LoadPlan] the
// [Plan] of what to start, and [LoadListen] where a worker listens. They report all [Problems] together, so that nobody
// has to correct a deployment one restart at a time.
//
// The settings are declared in variables.go; [Usage] lists them.
package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.uber.org/zap/zapcore"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/risk"
	"okta-collector/internal/secret"
)

// Config has all settings of a worker. The loggers and metrics of its tenants are not set yet.
type Config struct {
	// Tenants are the orgs to collect, in the order of COLLECTOR_TENANTS; at least one.
	Tenants []Tenant
	// TaskQueue is Temporal's task queue for the workflows and activities.
	TaskQueue string
	// StartNew: the worker starts the services that were never started.
	StartNew bool
	// Listen is the host:port of /metrics, /healthz and /readyz.
	Listen    string
	LogLevel  zapcore.Level
	LogFormat LogFormat
	// Risks are settings that work and are dangerous. Those of the connection to Temporal are not among them.
	Risks []risk.Risk
}

// Tenant is one Okta org and the destination of its events.
type Tenant struct {
	Name string
	Okta okta.Config
	Devo devo.Config
	// Services are the services that `starter start` and, with StartNew, the worker start.
	Services []string
	// Tables has the Devo table of every service in the catalog.
	Tables map[string]string
	// Report: the collector also reports about itself to Devo.
	Report bool
}

// LogFormat is how log lines are written.
type LogFormat string

const (
	LogAuto    LogFormat = "auto" // console on a terminal, JSON elsewhere
	LogConsole LogFormat = "console"
	LogJSON    LogFormat = "json"
)

// Plan is the part of the settings that says what to start. It needs no addresses and no credentials, because the
// starter may run where these are absent.
type Plan struct {
	// Given: at least one tenant setting is present. Without one, the plan holds only defaults that nobody asked for.
	Given     bool
	TaskQueue string
	Targets   []Target
}

// Target is one service of one tenant.
type Target struct{ Tenant, Service string }

// Services are what the settings say about the services of one tenant. They need no addresses and no credentials.
type Services struct {
	// Tenant is the tenant's name.
	Tenant string
	// Chosen are the names of the services in OKTA_SERVICES, in the catalog's order.
	Chosen []string
	// Intervals says how often each service is pulled, chosen or not. Nothing else in it is set.
	Intervals okta.Config
}

// LoadServices reads and checks only what says which services of each tenant are pulled, and how often. Its error is
// [Problems].
func LoadServices() ([]Services, error) {
	var found Problems
	_, tenants := read(&found)
	var all []Services
	for _, t := range tenants {
		all = append(all, Services{Tenant: t.name, Chosen: t.services(), Intervals: t.intervals()})
	}
	if len(found) > 0 {
		return nil, found
	}
	return all, nil
}

// Load reads and checks all settings. Its error is [Problems]. The warnings name variables that look like settings but
// are not, and settings that nothing uses. Load can return warnings together with an error.
func Load() (Config, []string, error) {
	var found Problems
	process, tenants := read(&found)
	c := process.config(&found)
	for _, t := range tenants {
		tenant := Tenant{
			Name:     t.name,
			Okta:     t.okta(),
			Devo:     t.devo(),
			Services: t.services(),
			Tables:   t.tables(),
			Report:   t.report(),
		}
		tenant.Okta.MaxObject = tenant.Devo.MaxEvent
		c.Tenants = append(c.Tenants, tenant)
		c.Risks = append(c.Risks, t.risks()...)
	}
	warnings := append(unknownVariables(tenants), unusedCertificates(tenants)...)
	if len(found) > 0 {
		return Config{}, warnings, found
	}
	return c, warnings, nil
}

// LoadPlan reads and checks only COLLECTOR_TENANTS, COLLECTOR_TASK_QUEUE and OKTA_SERVICES. Its warnings and its error
// are like those of [Load].
func LoadPlan() (Plan, []string, error) {
	var found Problems
	process, tenants := read(&found)
	// Without COLLECTOR_TENANTS no variable has a prefix.
	tenantSettings := slices.Concat([]string{"COLLECTOR_TENANTS"}, ownNames, sharedNames)
	p := Plan{Given: slices.ContainsFunc(tenantSettings, isSet), TaskQueue: process.taskQueue(&found)}
	for _, t := range tenants {
		for _, s := range t.services() {
			p.Targets = append(p.Targets, Target{Tenant: t.name, Service: s})
		}
	}
	warnings := unknownVariables(tenants)
	if len(found) > 0 {
		return Plan{}, warnings, found
	}
	return p, warnings, nil
}

// LoadListen reads and checks only COLLECTOR_LISTEN.
func LoadListen() (string, error) {
	var found Problems
	var process processVariables
	reader{found: &found}.fill(&process)
	if listen := process.listen(&found); len(found) == 0 {
		return listen, nil
	}
	return "", found
}

// config returns the settings of the process, without tenants.
func (v processVariables) config(found *Problems) Config {
	c := Config{TaskQueue: v.taskQueue(found), StartNew: v.Start == "new", Listen: v.listen(found), LogFormat: LogFormat(v.LogFormat)}
	if !slices.Contains([]string{"new", "off"}, v.Start) {
		found.add("COLLECTOR_START", "is %s; want new or off", secret.Shown(v.Start))
	}
	var err error
	if c.LogLevel, err = zapcore.ParseLevel(v.LogLevel); err != nil || c.LogLevel > zapcore.ErrorLevel {
		found.add("COLLECTOR_LOG_LEVEL", "is %s; want debug, info, warn or error", secret.Shown(v.LogLevel))
	}
	if !slices.Contains([]LogFormat{LogAuto, LogConsole, LogJSON}, c.LogFormat) {
		found.add("COLLECTOR_LOG_FORMAT", "is %s; want auto, console or json", secret.Shown(v.LogFormat))
	}
	return c
}

func (v processVariables) listen(found *Problems) string {
	_, port, err := net.SplitHostPort(v.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		found.add("COLLECTOR_LISTEN", "is %s; want host:port such as 127.0.0.1:9464, or :9464 for all interfaces", secret.Shown(v.Listen))
	}
	return v.Listen
}

func (v processVariables) taskQueue(found *Problems) string {
	const maxTaskQueue = 1000 // the longest name in bytes that Temporal's default limits accept
	if len(v.TaskQueue) > maxTaskQueue || strings.ContainsFunc(v.TaskQueue, func(r rune) bool { return !unicode.IsPrint(r) }) {
		found.add("COLLECTOR_TASK_QUEUE", "is not usable as a task queue's name; want at most %d printable characters", maxTaskQueue)
	}
	return v.TaskQueue
}
