package main

import (
	"context"
	"errors"
	"fmt"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// verdict is what a comparison of one service found.
type verdict struct {
	service string
	// made is how many events there were, or objects in all complete pulls; of them lost have not arrived, or
	// not as they were sent.
	made, lost int
	// wrong names the first thing that is not as it has to be; nil if there is none.
	wrong error
}

// miss counts one that has not arrived, or not as it was sent.
func (v *verdict) miss(format string, args ...any) {
	v.lost++
	v.find(fmt.Errorf(format, args...))
}

func (v *verdict) find(wrong error) {
	if v.wrong == nil {
		v.wrong = fmt.Errorf("%s: %w", v.service, wrong)
	}
}

// judge waits until all services have caught up with what there is now, and compares everything. Nothing
// may go wrong meanwhile. Its error is what is not as it has to be.
func (s *stage) judge(ctx context.Context) ([]verdict, error) {
	var verdicts []verdict
	var errs []error
	for _, service := range services {
		now, err := s.caughtUp(ctx, service)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s does not catch up: %w", service, err))
		}
		compare := s.comparePulls
		if service == "logs" {
			compare = s.compareLogs
		}
		found := compare(service, now)
		if found.lost > 0 {
			errs = append(errs, fmt.Errorf("%d lost, the first: %w", found.lost, found.wrong))
		} else if found.wrong != nil {
			errs = append(errs, found.wrong)
		}
		verdicts = append(verdicts, found)
	}
	if err := s.backfilled(ctx); err != nil {
		errs = append(errs, fmt.Errorf("the backfill is not done: %w", err))
	}
	_, err := s.wrongs.judge(s.org.Windows())
	return verdicts, errors.Join(append(errs, err, s.devo.Err())...)
}

// reached is how far a service has got.
type reached struct {
	// events is how many log events there were when the waiting began: Devo must have all of them, if whole
	// says that the collector has caught up.
	events int
	whole  bool
	// pull is the last pull that has ended: it is complete, so Devo must have all of it, and of those before but for
	// what the incomplete ones among them may lack.
	pull int64
	// incomplete is how many of them ended without everything.
	incomplete int64
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
		now.pull, now.incomplete = position.LastPullID, status.Checkpoint.Totals.Incomplete
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
	now.whole = err == nil
	return now, err
}

// status asks a workflow.
func (s *stage) status(ctx context.Context, service string) (status workflows.Status, err error) {
	value, err := s.client.QueryWorkflow(ctx, workflowID(service), "", workflows.QueryStatus)
	if err != nil {
		return status, err
	}
	return status, value.Get(&status)
}

// compareLogs finds what is missing of the first log events, and what else arrived that is not Okta's. Where
// the collector has not caught up, only that is missing which comes before something that arrived.
func (s *stage) compareLogs(service string, now reached) verdict {
	v := verdict{service: service, made: now.events}
	arrived := map[devosim.Identity]uint64{}
	for d := range s.devo.Delivered(tables[service]) {
		arrived[d.Identity] = d.Sum
	}
	var missing []int
	lose := func() {
		for _, i := range missing {
			v.miss("event %d, uuid %s, has not arrived", i, s.org.ID(service, i))
		}
		missing = nil
	}
	for i, object := range s.org.All(service) {
		id := devosim.IdentityOf("", s.org.ID(service, i))
		sum, ok := arrived[id]
		delete(arrived, id)
		came := s.excuses.take(arrived, service, i) || ok
		switch {
		case ok && sum != devosim.Sum(oktasim.Redacted(object)):
			v.miss("event %d, uuid %s, arrived changed", i, s.org.ID(service, i))
		case came && !now.whole:
			lose()
		case !came && i < now.events:
			missing = append(missing, i)
		}
	}
	if now.whole {
		lose()
	}
	if len(arrived) > 0 {
		v.find(fmt.Errorf("%d events arrived that Okta does not have", len(arrived)))
	}
	return v
}

// comparePulls finds what is missing of each complete pull of a service, and what else arrived.
func (s *stage) comparePulls(service string, now reached) verdict {
	v := verdict{service: service}
	pulls := map[int64]map[devosim.Identity]uint64{}
	for d := range s.devo.Delivered(tables[service]) {
		if pulls[d.Pull] == nil {
			pulls[d.Pull] = map[devosim.Identity]uint64{}
		}
		pulls[d.Pull][d.Identity] = d.Sum
	}
	last := int64(0) // of those that have ended
	for pull := range pulls {
		if pull <= now.pull {
			last = max(last, pull)
		}
	}
	lacking := map[int64]bool{} // pulls that lack what an incomplete one may
	for i, object := range s.org.All(service) {
		parent, id := s.org.ParentID(service, i), s.org.ID(service, i)
		identity, sum := devosim.IdentityOf(parent, id), devosim.Sum(oktasim.Redacted(object))
		for pull, arrived := range pulls {
			got, ok := arrived[identity]
			delete(arrived, identity)
			came := s.excuses.take(arrived, service, i) || ok
			if pull <= now.pull {
				v.made++
			}
			switch {
			case ok && got != sum:
				v.miss("%s %s of pull %d arrived changed", parent, id, pull)
			case !came && pull < last && s.excuses.incomplete(service, parent):
				lacking[pull] = true
			case !came && pull <= now.pull:
				v.miss("%s %s of pull %d has not arrived", parent, id, pull)
			}
		}
	}
	if n := int64(len(lacking)); n > now.incomplete {
		v.miss("%d pulls lack something, and only %d are said to be incomplete", n, now.incomplete)
	}
	for pull, arrived := range pulls {
		if len(arrived) > 0 {
			v.find(fmt.Errorf("%d objects of pull %d arrived that Okta does not have", len(arrived), pull))
		}
	}
	return v
}
