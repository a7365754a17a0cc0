package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"okta-collector/internal/checkpoint"
)

// Checked is what a check of a service found out.
type Checked struct {
	// Limits are those of the endpoints that were asked.
	Limits []EndpointLimit
	// Empty: the first list that was asked has no object, of the service itself or of the parents. A service app without
	// an admin role gets such an answer. A System Log may be empty.
	Empty bool
	// Grants are about the scopes that were asked for; none with an API token.
	Grants []Grant
}

// Grant is whether a service app was given a token for some scopes.
type Grant struct {
	Scopes []string `json:"scopes"`
	// Granted: Okta has given a token for them.
	Granted bool `json:"granted"`
	// DPoP: the token is bound to this process's key.
	DPoP bool `json:"dpop"`
}

// errNoUsers: every org has a user.
var errNoUsers = errors.New("with an empty list, although every org has a user")

// grant adds what is known of the scopes, once.
func (c *Checked) grant(a Authorizer, scopes []string) {
	app, ok := a.(*serviceApp)
	if !ok || slices.ContainsFunc(c.Grants, func(g Grant) bool { return slices.Equal(g.Scopes, scopes) }) {
		return
	}
	g := Grant{Scopes: scopes}
	if t, _ := app.cached(scopesKey(scopes)); t != nil {
		g.Granted, g.DPoP = true, t.scheme == dpop
	}
	c.Grants = append(c.Grants, g)
}

// EndpointLimit is the rate limit of an endpoint.
type EndpointLimit struct {
	Path string `json:"path"`
	// Limit is what Okta's headers show, in requests a minute: what this token may use. 0 if they show none.
	Limit int `json:"limit"`
	// PerMinute is what the collector uses of it at most. Endpoints that share a window share this too.
	PerMinute int `json:"perMinute"`
}

// firstPage is the answer to a cheap request for a list.
type firstPage struct {
	ids     []string
	objects int
	limit   EndpointLimit
	err     error
}

// Check checks one service as [Survey.Check] does.
func (o *Org) Check(ctx context.Context, service string) (Checked, error) {
	s := o.Survey()
	defer s.Close()
	return s.Check(ctx, service)
}

// errUnknownService is about a name that the catalog does not have.
func errUnknownService(name string) error { return fmt.Errorf("no service is named %q", name) }

// Check sends one cheap request for a service, and one for each of its parent levels that was not asked for yet. Its error is
// about an unknown service, or an [Error] that names the missing permission.
func (s *Survey) Check(ctx context.Context, service string) (checked Checked, err error) {
	o := s.r.org
	c, ok := o.cfg.Catalog.Lookup(service)
	if !ok {
		return checked, errUnknownService(service)
	}
	s.r.collection = c
	pull := checkpoint.Pull{Since: time.Now().Add(-time.Hour)}
	var under []string
	for _, level := range slices.Concat(c.Under, []Level{{Of: service}}) {
		if level.Of == "" {
			under = append(under, level.Values[0])
			continue
		}
		listed, _ := o.cfg.Catalog.Lookup(level.Of)
		cursor := listed.firstCursor(under, listed.MinLimit, s.r.selection(listed, pull))
		key := fmt.Sprint(cursor, level.Where)
		got, asked := s.firsts[key]
		if !asked {
			got = s.first(ctx, listed, level, under, cursor)
			if ctx.Err() == nil {
				s.firsts[key] = got
			}
		}
		checked.grant(o.cfg.Authorizer, listed.Scopes)
		if e, ok := errors.AsType[*Error](got.err); ok && e.off {
			return checked, e.notInOrg(c)
		}
		if got.err != nil {
			return checked, got.err
		}
		checked.Limits = append(checked.Limits, got.limit)
		if len(checked.Limits) == 1 {
			checked.Empty = got.objects == 0 && !listed.Polled
		}
		if _, app := o.cfg.Authorizer.(*serviceApp); app && checked.Empty && listed.Name == "users" {
			return checked, &Error{Class: Person, Status: http.StatusOK, Path: listed.Path, err: errNoUsers, Advice: o.cfg.Authorizer.Advice(http.StatusForbidden, listed.Scopes)}
		}
		if len(got.ids) == 0 {
			return checked, nil // there is no object to list under
		}
		under = append(under, got.ids[0])
	}
	return checked, nil
}

// first asks for the first page of a list of c, whose objects the level selects.
func (s *Survey) first(ctx context.Context, c Collection, level Level, under []string, cursor string) (f firstPage) {
	a, err := s.r.fetch(ctx, c, under, cursor, "")
	if err != nil {
		return firstPage{err: err}
	}
	defer a.release()
	shown, allowed := s.r.member.Limit(c.Path)
	f.limit, f.objects = EndpointLimit{c.Path, shown, allowed}, len(a.objects)
	f.ids, _ = level.ids(a.objects)
	return f
}
