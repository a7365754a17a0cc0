package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"okta-collector/internal/checkpoint"
	"okta-collector/workflows"
)

// backfill is who reads what the backfills ask for.
const backfill = "backfill"

// startBackfill starts a backfill of the log's backlog, beside the live collection. Each has a range of its own, since an id
// runs once. Nothing may be wrong meanwhile, because a worker has to answer.
func (s *stage) startBackfill(ctx context.Context) error {
	until := s.opened.Add(-time.Duration(len(s.backfills)+1) * time.Minute).UTC().Truncate(time.Millisecond)
	r := checkpoint.Range{Since: until.Add(-backlogSpan), Until: until}
	id := workflows.BackfillID(tenant, "logs", r)
	err := eventually(ctx, func(ctx context.Context) error {
		err := s.starter(ctx, "backfill", workflowID("logs"), "--since", r.Since.Format(time.RFC3339Nano), "--until", r.Until.Format(time.RFC3339Nano))
		if err != nil {
			if _, known := s.client.DescribeWorkflowExecution(ctx, id, ""); known == nil {
				return nil // it was started before, and nobody heard of it
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("starting a backfill: %w", err)
	}
	s.backfills = append(s.backfills, id)
	return nil
}

// backfilled waits until the newest backfill is done.
func (s *stage) backfilled(ctx context.Context) error {
	id := s.backfills[len(s.backfills)-1]
	return eventually(ctx, func(ctx context.Context) error {
		value, err := s.client.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
		if err != nil {
			return err
		}
		var status workflows.Status
		if err := value.Get(&status); err != nil {
			return err
		}
		if status.State != workflows.StateDone {
			return errors.New(id + " is " + string(status.State) + " (" + string(status.Reason) + ")")
		}
		return nil
	})
}
