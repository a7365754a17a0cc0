package okta

import (
	"context"
	"errors"
	"fmt"
	"time"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
)

// Check asks one cheap request for a service, and one more for each level above it, and says what is wrong: an unknown
// service, or an [Error] that names the missing permission.
func (o *Org) Check(ctx context.Context, service string) error {
	c, ok := o.cfg.Catalog.Lookup(service)
	if !ok {
		return fmt.Errorf("no service is named %q", service)
	}
	r := &Reader{org: o, now: time.Now, member: o.budget.Join("check "+service, budget.LiveList)}
	defer r.Close()
	var under []string
	for _, level := range c.Under {
		if level.Of == "" {
			under = append(under, level.Values[0])
			continue
		}
		above, _ := o.cfg.Catalog.Lookup(level.Of)
		a, err := r.smallest(ctx, above, under)
		if err != nil {
			return err
		}
		defer o.release(a)
		if len(a.objects) == 0 || a.objects[0].id == nil {
			return nil
		}
		under = append(under, string(a.objects[0].id))
	}
	a, err := r.smallest(ctx, c, under)
	var e *Error
	switch {
	case err == nil:
		o.release(a)
	case errors.As(err, &e) && e.Class == gone:
		return nil // deleted since it was listed, and allowed to be asked for
	}
	return err
}

// smallest asks for a page of the smallest size.
func (r *Reader) smallest(ctx context.Context, c Collection, under []string) (*answer, error) {
	pull := &checkpoint.Pull{Since: time.Now().Add(-time.Hour)}
	return r.ask(ctx, c, r.first(c, under, checkpoint.Position{Pull: pull, Limit: c.MinLimit}), false)
}
