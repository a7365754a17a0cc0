package okta

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"okta-collector/internal/checkpoint"
)

// Check asks one cheap request for a service, two for one that hangs under another, and says
// what is wrong: an unknown service, or an [Error] that names the missing permission.
func (o *Org) Check(ctx context.Context, service string) error {
	svc, ok := Lookup(service)
	if !ok {
		return fmt.Errorf("no service is named %q", service)
	}
	path := svc.Path
	if svc.Parent != "" {
		parent, _ := Lookup(svc.Parent)
		a, err := o.get(ctx, question{svc: parent, cursor: withLimit(parent.Path, parent.MinLimit)})
		if err != nil {
			return err
		}
		defer o.release(a)
		if len(a.objects) == 0 || a.objects[0].id == nil {
			return nil
		}
		path = svc.path(url.PathEscape(string(a.objects[0].id)))
	}
	cursor := withLimit(path, svc.MinLimit)
	if svc.Polled {
		r := o.Reader(svc, Begin{}, time.Now)
		cursor = r.first(path, checkpoint.Position{Limit: svc.MinLimit, Pull: &checkpoint.Pull{Since: time.Now().Add(-time.Hour)}})
	}
	a, err := o.get(ctx, question{svc: svc, cursor: cursor})
	var e *Error
	switch {
	case err == nil:
		o.release(a)
	case errors.As(err, &e) && e.Class == gone:
		return nil // deleted since it was listed, and allowed to be asked for
	}
	return err
}
