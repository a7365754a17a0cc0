package worker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/config"
	"okta-collector/internal/control"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

const (
	// startPause is the time between two attempts to start what was never started.
	startPause = 15 * time.Second
	// handOverEvery is the time between two looks for runs that have ended and could not hand their position over. It is
	// shorter than the shortest time for which a namespace keeps closed workflows, which is a day.
	handOverEvery = time.Hour
	// readTimeout bounds the reading of one service.
	readTimeout = 30 * time.Second
)

// starting starts services, and hands over how they have ended. Workers that do it at the same time do no harm: Temporal
// starts one workflow of an id.
type starting struct {
	control.Control
	tenants []config.Tenant
	log     *zap.Logger
}

// startNew starts each service of the settings that was never started, and what an operator stopped stays stopped. It tries
// again until it has looked at each, or ctx ends. It logs each new problem.
func (s starting) startNew(ctx context.Context) {
	var ids []string
	for _, t := range s.tenants {
		for _, service := range t.Services {
			ids = append(ids, workflows.WorkflowID(t.Name, service))
		}
	}
	for said := ""; ; {
		problem := ""
		ids = slices.DeleteFunc(ids, func(id string) bool {
			reading, cancel := context.WithTimeout(ctx, readTimeout)
			defer cancel()
			started, err := s.Start(reading, id, control.How{New: true})
			if err == nil && !started.Left {
				s.log.Info("started a service that was never started", zap.String("workflow", id))
			}
			if err != nil {
				problem = fmt.Sprintf("%s: %v", id, err)
			}
			return err == nil
		})
		if problem != said && problem != "" && ctx.Err() == nil {
			s.log.Warn("cannot start what was never started, and tries again", zap.Int("services", len(ids)), zap.String("error", problem))
		}
		if said = problem; len(ids) == 0 || sleep(ctx, startPause) != nil {
			return
		}
	}
}

// handOver tells the tenants' workflows, now and then, of runs that were terminated or failed, and starts those again that
// somebody has ended. It logs each new problem.
func (s starting) handOver(ctx context.Context) {
	for said := ""; ; {
		problem := ""
		for _, t := range s.tenants {
			if err := s.handOverTenant(ctx, t.Name); err != nil {
				problem = err.Error()
			}
		}
		if problem != said && problem != "" && ctx.Err() == nil {
			s.log.Warn("cannot hand over where a service has ended, and tries again", zap.String("error", problem))
		}
		if said = problem; sleep(ctx, handOverEvery) != nil {
			return
		}
	}
}

func (s starting) handOverTenant(ctx context.Context, tenant string) (problem error) {
	listing, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := s.Revive(listing, tenant); err != nil {
		return err
	}
	ids, err := s.IDs(listing, status.EverStarted, tenant)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.handOverOne(ctx, id); err != nil {
			problem = err // the others are handed over all the same
		}
	}
	return problem
}

func (s starting) handOverOne(ctx context.Context, id string) error {
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	ended, err := s.Ended(reading, id)
	if err == nil && ended.HasEnded() {
		err = s.HandOver(reading, ended)
	}
	return err
}
