package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

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
	if options.DataConverter == nil {
		options.DataConverter = converter.GetDefaultDataConverter()
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler)) // errors are returned
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("cannot reach Temporal at %s; is it running, and TEMPORAL_ADDRESS right? %w", options.HostPort, err)
	}
	return &status.Reader{Client: c, Namespace: options.Namespace, Data: options.DataConverter}, nil
}
