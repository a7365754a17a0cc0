package starter

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"okta-collector/internal/config"
	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
)

// defaultRetention is how long a new namespace keeps closed workflows, and with them where a stopped backfill was. It is as
// long as Okta keeps its System Log.
const defaultRetention = "90d"

// setupTimeout bounds the making of a namespace.
const setupTimeout = 30 * time.Second

func newSetup(connect connector) *cobra.Command {
	var retention time.Duration
	var text string
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Make the namespace and its search attributes; safe to repeat",
		Long: `Makes the namespace of TEMPORAL_NAMESPACE if Temporal does not have it, and the search attributes of
the workflows, and says what it has done. It leaves alone what is there, also the retention of a
namespace. It exits with 1 if something could not be made. In Temporal Cloud make the namespace in
its UI.`,
		Args: cobra.MatchAll(cobra.NoArgs, func(*cobra.Command, []string) (err error) {
			retention, err = config.ParseDuration(text)
			if err != nil {
				return fmt.Errorf("--retention: %w", err)
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&text, "retention", defaultRetention, "how long a new namespace keeps closed workflows, and with them where a stopped backfill was")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := connect(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		said, err := setUpNamespace(cmd, c, retention)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), said)
		added, err := temporalclient.RegisterAttributes(cmd.Context(), c.OperatorService(), c.Namespace)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, temporalclient.WithoutAttributes)
		}
		said = "search attributes: are there already"
		if len(added) > 0 {
			said = "search attributes: registered " + strings.Join(added, ", ")
		}
		fmt.Fprintln(cmd.OutOrStdout(), said)
		return nil
	}
	return cmd
}

// setUpNamespace makes the namespace unless it exists, and returns what it has done.
func setUpNamespace(cmd *cobra.Command, c *status.Reader, retention time.Duration) (string, error) {
	has, err := temporalclient.Retention(cmd.Context(), c.WorkflowService(), c.Namespace)
	switch temporalclient.Code(err) {
	case codes.OK:
		said := fmt.Sprintf("namespace %s: is there already; it keeps closed workflows for %s", c.Namespace, days(has))
		if has != retention {
			said += ", which was left alone. To change that: " + retentionCommand("update", c.Namespace, retention)
		}
		return said, nil
	case codes.NotFound:
	default:
		return "", err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), setupTimeout)
	defer cancel()
	_, err = c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: c.Namespace, WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if err != nil {
		return "", fmt.Errorf("making namespace %s: %w; have somebody who is allowed to run this, or make it in Temporal Cloud's UI:\n%s",
			c.Namespace, err, retentionCommand("create", c.Namespace, retention))
	}
	return fmt.Sprintf("namespace %s: made; it keeps closed workflows for %s", c.Namespace, days(retention)), nil
}

// retentionCommand creates or updates a namespace, so that it keeps closed workflows for so long.
func retentionCommand(verb, namespace string, retention time.Duration) string {
	return fmt.Sprintf("temporal operator namespace %s --retention %.0fh --namespace %s", verb, retention.Hours(), namespace)
}

// days formats a retention.
func days(d time.Duration) string {
	switch n := d / (24 * time.Hour); {
	case d%(24*time.Hour) != 0:
		return d.String()
	case n == 1:
		return "1 day"
	default:
		return fmt.Sprintf("%d days", n)
	}
}
