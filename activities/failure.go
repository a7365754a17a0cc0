package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"okta-collector/internal/budget"
	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// ended returns how the slice ends after a failed request. A rate limit is no failure.
func (s *slice) ended(err error) (workflows.SliceResult, error) {
	if cause := context.Cause(s.lease.fetching); cause != nil {
		return workflows.SliceResult{}, cause
	}
	e, ok := errors.AsType[*okta.Error](err)
	switch {
	case ok && e.Class == okta.RateLimited:
		return workflows.SliceResult{End: workflows.EndRateLimited, Wait: e.Wait}, nil
	case ok && e.Class == okta.NoMemory:
		s.warn(warnMemory, "the slice waited a minute for memory: "+e.Reason()+"; if that goes on, give the worker more memory, or start another one")
		return workflows.SliceResult{End: workflows.EndMore}, nil
	}
	return workflows.SliceResult{}, err
}

// ProblemOf returns the problem of a failed request to Okta or delivery to Devo.
func ProblemOf(err error) workflows.Problem {
	p := workflows.Problem{Class: workflows.ClassPassing, Message: err.Error(), Remedy: devo.Remedy(err)}
	e, ok := errors.AsType[*okta.Error](err)
	if ok {
		p.Message, p.Endpoint, p.RequestID, p.Remedy = e.Reason(), e.Path, e.RequestID, e.Advice
	}
	switch {
	case ok && e.Class == okta.Person, errors.Is(err, devo.ErrRefused):
		p.Class = workflows.ClassPerson
	case ok && e.Class == okta.NotInOrg:
		p.Class = workflows.ClassNotInOrg
	case ok && e.Class == okta.CursorRefused:
		p.Class = workflows.ClassCursorRefused
	case errors.As(err, new(*budget.ClaimError)):
		p.Remedy = "nothing is sent to Okta meanwhile; if that goes on, look at that workflow in Temporal's Web UI, and whether Temporal answers its workers"
	case errors.Is(err, errLeaseLost):
		p.Remedy = "if that goes on, see whether the worker has enough CPU, whether Temporal is overloaded, and whether its disk is full"
	}
	return p
}

// fail counts, logs and reports a problem. It returns the activity's error: an ApplicationError of the problem's class,
// with the checkpoint in its details and a message for the Web UI.
func (s *slice) fail(p workflows.Problem) error {
	p = p.Bounded()
	s.metrics.failed(p.Class, s.at.Position)
	s.log.Warn("slice failed", zap.String("class", string(p.Class)), zap.Stringer("problem", p))
	s.reportProblem(p)
	message := workflows.Cut(fmt.Sprintf("%s/%s: %s", s.in.Tenant, s.in.Service, p), workflows.MaxText)
	return temporal.NewApplicationErrorWithOptions(message, string(p.Class), temporal.ApplicationErrorOptions{
		// The workflow decides what follows a failure.
		NonRetryable: true,
		Details:      []any{workflows.Failure{Checkpoint: s.at, Warnings: s.warnings, Problem: p}},
	})
}
