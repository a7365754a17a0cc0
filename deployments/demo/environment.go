package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"okta-collector/internal/okta"
)

// clientID is the service app of the simulated org.
const clientID = "0oaDemoServiceApp"

// foreign are the prefixes of settings that may be for a real org, Devo or Temporal. The demo's programs must not have them.
var foreign = []string{"OKTA_", "DEVO_", "COLLECTOR_", "TEMPORAL_", "OKTASIM_"}

// environ returns the demo's own environment without foreign settings, and with the variables given.
func environ(given ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
	})
	return append(kept, given...)
}

// sharedVariables are the settings of every program for the demo's Temporal, org and Devo. Temporal's profiles do not
// change them. Secrets are in the files that they name.
func (d *demo) sharedVariables() []string {
	return []string{
		"TEMPORAL_ADDRESS=" + address(d.ports.temporal),
		"TEMPORAL_NAMESPACE=default",
		"TEMPORAL_CONFIG_FILE=" + d.dir.file("no-temporal.toml"), // without the file there are no profiles
		"OKTA_URL=http://" + address(d.ports.okta),
		"OKTA_CLIENT_ID=" + clientID,
		"OKTA_PRIVATE_KEY_FILE=" + d.dir.key(),
		"OKTA_SERVICES=" + okta.GroupDefault + "," + okta.GroupIdentity,
		"DEVO_URL=tls://" + address(d.ports.devo),
		"DEVO_CHAIN_FILE=" + d.dir.file("certificates/chain.pem"),
		"DEVO_CERT_FILE=" + d.dir.file("certificates/client.pem"),
		"DEVO_KEY_FILE=" + d.dir.file("certificates/client-key.pem"),
	}
}

// settingsScript returns a shell script that sets sharedVariables and unsets all other settings.
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

// workerVariables are the worker's settings. It polls resources each minute, not each quarter of an hour, because people
// are watching.
func (d *demo) workerVariables() []string {
	return append(d.sharedVariables(),
		"OKTA_LOGS_HISTORY=24h",
		"OKTA_POLL_RESOURCES=1m",
		"COLLECTOR_LISTEN="+address(d.ports.metrics),
		"COLLECTOR_LOG_FORMAT=console",
	)
}

// bigOrg has the number of objects of each service in the simulated org; of per-object listings, of those under each
// object. The log events exceed the budget of a minute, so that the demo waits for a rate limit. There are few groups and
// clients, because a request is sent for the roles of each.
const bigOrg = "logs=30000,users=1000,groups=60,apps=400,clients=20,idps=100,zones=100,app_users=20,app_groups=5,group_members=20," +
	"group_rules=20,group_owners=2,role_assignees=20,user_roles=2,user_role_apps=2,user_role_groups=2," +
	"group_roles=1,group_role_apps=2,group_role_groups=2,client_roles=1,client_role_apps=2,client_role_groups=2," +
	"roles=5,role_permissions=4,resource_sets=4,resource_set_resources=3,resource_set_bindings=2,resource_set_members=3," +
	"api_tokens=30,devices=500,authenticators=6,authenticator_methods=2,policies=3,policy_rules=2"

// ports are the ports of all programs; 0 is any free one.
type ports struct{ temporal, ui, metrics, okta, devo int }

// wellKnownPorts are Temporal's and Prometheus's usual ports.
var wellKnownPorts = ports{temporal: 7233, ui: 8233, metrics: 9464}

// free replaces the ports that are taken, for instance by another Temporal.
func (p ports) free() (ports, error) {
	for _, port := range []*int{&p.temporal, &p.ui, &p.metrics, &p.okta, &p.devo} {
		listener, err := net.Listen("tcp", address(*port))
		if err != nil {
			listener, err = net.Listen("tcp", address(0))
		}
		if err != nil {
			return p, fmt.Errorf("finding a free port: %w", err)
		}
		defer listener.Close() // after all are chosen, so that they differ
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// address returns the loopback address of a port. No other machine reaches it.
func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
