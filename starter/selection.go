package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// maxListed bounds how many executions are looked through.
const maxListed = 10_000

// Which workflows a command acts on where no ids are given. They are not found by search attributes: one
// that was just started has none yet.
const (
	// running are the collectors, without their backfills: to stop collecting does not stop those.
	running = `WorkflowType = "` + workflows.CollectName + `" AND ExecutionStatus = "Running"`
	// everStarted are all collectors, and the backfills that run.
	everStarted = `WorkflowType = "` + workflows.CollectName + `" AND ExecutionStatus != "ContinuedAsNew"` +
		` OR WorkflowType = "` + workflows.BackfillName + `" AND ExecutionStatus = "Running"`
)

// onCollectors is what a command runs that acts on collectors: it connects, and acts on the
// workflow ids given, or on those that Temporal has, of the tenant or of all.
func onCollectors(connect connector, act func(ctx context.Context, cmd *cobra.Command, c *temporal, ids []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, ids []string) error {
		ctx := cmd.Context()
		c, err := connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		if len(ids) == 0 {
			if ids, err = list(ctx, c, running, tenantFlag(cmd)); err != nil {
				return err
			}
		}
		return act(ctx, cmd, c, ids)
	}
}

// list returns the ids that a visibility query finds, each once, in the catalog's order.
func list(ctx context.Context, c *temporal, query, tenant string) ([]string, error) {
	var ids []string
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: c.namespace, Query: query}
	for seen := 0; seen < maxListed; {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("listing the collectors: %w", err)
		}
		for _, execution := range page.Executions {
			id := execution.GetExecution().GetWorkflowId()
			of, _, err := workflows.ParseWorkflowID(id)
			if err == nil && (tenant == "" || of == tenant) {
				ids = append(ids, id)
			}
		}
		seen += max(len(page.Executions), 1)
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			break
		}
	}
	slices.SortFunc(ids, inCatalogOrder)
	return slices.Compact(ids), nil
}

// inCatalogOrder compares ids by tenant, and services as the catalog lists them, each before its
// backfills; what is no service comes last.
func inCatalogOrder(a, b string) int {
	tenantA, serviceA, _ := workflows.ParseWorkflowID(a)
	tenantB, serviceB, _ := workflows.ParseWorkflowID(b)
	place := func(service string) uint { return uint(slices.Index(okta.ServiceNames(), service)) } // -1 is the largest
	return cmp.Or(
		cmp.Compare(tenantA, tenantB),
		cmp.Compare(place(serviceA), place(serviceB)),
		cmp.Compare(serviceA, serviceB),
		cmp.Compare(a, b),
	)
}

// checkSelection refuses arguments that are no workflow ids, before anything is done.
func checkSelection(cmd *cobra.Command, args []string) error {
	for _, id := range args {
		if !isCollector(id) && !isBackfill(id) {
			return fmt.Errorf("%q is not a workflow id of this collector: want okta/<tenant>/<service>, such as okta/default/logs, or that of a backfill, "+
				"such as okta/default/logs/backfill/2026-11-01T00:00:00.000Z--2026-11-02T00:00:00.000Z or okta/default/users/backfill/full", id)
		}
	}
	if len(args) > 0 && tenantFlag(cmd) != "" {
		return fmt.Errorf("give workflow ids or --tenant, not both")
	}
	return nil
}

// checkCollectors refuses the ids of backfills too.
func checkCollectors(cmd *cobra.Command, args []string) error {
	for _, id := range args {
		if _, _, err := workflows.ParseWorkflowID(id); err != nil {
			return err
		}
		if !isCollector(id) {
			return fmt.Errorf("%s is a backfill, which %s does not know; see starter backfill --help", id, cmd.Name())
		}
	}
	return checkSelection(cmd, args)
}

func isCollector(id string) bool {
	tenant, service, err := workflows.ParseWorkflowID(id)
	return err == nil && id == workflows.WorkflowID(tenant, service)
}

// isBackfill says whether an id is one that a backfill of its service can have.
func isBackfill(id string) bool {
	_, service, _ := workflows.ParseWorkflowID(id)
	r, backfill := workflows.RangeOf(id)
	if workflows.HasRange(service) {
		return backfill && r != (checkpoint.Range{})
	}
	return backfill && strings.HasSuffix(id, "/full")
}

// checkService says which services there are.
func checkService(service string) error {
	if _, ok := okta.Lookup(service); !ok {
		return fmt.Errorf("no service is named %q; there are %s", service, strings.Join(okta.ServiceNames(), ", "))
	}
	return nil
}

// nothing says that a command found nothing to act on.
func nothing(cmd *cobra.Command, what string) string {
	of := ""
	if tenant := tenantFlag(cmd); tenant != "" {
		of = " of tenant " + tenant
	}
	return fmt.Sprintf("no collector%s %s; 'starter start' starts them", of, what)
}

// statusWord is how an execution's status is shown.
func statusWord(status enums.WorkflowExecutionStatus) string {
	return strings.ToLower(status.String())
}
