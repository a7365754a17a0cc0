// Package config reads every setting from the environment once. It reports all problems together, so that nobody has to
// correct a deployment one restart at a time.
//
// The settings themselves are in variables.go; [Usage] lists them.
package config

import (
	"go.uber.org/zap/zapcore"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// Config has all settings of a worker. Its tenants have no loggers and metrics yet.
type Config struct {
	// Tenants are the orgs to collect, in the order of COLLECTOR_TENANTS; at least one.
	Tenants []Tenant
	// TaskQueue is Temporal's task queue for the workflows and activities.
	TaskQueue string
	// Listen is the host:port of /metrics, /healthz and /readyz.
	Listen string
	// LogLevel is the lowest level that is logged.
	LogLevel zapcore.Level
	// LogFormat is how log lines are written.
	LogFormat LogFormat
}

// Tenant is one Okta org and the destination of its events.
type Tenant struct {
	Name string
	Okta okta.Config
	Devo devo.Config
	// Services are the services that `starter start` starts.
	Services []string
	// Tables has the Devo table of every service in the catalog.
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

// Plan is the part of the settings that says what to start. It needs no addresses and no credentials, so that whoever
// starts services need not have them.
type Plan struct {
	// Given: at least one tenant setting is present. Without one, the plan holds only defaults that nobody asked for.
	Given     bool
	TaskQueue string
	Targets   []Target
}

// Target is one service of one tenant.
type Target struct{ Tenant, Service string }

// Load reads and checks all settings. Its error is [Problems]. The warnings are about variables that look like settings
// and are none, and about settings that nothing uses. There may be warnings beside an error.
func Load() (Config, []string, error) {
	var found Problems
	process, tenants, err := read(&found)
	if err != nil {
		return Config{}, nil, err
	}
	c := process.config(&found)
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
	if len(found) > 0 {
		return Config{}, warnings, found
	}
	return c, warnings, nil
}

// LoadPlan reads and checks only COLLECTOR_TENANTS, COLLECTOR_TASK_QUEUE and OKTA_SERVICES. Its warnings and its error
// are like those of [Load].
func LoadPlan() (Plan, []string, error) {
	var found Problems
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
	if len(found) > 0 {
		return Plan{}, warnings, found
	}
	return p, warnings, nil
}

// read reads the variables of the process and of each tenant. It interprets only the tenants' names.
func read(found *Problems) (processVariables, []tenant, error) {
	var process processVariables
	own := func(setting string) string { return processPrefix + setting }
	if err := fill(processPrefix, &process, own, found); err != nil {
		return process, nil, err
	}
	names := tenantNames(process.Tenants, found)
	tenants := make([]tenant, len(names))
	for i, name := range names {
		var err error
		if tenants[i], err = readTenant(name, names, found); err != nil {
			return process, nil, err
		}
	}
	return process, tenants, nil
}
