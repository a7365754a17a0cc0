package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"okta-collector/activities"
	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/expiry"
	"okta-collector/internal/okta"
	"okta-collector/internal/risk"
	"okta-collector/internal/temporalclient"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// checkTimeout bounds one check of Okta or Devo.
const checkTimeout = 30 * time.Second

func newCheck(connect connector) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look at Temporal, ask Okta one cheap request for each service, and connect to Devo; say what is missing",
		Long: `Checks the settings, Temporal (the namespace and how long it keeps closed workflows, the search
attributes, the workers on the task queue), the permission for each service in OKTA_SERVICES, and the
connection to Devo, from this machine and with the settings of this shell, without collecting
anything: a worker may have others. It names settings that are risks: what is sent in the clear, and
files with secrets that others may read. It shows when the certificates for Devo and Temporal end,
and warns of those that end within 30 days. It shows how many requests a minute OKTA_RATE_SHARE
makes of the limit of each endpoint, and warns of empty lists and of services that the org does not
have. Of a service app it shows when its key ends, which scopes are granted, and whether its tokens are
bound to the worker's key (DPoP). Exit code 1 if something is missing. --send also sends one record of DEVO_MAX_EVENT to the table
my.app.okta.check, and says what to look for in Devo: a receiver that truncates long records tells no
sender so. -o json prints an array of objects: tenant (empty for Temporal), check (what was asked),
ok, error where it is not, warning, remedy, note, found, notInOrg, empty, limits (path, limit, perMinute), grants (scopes, granted, dpop) and keyEnds.`,
		Args: cobra.NoArgs,
	}
	asJSON := outputFlag(cmd)
	send := cmd.Flags().Bool("send", false, "send one record of DEVO_MAX_EVENT to the table my.app.okta.check")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadTenants(cmd)
		if err != nil {
			return err
		}
		owner := sync.OnceValue(func() string { return namespaceOf(cmd.Context(), connect) })
		results := checkTemporal(cmd.Context(), connect, cfg.TaskQueue)
		for _, tenant := range cfg.Tenants {
			if strings.HasPrefix(tenant.Devo.URL, "file:") {
				tenant.Devo.Owner = owner()
			}
			results = append(results, checkTenant(cmd.Context(), tenant, *send)...)
		}
		results = append(results, risky(append(cfg.Risks, temporalclient.Risks()...), tenantFlag(cmd))...)
		out, failed := cmd.OutOrStdout(), 0
		for _, r := range results {
			if !r.OK {
				failed++
			}
		}
		err = show(out, *asJSON, results, func() string { return renderChecks(results, terminal.Width(out)) })
		if err == nil && failed > 0 {
			err = fmt.Errorf("%d of %d checks failed", failed, len(results))
		}
		return err
	}
	return cmd
}

// loadTenants reads all settings, and warns of what is odd in them. If --tenant is given, it keeps that tenant only.
func loadTenants(cmd *cobra.Command) (config.Config, error) {
	cfg, warnings, err := config.Load()
	warn(cmd, warnings...)
	if err != nil {
		return cfg, usage(err)
	}
	if wanted := tenantFlag(cmd); wanted != "" {
		cfg.Tenants = slices.DeleteFunc(cfg.Tenants, func(t config.Tenant) bool { return t.Name != wanted })
		if len(cfg.Tenants) == 0 {
			return cfg, usagef("tenant %q is not in COLLECTOR_TENANTS", wanted)
		}
	}
	return cfg, nil
}

// risky returns a warning for each setting that is a risk, of the process and of one tenant or of all.
func risky(risks []risk.Risk, tenant string) (results []result) {
	for _, r := range risks {
		if tenant == "" || r.Tenant == "" || r.Tenant == tenant {
			results = append(results, result{Tenant: r.Tenant, Check: "setting " + r.Setting, OK: true, Warning: r.String()})
		}
	}
	return results
}

// renderChecks returns the table of the results, with what is wrong or unusual below it.
func renderChecks(results []result, width int) string {
	t := newTable("tenant", "what", "result", "found")
	var notes []note
	for _, r := range results {
		said, name := "ok", strings.TrimSpace(r.Tenant+" "+r.Check)
		switch {
		case !r.OK:
			said = "FAILED, see below"
			notes = append(notes, problemNote(name, r.problem))
		case r.NotInOrg:
			said = "not in this org, see below"
			notes = append(notes, problemNote(name, r.problem))
		case r.Warning != "":
			said = "ok, but see below"
			notes = append(notes, note{names: []string{name}, what: "warning", text: r.Warning, remedy: r.Remedy})
		case r.Note != "":
			said = "ok, see below"
			notes = append(notes, note{names: []string{name}, text: r.Note})
		}
		var found []string
		for _, line := range r.Found { // such as the identities of workers
			found = append(found, cell(line))
		}
		for _, g := range r.Grants {
			found = append(found, renderGrant(g))
		}
		for _, l := range r.Limits {
			of := fmt.Sprintf("of %d requests a minute", l.Limit)
			if l.Limit == 0 {
				of = "requests a minute; no limit shown"
			}
			found = append(found, fmt.Sprintf("%s: %d %s", l.Path, l.PerMinute, of))
		}
		t.AppendRow(table.Row{r.Tenant, r.Check, said, strings.Join(found, "\n")})
	}
	return t.Render() + renderNotes(notes, time.Now(), width)
}

