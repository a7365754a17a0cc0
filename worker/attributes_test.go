package worker

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
)

// operator is the part of Temporal that knows the search attributes of one namespace.
type operator struct {
	operatorservice.OperatorServiceClient
	mu      sync.Mutex
	have    map[string]enums.IndexedValueType
	listErr error
	addErr  error
}

func (o *operator) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: o.have}, o.listErr
}

func (o *operator) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.addErr == nil {
		o.have = r.SearchAttributes
	}
	return &operatorservice.AddSearchAttributesResponse{}, o.addErr
}

// change changes the operator while a worker asks it.
func (o *operator) change(to func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to()
}

func TestATemporalThatComesBackEmptyGetsItsSearchAttributesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &operator{}
		core, logged := observer.New(zap.WarnLevel)
		a := &attributes{operator: o, namespace: "prod", log: zap.New(core)}
		a.ensure(t.Context())
		require.True(t, a.registered.Load())
		ctx, cancel := context.WithCancel(t.Context())
		go a.watch(ctx)

		o.change(func() { o.have = nil })
		time.Sleep(attributesEvery + time.Second)
		synctest.Wait()
		require.Len(t, o.have, 3)
		require.Len(t, logged.FilterMessageSnippet("may have lost all positions").All(), 1)
		cancel()
	})
}

func TestWithoutRoomForSearchAttributesTheWorkerGoesOnAndSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &operator{addErr: serviceerror.NewInvalidArgument("cannot have more than 10 search attribute of type Keyword")}
		core, logged := observer.New(zap.WarnLevel)
		a := &attributes{operator: o, namespace: "prod", log: zap.New(core)}
		ctx, cancel := context.WithCancel(t.Context())
		a.ensure(ctx)
		go a.watch(ctx)
		time.Sleep(time.Hour)
		synctest.Wait()

		require.False(t, a.registered.Load())
		require.Equal(t, 1, logged.Len())
		require.Contains(t, logged.All()[0].ContextMap()["error"], "Collection, 'starter status' and the alerts work without them")
		require.Contains(t, logged.All()[0].ContextMap()["error"], "remove some that nobody uses")

		o.change(func() { o.addErr = nil }) // somebody has made room
		time.Sleep(attributesEvery + time.Second)
		synctest.Wait()
		require.True(t, a.registered.Load())
		cancel()
	})
}

func TestATemporalThatIsAwayTakesNoSearchAttributesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &operator{}
		a := &attributes{operator: o, namespace: "prod", log: zap.NewNop()}
		a.ensure(t.Context())
		o.listErr = serviceerror.NewUnavailable("away")
		a.ensure(t.Context())
		require.True(t, a.registered.Load())
	})
}
