package worker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/protobuf/types/known/timestamppb"

	"okta-collector/internal/temporalclient"
)

// queue is a task queue that these poll for slices.
type queue struct {
	mu         sync.Mutex
	identities []string
	down       bool
}

func (q *queue) DescribeTaskQueue(_ context.Context, _ string, kind enums.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.down {
		return nil, errors.New("connection refused")
	}
	d := &workflowservice.DescribeTaskQueueResponse{}
	if kind == enums.TASK_QUEUE_TYPE_ACTIVITY {
		for _, identity := range q.identities {
			d.Pollers = append(d.Pollers, &taskqueue.PollerInfo{Identity: identity, LastAccessTime: timestamppb.Now()})
		}
	}
	return d, nil
}

// change changes the queue while a worker asks about it.
func (q *queue) change(to func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	to()
}

func TestWhoPollsTheTaskQueueAndIsNoWorkerIsCountedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		core, logged := observer.New(zap.InfoLevel)
		s, q := &strangers{}, &queue{identities: []string{temporalclient.WorkerIdentity()}}
		require.Empty(t, exported(t, s), "nothing is known yet")
		go s.watch(ctx, q, "queue", zap.New(core))
		synctest.Wait()
		require.Equal(t, []string{"okta_collector_strangers 0"}, exported(t, s))
		require.Zero(t, logged.Len())

		q.change(func() { q.identities = append(q.identities, "666@evil") })
		time.Sleep(5 * listEvery)
		synctest.Wait()
		require.Equal(t, []string{"okta_collector_strangers 1"}, exported(t, s))
		require.Equal(t, 1, logged.Len())
		require.Contains(t, logged.All()[0].Message, `task queue queue is polled by "666@evil"`)

		q.change(func() { q.down = true })
		time.Sleep(maxListAge + listEvery)
		synctest.Wait()
		require.Empty(t, exported(t, s), "what was known is old")
	})
}
