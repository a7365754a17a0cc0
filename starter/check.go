package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"okta-collector/internal/config"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
)

// checkTimeout bounds one question to Okta or Devo.
const checkTimeout = 30 * time.Second

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Ask Okta one cheap request for each service and connect to Devo; say what is missing",
		Long: `Checks the settings, the permission for each service in OKTA_SERVICES, and the way to
Devo, without Temporal and without collecting anything. Exit code 1 if something is missing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := config.Load()
			for _, warning := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "starter: warning:", warning)
			}
			if err != nil {
				return usageError{err}
			}
			wanted := tenantFlag(cmd)
			t := newTable("tenant", "what", "result")
			t.SetColumnConfigs([]table.ColumnConfig{{Name: "result", WidthMax: maxColumn, WidthMaxEnforcer: text.WrapSoft}})
			found, failed := false, 0
			for _, tenant := range cfg.Tenants {
				if wanted != "" && tenant.Name != wanted {
					continue
				}
				found = true
				for _, r := range checkTenant(cmd.Context(), tenant) {
					result := "ok"
					if r.err != nil {
						failed++
						result = "FAILED: " + r.err.Error()
					}
					t.AppendRow(table.Row{tenant.Name, r.what, result})
				}
			}
			if !found {
				return usagef("tenant %q is not in COLLECTOR_TENANTS", wanted)
			}
			fmt.Fprintln(cmd.OutOrStdout(), t.Render())
			if failed > 0 {
				return fmt.Errorf("%d of %d checks failed", failed, t.Length())
			}
			return nil
		},
	}
}

// result is what came of one check.
type result struct {
	what string
	err  error
}

// checkTenant checks every service and the sink, whatever fails before.
func checkTenant(ctx context.Context, t config.Tenant) []result {
	var results []result
	check := func(what string, ask func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		err := ask(ctx)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v: %w", checkTimeout, err)
		}
		results = append(results, result{what, err})
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
	check("devo "+t.Devo.URL, func(ctx context.Context) error {
		sink, err := devo.New(t.Devo)
		if err != nil {
			return err
		}
		return sink.Check(ctx)
	})
	return results
}
