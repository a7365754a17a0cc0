package worker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.uber.org/zap"

	"okta-collector/internal/temporalclient"
)

// attributesEvery is the time between two looks at the search attributes. Temporal may come back empty.
const attributesEvery = 30 * time.Second

// attributes registers the search attributes of the workflows whenever the namespace lacks them. A workflow that sets one
// that is not registered cannot go on, so workflows ask whether they are.
type attributes struct {
	operator   operatorservice.OperatorServiceClient
	namespace  string
	log        *zap.Logger
	registered atomic.Bool
	said       string // the last problem
}

// ensure registers what is missing. It logs a problem once. If that cannot be found out, what was known stays true.
func (a *attributes) ensure(ctx context.Context) {
	before := a.registered.Load()
	added, err := temporalclient.RegisterAttributes(ctx, a.operator, a.namespace)
	switch {
	case err == nil:
		a.registered.Store(true)
		a.said = ""
	case ctx.Err() != nil:
		return
	case errors.As(err, new(*temporalclient.AttributesError)):
		a.registered.Store(false)
		err = fmt.Errorf("%w\n%s", err, temporalclient.WithoutAttributes)
	}
	switch {
	case len(added) > 0 && before:
		a.log.Warn("registered search attributes again: Temporal has lost them, and may have lost all positions; see 'starter status'",
			zap.Strings("names", added), zap.String("namespace", a.namespace))
	case len(added) > 0:
		a.log.Info("registered search attributes", zap.Strings("names", added), zap.String("namespace", a.namespace))
	}
	if err != nil && err.Error() != a.said {
		a.said = err.Error()
		a.log.Warn("cannot register search attributes", zap.Error(err))
	}
}

// watch repeats ensure until ctx ends.
func (a *attributes) watch(ctx context.Context) {
	for sleep(ctx, attributesEvery) == nil {
		a.ensure(ctx)
	}
}
