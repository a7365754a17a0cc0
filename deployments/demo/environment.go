package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// token is what the simulated org lets one in with. It opens nothing else.
const token = "00-token-of-the-simulated-org"

// foreign are the prefixes of settings that somebody may have for a real org, a real Devo
// or a real Temporal: the demo's programs must not see them.
var foreign = []string{"OKTA_", "DEVO_", "COLLECTOR_", "TEMPORAL_", "OKTASIM_"}

// environ is the demo's own environment, without foreign settings and with those given.
func environ(given ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
	})
	return append(kept, given...)
}

// temporalVariables point a program at the demo's Temporal, whatever profiles its user has.
func (d *demo) temporalVariables() []string {
	return []string{
		"TEMPORAL_ADDRESS=" + address(d.temporalPort),
		"TEMPORAL_NAMESPACE=default",
		"TEMPORAL_CONFIG_FILE=" + filepath.Join(d.dir.path, "no-temporal.toml"), // a file that is not there is no profile
	}
}

// workerVariables are the worker's settings. Resources are polled each minute, not each
// quarter of an hour: people are watching.
func (d *demo) workerVariables() []string {
	certificates := d.dir.certificates()
	return append(d.temporalVariables(),
		"OKTA_URL="+d.oktaURL,
		"OKTA_API_TOKEN="+token,
		"OKTA_LOGS_HISTORY=24h",
		"OKTA_POLL_RESOURCES=1m",
		"DEVO_URL="+d.devoURL,
		"DEVO_CHAIN_FILE="+filepath.Join(certificates, "chain.pem"),
		"DEVO_CERT_FILE="+filepath.Join(certificates, "client.pem"),
		"DEVO_KEY_FILE="+filepath.Join(certificates, "client-key.pem"),
		"COLLECTOR_LISTEN="+address(d.metricsPort),
		"COLLECTOR_LOG_FORMAT=console",
	)
}

// org is the content of the simulated org.
type org struct {
	// counts are objects of each service; of what is listed under others, for each of these.
	counts string
	// about says the same to people.
	about string
}

// bigOrg has more log events than the budget of a minute brings, so that there is a rate
// limit to wait out.
var bigOrg = org{
	counts: "logs=30000,users=1000,groups=1000,apps=400,clients=300,idps=100,zones=100,app_users=20,app_groups=5,group_members=20",
	about:  "30,000 events of the last day and 4 a second",
}

// arguments are those of the program that simulates the org. The backlog is younger than the
// history that is collected (24h), so that all of it counts.
func (o org) arguments(dir directory) []string {
	return []string{
		"--listen", address(0), "--state", dir.origin(), "--counts", o.counts,
		"--backlog-span", "23h", "--live-every", "250ms", "--change-every", "2s",
	}
}

// find returns the path of a program.
func find(bin, name string) (string, error) {
	path := filepath.Join(bin, name)
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return "", usageError{fmt.Errorf("%s is missing; build it with: make demo", path)}
	}
	return path, nil
}
