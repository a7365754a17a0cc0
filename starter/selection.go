package starter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// runOn makes a command act on the workflow ids given. Without ids it acts on the running collectors of --tenant or of
// all, but not on their backfills.
func (connect connector) runOn(act func(cmd *cobra.Command, c *status.Reader, ids []string) error) func(*cobra.Command, []string) error {
	return connect.run(func(cmd *cobra.Command, c *status.Reader, ids []string) (err error) {
		if len(ids) == 0 {
			if ids, err = c.IDs(cmd.Context(), status.Running, tenantFlag(cmd)); err != nil {
				return err
			}
		}
		return act(cmd, c, ids)
	})
}

// each calls act for each id. At most atOnce calls run at a time; -1 means no limit. After each call it prints a line:
// what act has done, or why it failed. It acts on no id that is not a collector's, and says so. It returns an error if any
// call failed.
func each(cmd *cobra.Command, ids []string, atOnce int, act func(ctx context.Context, id string) (done string, err error)) error {
	width, failed := 0, 0
	for _, id := range ids {
		width = max(width, utf8.RuneCountInString(cell(id)))
	}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, id := range ids {
		all.Go(func() error {
			var done string
			_, _, err := workflows.ParseWorkflowID(id)
			if err == nil {
				done, err = act(cmd.Context(), id)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				done = "FAILED: " + err.Error()
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%-*s  %s\n", width, cell(id), oneLine(done))
			return nil
		})
	}
	_ = all.Wait()
	if failed > 0 {
		return fmt.Errorf("failed for %d of %d", failed, len(ids))
	}
	return nil
}

// checkIDs refuses arguments that are no workflow ids of collectors or, where these are allowed, of backfills.
func checkIDs(backfills bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, ids []string) error {
		for _, id := range ids {
			tenant, service, err := workflows.ParseWorkflowID(id)
			switch {
			case isBackfill(id) && !backfills:
				return fmt.Errorf("%s is a backfill, which %s does not know; see starter backfill --help", id, cmd.Name())
			case err != nil, !isBackfill(id) && id != workflows.WorkflowID(tenant, service):
				return fmt.Errorf("%q is not a workflow id of this collector: want okta/<tenant>/<service>, such as okta/default/logs, or that of a backfill, "+
					"such as okta/default/logs/backfill/2026-11-01T00:00:00.000Z--2026-11-02T00:00:00.000Z or okta/default/users/backfill/full", id)
			}
		}
		if len(ids) > 0 && tenantFlag(cmd) != "" {
			return errIDsAndTenant
		}
		return nil
	}
}

var errIDsAndTenant = errors.New("give workflow ids or --tenant, not both")

// isBackfill reports whether an id is that of a backfill, with a range if its service has ranges.
func isBackfill(id string) bool {
	_, service, err := workflows.ParseWorkflowID(id)
	r, backfill := workflows.RangeOf(id)
	if workflows.HasRange(service) {
		return backfill && r != (checkpoint.Range{})
	}
	return err == nil && strings.HasSuffix(id, "/backfill/full")
}

// checkService refuses a name that is no service.
func checkService(service string) error {
	if _, ok := okta.Lookup(service); !ok {
		return fmt.Errorf("no service is named %q; %s", service, okta.Suggestion(service))
	}
	return nil
}

// nothingFound is the message of a command that found nothing to act on.
func nothingFound(cmd *cobra.Command, what string) string {
	of := ""
	if tenant := tenantFlag(cmd); tenant != "" {
		of = " of tenant " + tenant
	}
	return fmt.Sprintf("no collector%s %s; 'starter start' starts them", of, what)
}
