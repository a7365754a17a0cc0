package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/workflowservice/v1"

	"okta-collector/internal/buildinfo"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
)

// checkTemporal checks that Temporal can be reached, and what the collector needs in the namespace.
func checkTemporal(ctx context.Context, connect connector, taskQueue string) []result {
	var checks checks
	var c *status.Reader
	reached := checks.check(ctx, "temporal", func(ctx context.Context, r *result) (err error) {
		if c, err = connect(ctx); err != nil {
			return err
		}
		system, err := c.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
		r.Found = []string{"server " + system.GetServerVersion(), "starter " + buildinfo.Version()}
		r.certificates(temporalclient.Certificates())
		return err
	})
	if c != nil {
		defer c.Close()
	}
	if !reached || !checks.check(ctx, "temporal namespace "+c.Namespace, func(ctx context.Context, r *result) error {
		return checkRetention(ctx, c, r)
	}) {
		return checks.results
	}
	checks.check(ctx, "temporal search attributes", func(ctx context.Context, r *result) (err error) {
		r.Warning, err = lackOfAttributes(ctx, c)
		return err
	})
	checks.check(ctx, "temporal task queue "+taskQueue, func(ctx context.Context, r *result) (err error) {
		if r.Found, err = c.Workers(ctx, taskQueue); len(r.Found) == 0 {
			r.Warning = "no worker polls this task queue: nothing is collected until one does"
		}
		if err != nil {
			return err
		}
		strangers, err := status.Strangers(ctx, c, taskQueue)
		r.Warning = cmp.Or(temporalclient.StrangersWarning(taskQueue, strangers), r.Warning)
		return err
	})
	return checks.results
}

// namespaceOf identifies the namespace whose worker may write files; empty if Temporal does not answer.
func namespaceOf(ctx context.Context, connect connector) string {
	c, err := connect(ctx)
	if err != nil {
		return ""
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	namespace, err := temporalclient.Identify(ctx, c.WorkflowService(), c.Namespace)
	if err != nil {
		return ""
	}
	return namespace
}

func checkRetention(ctx context.Context, c *status.Reader, r *result) error {
	keeps, err := temporalclient.Retention(ctx, c.WorkflowService(), c.Namespace)
	if err != nil {
		return err
	}
	r.Found = []string{"keeps closed workflows for " + days(keeps)}
	return nil
}

// lackOfAttributes says which search attributes the namespace lacks, and what does not work without them; empty if it has
// all of them. It fails if that cannot be found out.
func lackOfAttributes(ctx context.Context, c *status.Reader) (string, error) {
	missing, err := temporalclient.MissingAttributes(ctx, c.OperatorService(), c.Namespace)
	switch {
	case errors.As(err, new(*temporalclient.AttributesError)):
		return err.Error() + "\n" + temporalclient.WithoutAttributes, nil
	case err != nil, len(missing) == 0:
		return "", err
	}
	return fmt.Sprintf("namespace %s lacks the search attributes %s; 'starter setup' registers them, or says why it cannot. %s",
		c.Namespace, strings.Join(missing, ", "), temporalclient.WithoutAttributes), nil
}