// result is the outcome of one check.
type result struct {
	Tenant string `json:"tenant"`
	// Check is what was checked: a part of Temporal, okta and a service, or devo and its address.
	Check string `json:"check"`
	// OK: the check passed. It also passes for a collection that the org does not have.
	OK      bool   `json:"ok"`
	Error   string `json:"error,omitempty"`
	Warning string `json:"warning,omitempty"`
	// Remedy is a command against what the warning says.
	Remedy string `json:"remedy,omitempty"`
	// Note says what somebody has to look at.
	Note string `json:"note,omitempty"`
	// Found is what Temporal said, and when certificates end.
	Found    []string             `json:"found,omitempty"`
	NotInOrg bool                 `json:"notInOrg,omitempty"`
	Empty    bool                 `json:"empty,omitempty"` // as in [okta.Checked]
	Limits   []okta.EndpointLimit `json:"limits,omitempty"`
	Grants   []okta.Grant         `json:"grants,omitempty"`
	// KeyEnds is when the service app's key ends, if its certificate or JWK says so.
	KeyEnds *time.Time `json:"keyEnds,omitempty"`
	// problem is the error in fields.
	problem workflows.Problem
}

// emptyList is the warning about an empty list.
const emptyList = "the list is empty. If the org has any, the credentials lack a role: " +
	"a service app without an admin role gets empty lists; assign one to it in Okta"

// failed records why a check failed.
func (r *result) failed(err error) {
	r.problem = activities.ProblemOf(err)
	if r.NotInOrg = r.problem.Class == workflows.ClassNotInOrg; r.NotInOrg {
		r.Warning = r.problem.String()
	} else {
		r.OK, r.Error = false, r.problem.String()
	}
}

// certificates shows when each certificate ends, and warns of those that end soon.
func (r *result) certificates(all []expiry.Certificate) {
	var warnings []string
	for _, c := range all {
		r.Found = append(r.Found, fmt.Sprintf("certificate of %s ends %s", c.For, c.Ends()))
		if c.Soon(time.Now()) {
			warnings = append(warnings, c.Warning())
		}
	}
	r.Warning = strings.Join(warnings, "\n")
}

// checks collects the results of checks of one tenant, or of Temporal. It goes on after a failure.
type checks struct {
	tenant  string
	results []result
}

// check asks, and reports whether nothing is missing.
func (c *checks) check(ctx context.Context, what string, ask func(context.Context, *result) error) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r := result{Tenant: c.tenant, Check: what, OK: true}
	err := ask(ctx, &r)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v: %w", checkTimeout, err)
	}
	if err != nil {
		r.failed(err)
	}
	c.results = append(c.results, r)
	return r.OK
}

// checkTenant checks every service and the sink.
func checkTenant(ctx context.Context, t config.Tenant, send bool) []result {
	c := checks{tenant: t.Name}
	if app := t.Okta.ServiceApp; app != nil {
		c.check(ctx, "okta sign-in", func(ctx context.Context, r *result) error { return checkKey(ctx, app, r) })
	}
	org, err := okta.New(t.Okta)
	var survey *okta.Survey
	if err == nil {
		survey = org.Survey()
		defer survey.Close()
	}
	for _, service := range t.Services {
		c.check(ctx, "okta "+service, func(ctx context.Context, r *result) error {
			if err != nil {
				return err
			}
			checked, err := survey.Check(ctx, service)
			r.Empty, r.Limits, r.Grants = checked.Empty, checked.Limits, checked.Grants
			if r.Empty && err == nil {
				r.Warning = emptyList
			}
			return err
		})
	}
	sink, sinkErr := devo.New(t.Devo)
	reached := c.check(ctx, "devo "+t.Devo.URL, func(ctx context.Context, r *result) error {
		if sinkErr != nil {
			return sinkErr
		}
		err := sink.Check(ctx)
		r.certificates(sink.Certificates())
		return err
	})
	if send && reached {
		c.check(ctx, "devo, one large record", func(ctx context.Context, r *result) (err error) {
			t.Devo.Owner = "" // a check claims no directory
			if sink, err = devo.New(t.Devo); err != nil {
				return err
			}
			r.Note, err = sendLargest(ctx, sink, t)
			return err
		})
	}
	return c.results
}
