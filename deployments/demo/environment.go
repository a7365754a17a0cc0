package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
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

// sharedVariables are what every program of the collector needs to work with the demo's Temporal, org and Devo, whatever
// profiles its user has. Secrets are in the files that they name.
func (d *demo) sharedVariables() []string {
	certificates := directory(d.dir.certificates())
	return []string{
		"TEMPORAL_ADDRESS=" + address(d.ports.temporal),
		"TEMPORAL_NAMESPACE=default",
		"TEMPORAL_CONFIG_FILE=" + d.dir.file("no-temporal.toml"), // a file that is not there is no profile
		"OKTA_URL=http://" + address(d.ports.okta),
		"OKTA_API_TOKEN_FILE=" + d.dir.token(),
		"DEVO_URL=tls://" + address(d.ports.devo),
		"DEVO_CHAIN_FILE=" + certificates.file("chain.pem"),
		"DEVO_CERT_FILE=" + certificates.file("client.pem"),
		"DEVO_KEY_FILE=" + certificates.file("client-key.pem"),
	}
}

// settingsScript is what a shell reads to have the demo's settings, and none for a real org beside them.
func (d *demo) settingsScript() string {
	var b strings.Builder
	b.WriteString("# The settings of the demo that runs: source this in a shell, for bin/starter and bin/temporal.\n")
	fmt.Fprintf(&b, "for name in $(env | sed -nE 's/^((%s)[A-Za-z0-9_]*)=.*/\\1/p'); do unset \"$name\"; done\n", strings.Join(foreign, "|"))
	for _, variable := range d.sharedVariables() {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&b, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	return b.String()
}

// workerVariables are the worker's settings. Resources are polled each minute, not each
// quarter of an hour: people are watching.
func (d *demo) workerVariables() []string {
	return append(d.sharedVariables(),
		"OKTA_LOGS_HISTORY=24h",
		"OKTA_POLL_RESOURCES=1m",
		"COLLECTOR_LISTEN="+address(d.ports.metrics),
		"COLLECTOR_LOG_FORMAT=console",
	)
}

// bigOrg are the objects of each service in the simulated org; of what is listed under others, for each of these. The log
// events are more than the budget of a minute brings, so that there is a rate limit to wait for.
const bigOrg = "logs=30000,users=1000,groups=1000,apps=400,clients=300,idps=100,zones=100,app_users=20,app_groups=5,group_members=20"

// ports are those of all programs; 0 is any free one.
type ports struct{ temporal, ui, metrics, okta, devo int }

// wellKnownPorts are those that people know by heart.
var wellKnownPorts = ports{temporal: 7233, ui: 8233, metrics: 9464}

// free returns ports that are free: where one is taken, because there may well be another Temporal on the machine,
// another one instead.
func (p ports) free() (ports, error) {
	for _, port := range []*int{&p.temporal, &p.ui, &p.metrics, &p.okta, &p.devo} {
		listener, err := net.Listen("tcp", address(*port))
		if err != nil {
			listener, err = net.Listen("tcp", address(0))
		}
		if err != nil {
			return p, fmt.Errorf("finding a free port: %w", err)
		}
		defer listener.Close() // only when all are chosen, so that all are different
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// address is that of a port of this machine, for nobody else.
func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
