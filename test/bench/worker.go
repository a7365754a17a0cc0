package main

import (
	"context"
	"path/filepath"
	"strings"

	"okta-collector/internal/devosim"
	"okta-collector/test/loopback"
)

// tenantSettings are those of a tenant's org.
func tenantSettings(tenant, url string) []string {
	prefix := strings.ToUpper(tenant)
	return []string{prefix + "_OKTA_URL=" + url, prefix + "_OKTA_API_TOKEN=" + token}
}

// startWorker starts a worker of these tenants and waits until it is ready. It also returns the worker's environment, for
// the starter. how changes the program, for instance to run it in a container.
func (s *stage) startWorker(ctx context.Context, env, tenants []string, how func(program) program) (*process, []string, error) {
	listen, err := loopback.FreeAddress()
	if err != nil {
		return nil, nil, err
	}
	env = append([]string{
		"TEMPORAL_ADDRESS=" + s.address, "COLLECTOR_LISTEN=" + listen,
		"COLLECTOR_TENANTS=" + strings.Join(tenants, ","), "COLLECTOR_TASK_QUEUE=" + tenants[0],
	}, env...)
	worker, err := s.start(ctx, how(program{name: "worker-" + tenants[0], path: s.path("okta-collector-worker"), env: env}))
	if err != nil {
		return nil, nil, err
	}
	return worker, env, worker.ready(ctx, func(ctx context.Context) error { return loopback.Get(ctx, "http://"+listen+"/readyz", nil) })
}

// startDevo starts a stand-in for Devo in this process. The settings ship to it, over HTTPS or by syslog.
func (s *stage) startDevo(https bool) (devo *devosim.Server, settings []string, err error) {
	devo, err = devosim.Start(devosim.Config{Dir: filepath.Join(s.dir, "certificates"), Domain: "bench", Token: "devo-" + token})
	if err != nil {
		return nil, nil, err
	}
	pki := devo.PKI()
	settings = []string{"DEVO_CHAIN_FILE=" + pki.ChainFile, "DEVO_REPORT=off"}
	if https {
		return devo, append(settings, "DEVO_URL="+devo.HTTPURL(), "DEVO_DOMAIN=bench", "DEVO_TOKEN=devo-"+token), nil
	}
	return devo, append(settings, "DEVO_URL="+devo.SyslogURL(), "DEVO_CERT_FILE="+pki.ClientCertFile, "DEVO_KEY_FILE="+pki.ClientKeyFile), nil
}
