package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// storm is all that goes wrong until it is lifted.
type storm struct {
	*chaos
	ctx    context.Context
	over   context.CancelFunc
	faults sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

func (c *chaos) newStorm(ctx context.Context) *storm {
	s := &storm{chaos: c}
	s.ctx, s.over = context.WithCancel(ctx)
	return s
}

// strike begins a fault, which ends in its time, or when everything is lifted.
func (s *storm) strike(f fault) {
	s.watch.begins(f.kind)
	s.begins(f)
	s.faults.Go(func() {
		defer s.ends(f)
		defer s.watch.ends(f.kind)
		ctx, cancel := context.WithTimeout(s.ctx, f.lasts)
		defer cancel()
		if err := f.kind.strike(ctx, s.stage, f); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errs = append(s.errs, fmt.Errorf("%s: %w", f.what(), err))
		}
	})
}

// lift ends all faults. Its error says which of them could not be made, or mended.
func (s *storm) lift() error {
	s.over()
	s.faults.Wait()
	return errors.Join(s.errs...)
}
