package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"okta-collector/internal/temporalclient"
)

// dialTimeout bounds the wait for Temporal: somebody is waiting at a terminal.
const dialTimeout = 10 * time.Second

// temporal is a connection with what belongs to it.
type temporal struct {
	client.Client
	namespace string
	// data decodes what workflows and activities have written.
	data converter.DataConverter
}

// connector connects to Temporal.
type connector func(ctx context.Context) (*temporal, error)

// connect is the connector of TEMPORAL_* and its profiles.
func connect(ctx context.Context) (*temporal, error) {
	options, err := temporalclient.Options()
	if err != nil {
		return nil, usageError{err}
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
	return &temporal{Client: c, namespace: options.Namespace, data: options.DataConverter}, nil
}
