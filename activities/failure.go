package activities

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// ended says how the slice ends after a request that failed. A rate limit and the end of the lease are no failures.
func (s *slice) ended(err error) (workflows.SliceResult, error) {
	if s.lease.fetching.Err() != nil {
		if cause := context.Cause(s.lease.fetching); !errors.Is(cause, errStop) {
			return workflows.SliceResult{}, cause
		}
		return workflows.SliceResult{End: workflows.EndStopped}, nil
	}
	var e *okta.Error
	if errors.As(err, &e) {
		switch e.Class {
		case okta.RateLimited:
			return workflows.SliceResult{End: workflows.EndRateLimited, Wait: e.Wait}, nil
		case okta.Yields:
			return workflows.SliceResult{End: workflows.EndYielded, Wait: e.Wait}, nil
		}
	}
	return workflows.SliceResult{}, err
}

// fail makes the activity's error of any error.
func (s *slice) fail(err error) error { return s.failure(ProblemOf(err)) }

// ProblemOf says what is known of a failed request to Okta or delivery to Devo, in fields.
func ProblemOf(err error) workflows.Problem {
	p := workflows.Problem{Class: workflows.ClassPassing, Message: err.Error(), Remedy: devo.Remedy(err)}
	var e *okta.Error
	switch {
	case errors.As(err, &e):
		switch e.Class {
		case okta.Person:
			p.Class = workflows.ClassPerson
		case okta.CursorRefused:
			p.Class = workflows.ClassCursorRefused
		}
		p.Message, p.Endpoint, p.RequestID, p.Remedy = whatHappened(e), e.Path, e.RequestID, e.Advice
	case errors.Is(err, devo.ErrRefused):
		p.Class = workflows.ClassPerson
	}
	return p
}

// whatHappened is Okta's answer, or why there was none.
func whatHappened(e *okta.Error) string {
	said := e.Code
	if e.Status != 0 {
		said = fmt.Sprintf("%d %s %s", e.Status, http.StatusText(e.Status), e.Code)
	}
	if e.Summary != "" {
		said += " (" + e.Summary + ")"
	}
	if cause := e.Unwrap(); cause != nil {
		said += " " + cause.Error()
	}
	return strings.Join(strings.Fields(said), " ")
}

// maxText bounds each text of a problem in a history, in bytes.
const maxText = 1000

// failure makes the activity's error: an ApplicationError of the problem's class, whose details have the checkpoint to
// go on from. Its message is for the Web UI.
func (s *slice) failure(p workflows.Problem) error {
	p.Message, p.Endpoint, p.RequestID, p.Remedy = bounded(p.Message), bounded(p.Endpoint), bounded(p.RequestID), bounded(p.Remedy)
	s.metrics.failed(p.Class)
	s.log.Warn("slice failed", zap.String("class", string(p.Class)), zap.Stringer("problem", p))
	s.reportProblem(p)
	message := bounded(fmt.Sprintf("%s/%s: %s", s.in.Tenant, s.in.Service, p))
	return temporal.NewApplicationErrorWithOptions(message, string(p.Class), temporal.ApplicationErrorOptions{
		// The workflow decides what follows a failure.
		NonRetryable: true,
		Details:      []any{workflows.Failure{Checkpoint: s.at, Warning: s.warning, Problem: p}},
	})
}

// bounded limits a text. Temporal's protocol only takes valid UTF-8.
func bounded(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
