package test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devo"
	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// BenchmarkAPageInBatches ships pages of 1,000 log events over TLS, in batches of several sizes with an
// acknowledged checkpoint after each: what it costs to send less again after a kill. The size that is used is a
// constant of package activities.
func BenchmarkAPageInBatches(b *testing.B) {
	setUp()
	require.NoError(b, environment.err)
	org, err := oktasim.New(oktasim.Config{Seed: 1, Token: "token", Counts: map[string]int{"logs": 1000}})
	require.NoError(b, err)
	stand, err := devosim.Start(devosim.Config{Dir: filepath.Join(b.TempDir(), "pki")})
	require.NoError(b, err)
	defer stand.Close()
	pki := stand.PKI()
	sink, err := devo.New(devo.Config{URL: stand.SyslogURL(), ChainFile: pki.ChainFile, CertFile: pki.ClientCertFile, KeyFile: pki.ClientKeyFile})
	require.NoError(b, err)
	var page [][]byte
	for _, object := range org.All("logs") {
		page = append(page, slices.Clone(object))
	}
	at := checkpoint.Checkpoint{Position: checkpoint.Position{
		Pull: &checkpoint.Pull{ID: 1, Kind: checkpoint.PullPoll}, Cursor: "/api/v1/logs?since=2026-11-22T00:00:00.000Z&limit=1000&sortOrder=ASCENDING&after=1658862453660_1",
	}}

	for _, batch := range []int{1000, 500, 250, 100, 50} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			inActivity(b, func(ctx context.Context) error {
				stream, err := sink.Open(ctx, devo.Target{Name: "okta/bench/logs", Tag: "auth.okta.system"})
				if err != nil {
					return err
				}
				defer stream.Close()
				c, token := activity.GetClient(ctx), activity.GetInfo(ctx).TaskToken
				for b.Loop() {
					for done := 0; done < len(page); done += batch {
						if err := deliver(ctx, stream, devo.Batch{Objects: page[done:min(done+batch, len(page))], More: true}); err != nil {
							return err
						}
						at.Totals.Events += int64(batch)
						if err := c.RecordActivityHeartbeat(ctx, token, at); err != nil {
							return err
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/page")
				b.ReportMetric(float64(1000/batch), "checkpoints/page")
				return nil
			})
		})
	}
}

// deliver sends a batch and waits until it is confirmed.
func deliver(ctx context.Context, stream devo.Stream, batch devo.Batch) error {
	delivery, err := stream.Send(ctx, batch)
	if err != nil {
		return err
	}
	_, err = delivery.Wait(ctx)
	return err
}

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
