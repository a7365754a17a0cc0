package main

import (
	"context"
	"errors"
	"fmt"

	"okta-collector/internal/devosim"
	"okta-collector/workflows"
)

// loss is what has not arrived, or not as it was sent.
type loss struct {
	lost int
	// first names the first one.
	first string
}

func (l *loss) Error() string {
	return fmt.Sprintf("%d lost or changed, the first: %s", l.lost, l.first)
}

func (l *loss) add(format string, args ...any) {
	if l.lost++; l.lost == 1 {
		l.first = fmt.Sprintf(format, args...)
	}
}

// judge waits until all services have caught up with what there is now, and compares everything. Nothing
// may be wrong meanwhile. A [loss] is among its errors if something is lost.
func (s *stage) judge(ctx context.Context) error {
	errs := make([]error, len(services))
	for i, service := range services {
		before, err := s.caughtUp(ctx, service)
		if err != nil {
			errs[i] = fmt.Errorf("%s does not catch up: %w", service, err)
			if ctx.Err() != nil {
				return errs[i]
			}
		}
		lost := &loss{}
		if service == "logs" {
			s.compareLogs(before, err == nil, lost)
		} else {
			s.comparePulls(service, before, lost)
		}
		if lost.lost > 0 {
			errs[i] = errors.Join(errs[i], fmt.Errorf("%s: %w", service, lost))
		}
	}
	return errors.Join(append(errs, s.devo.Err())...)
}

// reached is how far a service has got.
type reached struct {
	// events is how many log events there were when the waiting began; Devo must have all of them.
	events int
	// pull is the last pull that is complete: Devo must have all of it and of those before.
	pull int64
}

// caughtUp waits until a service has caught up with what there is now: until a slice that began after now has
// found the end, or a pull has come to its own.
func (s *stage) caughtUp(ctx context.Context, service string) (reached, error) {
	now := reached{events: s.org.Count("logs")}
	var first *workflows.Status
	err := eventually(ctx, func(ctx context.Context) error {
		status, err := s.status(ctx, service)
		if err != nil {
			return err
		}
		position := status.Checkpoint.Position
		now.pull = position.LastPullID
		if position.Pull != nil {
			now.pull = position.Pull.ID - 1
		}
		if first == nil {
			first = &status
		}
		// The slice of the first look may have read the end of the log before now, and the next one still
		// have been the same when it was looked at.
		if status.CaughtUp && status.Slices >= first.Slices+2 && (service == "logs" || status.Checkpoint.Totals.Pulls > first.Checkpoint.Totals.Pulls) {
			return nil
		}
		problem := "none"
		if status.LastProblem != nil {
			problem = fmt.Sprintf("%s at %s", status.LastProblem.Message, status.LastProblem.At.Format("15:04:05"))
		}
		return fmt.Errorf("it is %s (%s) after %d slices, caught up: %v; last problem: %s", status.State, status.Reason, status.Slices, status.CaughtUp, problem)
	})
	return now, err
}

// status asks a workflow.
func (s *stage) status(ctx context.Context, service string) (status workflows.Status, err error) {
	value, err := s.client.QueryWorkflow(ctx, workflows.WorkflowID(tenant, service), "", workflows.QueryStatus)
	if err != nil {
		return status, err
	}
	return status, value.Get(&status)
}

// compareLogs finds what is missing of the first log events, and what else arrived that is not Okta's. Where
// the collector has not caught up, only that is missing which comes before something that arrived.
func (s *stage) compareLogs(now reached, whole bool, lost *loss) {
	arrived := map[devosim.Identity]uint64{}
	for d := range s.devo.Delivered(tables["logs"]) {
		arrived[d.Identity] = d.Sum
	}
	var missing []int
	for i, object := range s.org.All("logs") {
		id := devosim.IdentityOf("", s.org.ID("logs", i))
		sum, ok := arrived[id]
		delete(arrived, id)
		switch {
		case ok && sum != devosim.Sum(object):
			lost.add("event %d, uuid %s, arrived changed", i, s.org.ID("logs", i))
		case !ok && i < now.events:
			missing = append(missing, i)
		case ok && !whole:
			for _, m := range missing {
				lost.add("event %d, uuid %s, although later ones arrived", m, s.org.ID("logs", m))
			}
			missing = nil
		}
	}
	if whole {
		for _, m := range missing {
			lost.add("event %d, uuid %s", m, s.org.ID("logs", m))
		}
	}
	for range arrived {
		lost.add("an event arrived that Okta does not have")
	}
}

// comparePulls finds what is missing of each complete pull of a service.
func (s *stage) comparePulls(service string, now reached, lost *loss) {
	pulls := map[int64]map[devosim.Identity]uint64{}
	for d := range s.devo.Delivered(tables[service]) {
		if pulls[d.Pull] == nil {
			pulls[d.Pull] = map[devosim.Identity]uint64{}
		}
		pulls[d.Pull][d.Identity] = d.Sum
	}
	for i, object := range s.org.All(service) {
		parent, id := s.org.ParentID(service, i), s.org.ID(service, i)
		identity, sum := devosim.IdentityOf(parent, id), devosim.Sum(object)
		for pull, arrived := range pulls {
			got, ok := arrived[identity]
			switch {
			case ok && got != sum:
				lost.add("%s %s of pull %d arrived changed", id, parent, pull)
			case !ok && pull <= now.pull:
				lost.add("%s %s of pull %d", id, parent, pull)
			}
			delete(arrived, identity)
		}
	}
	for pull, arrived := range pulls {
		for range arrived {
			lost.add("an object of pull %d arrived that Okta does not have", pull)
		}
	}
}
