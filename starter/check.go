package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"okta-collector/activities"
	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// checkTimeout bounds one check of Okta or Devo.
const checkTimeout = 30 * time.Second

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Ask Okta one cheap request for each service and connect to Devo; say what is missing",
		Long: `Checks the settings, the permission for each service in OKTA_SERVICES, and the connection to Devo, without
Temporal and without collecting anything. Exit code 1 if something is missing. -o json prints an array
of objects: tenant, check (what was asked), ok, error where it is not, and note. --send also sends one
record of DEVO_MAX_EVENT to the table my.app.okta.check, and says what to look for in Devo: a receiver
that truncates long records tells no sender so.`,
		Args: cobra.NoArgs,
	}
	asJSON := outputFlag(cmd)
	send := cmd.Flags().Bool("send", false, "send one record of DEVO_MAX_EVENT to the table my.app.okta.check")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := config.Load()
		warn(cmd, warnings...)
		if err != nil {
			return usage(err)
		}
		wanted := tenantFlag(cmd)
		var results []result
		for _, tenant := range cfg.Tenants {
			if wanted == "" || tenant.Name == wanted {
				results = append(results, checkTenant(cmd.Context(), tenant, *send)...)
			}
		}
		if results == nil {
			return usagef("tenant %q is not in COLLECTOR_TENANTS", wanted)
		}
		t := newTable("tenant", "what", "result")
		var failed, notes []note
		for _, r := range results {
			said := "ok"
			if !r.OK {
				said = "FAILED, see below"
				failed = append(failed, problemNote(r.Tenant+" "+r.Check, r.problem))
			} else if r.Note != "" {
				said = "ok, see below"
				notes = append(notes, note{names: []string{r.Tenant + " " + r.Check}, text: r.Note})
			}
			t.AppendRow(table.Row{r.Tenant, r.Check, said})
		}
		out := cmd.OutOrStdout()
		err = show(out, *asJSON, results, func() string {
			return t.Render() + renderNotes(append(failed, notes...), time.Now(), terminal.Width(out))
		})
		if err == nil && failed != nil {
			err = fmt.Errorf("%d of %d checks failed", len(failed), len(results))
		}
		return err
	}
	return cmd
}

// result is the outcome of one check.
type result struct {
	Tenant string `json:"tenant"`
	// Check is what was checked: okta and a service, or devo and its address.
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	// Note says what somebody has to look at.
	Note string `json:"note,omitempty"`
	// problem is the error in fields.
	problem workflows.Problem
}

// checkTenant checks every service and the sink. It goes on after a failure.
func checkTenant(ctx context.Context, t config.Tenant, send bool) []result {
	var results []result
	checkWithNote := func(what string, ask func(context.Context) (note string, err error)) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		r := result{Tenant: t.Name, Check: what}
		var err error
		if r.Note, err = ask(ctx); err != nil {
			r.problem = activities.ProblemOf(err)
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				r.problem.Message = fmt.Sprintf("no answer within %v: %s", checkTimeout, r.problem.Message)
			}
			r.Error = r.problem.String()
		}
		r.OK = r.Error == ""
		results = append(results, r)
	}
	check := func(what string, ask func(context.Context) error) {
		checkWithNote(what, func(ctx context.Context) (string, error) { return "", ask(ctx) })
	}
	org, err := okta.New(t.Okta)
	for _, service := range t.Services {
		check("okta "+service, func(ctx context.Context) error {
			if err != nil {
				return err
			}
			return org.Check(ctx, service)
		})
	}
	sink, sinkErr := devo.New(t.Devo)
	check("devo "+t.Devo.URL, func(ctx context.Context) error {
		if sinkErr != nil {
			return sinkErr
		}
		return sink.Check(ctx)
	})
	if send && results[len(results)-1].OK {
		checkWithNote("devo, one large record", func(ctx context.Context) (string, error) { return sendLargest(ctx, sink, t) })
	}
	return results
}
