package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"

	"okta-collector/internal/devo"
	"okta-collector/internal/okta"
	"okta-collector/workflows"
)

// ended makes a result of what Okta, or the end of the lease, did to a request.
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
			return workflows.SliceResult{End: workflows.EndRateLimited, Wait: e.Wait, Detail: e.Error()}, nil
		case okta.Yields:
			return workflows.SliceResult{End: workflows.EndYielded, Wait: e.Wait}, nil
		}
	}
	return workflows.SliceResult{}, err
}

// fail makes the activity's error.
func (s *slice) fail(err error) error {
	class := workflows.ClassPassing
	var e *okta.Error
	switch {
	case errors.As(err, &e) && e.Class == okta.Person, errors.Is(err, devo.ErrRefused):
		class = workflows.ClassPerson
	case errors.As(err, &e) && e.Class == okta.CursorRefused:
		class = workflows.ClassCursorRefused
	}
	return s.failure(class, err)
}

// maxMessage bounds an error's text in a history, in bytes.
const maxMessage = 1000

// failure makes an ApplicationError of a class, with the checkpoint to go on from.
func (s *slice) failure(class workflows.Class, err error) error {
	s.metrics.failed(class)
	if remedy := devo.Remedy(err); remedy != "" {
		err = fmt.Errorf("%w; %s", err, remedy)
	}
	s.log.Warn("slice failed", zap.String("class", string(class)), zap.Error(err))
	message := fmt.Sprintf("%s/%s: %s", s.in.Tenant, s.in.Service, err)
	if len(message) > maxMessage {
		message = message[:maxMessage] + "…"
	}
	s.reportProblem(class, message)
	// Temporal's protocol takes no text that is not UTF-8.
	return temporal.NewApplicationErrorWithOptions(strings.ToValidUTF8(message, "?"), string(class), temporal.ApplicationErrorOptions{
		// What follows a failure is the workflow's decision.
		NonRetryable: true,
		Details:      []any{workflows.Failure{Checkpoint: s.at, Warning: s.warning}},
	})
}
