package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
)

const (
	// dialTimeout bounds one attempt to connect.
	dialTimeout = 10 * time.Second
	// maxDialPause is the longest pause between two attempts.
	maxDialPause = 15 * time.Second
)

// dial connects to Temporal. It tries again until Temporal answers or ctx ends, so that the two can be started in any
// order. Only a refused credential is an error.
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
		case refused(err):
			return nil, fmt.Errorf("connection refused by Temporal at %s; check TEMPORAL_API_KEY and TEMPORAL_TLS_*: %w", options.HostPort, err)
		}
		log.Warn("waiting for Temporal; is it running, and TEMPORAL_ADDRESS right?", zap.Error(err), zap.Duration("again in", pause))
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// refused reports whether Temporal refused the credentials.
func refused(err error) bool {
	code := serviceerror.ToStatus(err).Code()
	return code == codes.PermissionDenied || code == codes.Unauthenticated
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
