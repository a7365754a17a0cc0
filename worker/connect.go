package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
)

const (
	dialTimeout  = 10 * time.Second // of one attempt to connect
	maxDialPause = 15 * time.Second // between two attempts
)

// dial connects to Temporal. It retries until Temporal answers or ctx ends, so that the worker may be started first. It
// fails only if Temporal refuses the worker's credentials, because a retry does not help then.
func dial(ctx context.Context, options client.Options, log *zap.Logger) (client.Client, error) {
	log = log.With(zap.String("address", options.HostPort), zap.String("namespace", options.Namespace))
	for pause := time.Second; ; pause = min(2*pause, maxDialPause) {
		attempt, cancel := context.WithTimeout(ctx, dialTimeout)
		temporal, err := client.DialContext(attempt, options)
		cancel()
		switch {
		case err == nil:
			log.Info("connected to Temporal")
			return temporal, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case hasCode(err, codes.PermissionDenied, codes.Unauthenticated):
			return nil, fmt.Errorf("connection refused by Temporal at %s; check TEMPORAL_API_KEY and TEMPORAL_TLS_*: %w", options.HostPort, err)
		}
		log.Warn("waiting for Temporal; is it running, and TEMPORAL_ADDRESS right?", zap.Error(err), zap.Duration("again in", pause))
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// hasCode reports whether an error of Temporal's has one of these gRPC codes.
func hasCode(err error, list ...codes.Code) bool {
	return slices.Contains(list, serviceerror.ToStatus(err).Code())
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
