// Package config reads every setting from the environment, once, and reports all that
// is wrong with them together, so that nobody has to mend a deployment one restart at
// a time.
//
// The settings themselves are in variables.go; [Usage] lists them.
package config

import (
	"strings"

	"github.com/kelseyhightower/envconfig"
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// Config is everything that the worker needs to know. Its tenants have no loggers and
// metrics yet.
type Config struct {
	// Tenants are the orgs to collect, in the order of COLLECTOR_TENANTS; at least one.
	Tenants []Tenant
	// TaskQueue is Temporal's task queue of the workflows and activities.
	TaskQueue string
	// Listen is the host:port of /metrics, /healthz and /readyz.
	Listen string
	// LogLevel is the lowest level that is logged.
	LogLevel zapcore.Level
	// LogFormat is how log lines are written.
	LogFormat LogFormat
}

// Tenant is one Okta org, and where its events go.
type Tenant struct {
	Name string
	Okta okta.Config
	Devo devo.Config
	// Services are those that `starter start` starts.
	Services []string
	// Tables gives every service of the catalog its Devo table.
	Tables map[string]string
	// Report says whether Devo is told about the collector itself.
	Report bool
}

// LogFormat is how log lines are written.
type LogFormat string

const (
	LogAuto    LogFormat = "auto" // console on a terminal, JSON elsewhere
	LogConsole LogFormat = "console"
	LogJSON    LogFormat = "json"
)

// Plan is the part of the settings that says what to start. It needs no addresses and
// no credentials, so that one who starts services need not hold them.
type Plan struct {
	// Given says whether the environment has any setting of a tenant: where it has none, what is planned
	// is nobody's plan, but the defaults.
	Given     bool
	TaskQueue string
	Targets   []Target
}

// Target is one service of one tenant.
type Target struct{ Tenant, Service string }

// Problems are everything that is wrong with the settings: a line for each, which names
// the variable, what is wrong and what is allowed. Their values are quoted, credentials never are.
type Problems []string

// Error lists the problems, each on a line of its own.
func (p Problems) Error() string {
	if len(p) == 1 {
		return "a setting is wrong: " + p[0]
	}
	return "settings are wrong:\n  " + strings.Join(p, "\n  ")
}

// Load reads and checks all settings. The warnings are about variables that look like
// settings and are none, or that nothing uses; they are valid with an error too. The error is [Problems].
func Load() (Config, []string, error) {
	var found findings
	process, tenants, err := read(&found)
	if err != nil {
		return Config{}, nil, err
	}
	c := Config{
		TaskQueue: process.taskQueue(&found),
		Listen:    process.listen(&found),
		LogLevel:  process.logLevel(&found),
		LogFormat: process.logFormat(&found),
	}
	for _, t := range tenants {
		c.Tenants = append(c.Tenants, Tenant{
			Name:     t.name,
			Okta:     t.okta(&found),
			Devo:     t.devo(&found),
			Services: t.services(&found),
			Tables:   t.tables(&found),
			Report:   t.report(&found),
		})
	}
	warnings := append(unknown(tenants), unused(tenants)...)
	if err := found.err(); err != nil {
		return Config{}, warnings, err
	}
	return c, warnings, nil
}

// LoadPlan reads and checks only COLLECTOR_TENANTS, COLLECTOR_TASK_QUEUE and
// OKTA_SERVICES. Warnings and errors are as those of [Load].
func LoadPlan() (Plan, []string, error) {
	var found findings
	process, tenants, err := read(&found)
	if err != nil {
		return Plan{}, nil, err
	}
	p := Plan{Given: given(tenants), TaskQueue: process.taskQueue(&found)}
	for _, t := range tenants {
		for _, s := range t.services(&found) {
			p.Targets = append(p.Targets, Target{Tenant: t.name, Service: s})
		}
	}
	warnings := unknown(tenants)
	if err := found.err(); err != nil {
		return Plan{}, warnings, err
	}
	return p, warnings, nil
}

// read takes the variables from the environment, uninterpreted but for the tenants' names.
func read(found *findings) (processVariables, []tenant, error) {
	var process processVariables
	if err := envconfig.Process(processPrefix, &process); err != nil {
		return process, nil, err
	}
	tidy(processPrefix, &process, func(variable string) string { return variable }, found)
	names := tenantNames(process.Tenants, found)
	tenants := make([]tenant, 0, len(names))
	for _, name := range names {
		t, err := readTenant(name, names, found)
		if err != nil {
			return process, nil, err
		}
		tenants = append(tenants, t)
	}
	return process, tenants, nil
}
