package test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
)

// BenchmarkCheckpoint makes checkpoints durable on the development server, as a slice does.
func BenchmarkCheckpoint(b *testing.B) {
	setUp()
	require.NoError(b, environment.err)
	inActivity(b, func(ctx context.Context) error {
		c, token := activity.GetClient(ctx), activity.GetInfo(ctx).TaskToken
		for b.Loop() {
			if err := c.RecordActivityHeartbeat(ctx, token, checkpoint.Checkpoint{}); err != nil {
				return err
			}
		}
		return nil
	})
}

// inActivity runs work in an activity of its own worker.
func inActivity(b *testing.B, work func(ctx context.Context) error) {
	queue := fmt.Sprintf("bench-%d", tenants.Add(1))
	c := environment.temporal.Client()
	w := worker.New(c, queue, worker.Options{})
	w.RegisterActivityWithOptions(work, activity.RegisterOptions{Name: "work"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
		return workflow.ExecuteActivity(ctx, "work").Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "bench"})
	require.NoError(b, w.Start())
	defer w.Stop()
	run, err := c.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "bench")
	require.NoError(b, err)
	require.NoError(b, run.Get(b.Context(), nil))
}
