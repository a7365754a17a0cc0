package starter

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

// polledForSlicesBy makes somebody poll the task queue for slices, beside a worker that polls it for workflows too.
func (f fakeTemporal) polledForSlicesBy(identity string) {
	f.On("DescribeTaskQueue", mock.Anything, "okta-collector", enums.TASK_QUEUE_TYPE_ACTIVITY).Return(polledBy(identity, time.Now()), nil)
	f.On("DescribeTaskQueue", mock.Anything, "okta-collector", enums.TASK_QUEUE_TYPE_WORKFLOW).Return(polledAt(time.Now()), nil)
}

func TestStatusAndCheckNameWhoPollsTheTaskQueueAndIsNoWorker(t *testing.T) {
	t.Run("status", func(t *testing.T) {
		o := newAcme(t)
		o.hasNever(users)
		o.polledForSlicesBy("666@evil\x1b[31m" + strings.Repeat("!", 2000))
		_, _, stderr := o.call("status", users)
		require.Contains(t, stderr, `task queue okta-collector is polled by "666@evil\x1b[31m!!!`)
		require.NotContains(t, stderr, "\x1b")
		require.Less(t, len(stderr), 500)
	})
	t.Run("check", func(t *testing.T) {
		o := newAcme(t)
		o.On("WorkflowService").Return(&frontend{retention: 90 * 24 * time.Hour})
		o.On("OperatorService").Return(&operator{have: allAttributes()})
		o.polledForSlicesBy("666@evil")
		found := renderChecks(checkTemporal(t.Context(), o.connect, "okta-collector"), 200)
		require.Regexp(t, `temporal task queue okta-collector +ok, but see below`, found)
		require.Contains(t, found, `is polled by "666@evil"`)
	})
	t.Run("but of nobody where there are workers only", func(t *testing.T) {
		o := newAcme(t)
		o.hasNever(users)
		_, _, stderr := o.call("status", users)
		require.NotContains(t, stderr, "polled")
	})
}
