package okta

import (
	"context"
	"fmt"
	"slices"
	"time"

	"okta-collector/internal/budget"
	"okta-collector/internal/checkpoint"
)

// Check sends one cheap request for a service, and one for each of its parent levels. Its error is about an unknown
// service, or an [Error] that names the missing permission.
func (o *Org) Check(ctx context.Context, service string) error {
	c, ok := o.cfg.Catalog.Lookup(service)
	if !ok {
		return fmt.Errorf("no service is named %q", service)
	}
	r := &Reader{org: o, now: time.Now, member: o.budget.Join("check "+service, budget.LiveList)}
	defer r.Close()
	pull := checkpoint.Pull{Since: time.Now().Add(-time.Hour)}
	var under []string
	for _, level := range slices.Concat(c.Under, []Level{{Of: service}}) {
		if level.Of == "" {
			under = append(under, level.Values[0])
			continue
		}
		listed, _ := o.cfg.Catalog.Lookup(level.Of)
		a, err := r.fetch(ctx, listed, listed.firstCursor(under, listed.MinLimit, r.selection(listed, pull)), false)
		if err != nil {
			return err
		}
		ids, _ := ids(a.objects)
		o.release(a)
		if len(ids) == 0 {
			return nil // there is no object to list under
		}
		under = append(under, ids[0])
	}
	return nil
}
