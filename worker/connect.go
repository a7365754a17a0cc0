package worker

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/temporalclient"
)

const (
	dialTimeout  = 10 * time.Second // of one attempt to connect
	maxDialPause = 15 * time.Second // between two attempts
)

// dial connects to Temporal. It retries until Temporal answers and has the namespace, or ctx ends, so that the worker may
// be started first. It fails only if Temporal refuses the worker's credentials, because a retry does not help then. It
// calls waiting with each new reason for a retry. It also returns what identifies the namespace.
func dial(ctx context.Context, options client.Options, waiting func(error)) (temporal client.Client, namespace string, err error) {
	said := ""
	for pause := time.Second; ; pause = min(2*pause, maxDialPause) {
		temporal, namespace, err := enter(ctx, options)
		switch {
		case err == nil:
			return temporal, namespace, nil
		case ctx.Err() != nil:
			return nil, "", ctx.Err()
		case temporalclient.Code(err) == codes.PermissionDenied, temporalclient.Code(err) == codes.Unauthenticated:
			return nil, "", err
		case err.Error() != said:
			said = err.Error()
			waiting(err)
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, "", err
		}
	}
}

// enter connects to Temporal and looks for the namespace, once.
func enter(ctx context.Context, options client.Options) (temporal client.Client, namespace string, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if temporal, err = temporalclient.Dial(ctx, options); err != nil {
		return nil, "", err
	}
	if namespace, err = temporalclient.Identify(ctx, temporal.WorkflowService(), options.Namespace); err != nil {
		temporal.Close()
		return nil, "", err
	}
	return temporal, namespace, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
