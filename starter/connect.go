package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
)

// dialTimeout bounds the wait for Temporal. It is short because a person waits at a terminal.
const dialTimeout = 10 * time.Second

// connector connects to Temporal.
type connector func(ctx context.Context) (*status.Reader, error)

// connect is the connector for TEMPORAL_* and its profiles.
func connect(ctx context.Context) (*status.Reader, error) {
	options, err := temporalclient.Options()
	if err != nil {
		return nil, usage(err)
	}
	options.DataConverter = cmp.Or(options.DataConverter, converter.GetDefaultDataConverter())
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // errors are returned
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("cannot reach Temporal at %s; is it running, and TEMPORAL_ADDRESS right? %w", options.HostPort, err)
	}
	return &status.Reader{Client: c, Namespace: options.Namespace, Data: options.DataConverter}, nil
}

// run makes a command run with a connection.
func (connect connector) run(run func(*cobra.Command, *status.Reader, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := connect(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return run(cmd, c, args)
	}
}

// runOn makes a command act on the workflow ids given or, without any, on the collectors that run: of --tenant or of all.
// Their backfills go on.
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
