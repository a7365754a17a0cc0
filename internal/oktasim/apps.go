package oktasim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	defaultTokenLifetime = time.Hour
	// secretCharacters are those of Okta's client secrets.
	secretCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	// maxKeys is how many keys an app can have.
	maxKeys = 50
)

// App is a service app: a program that signs in for itself, without a person.
type App struct {
	ClientID string
	// Keys verify its assertions. Secret is the client secret of an API service integration. An app has one of both.
	Keys   []Key
	Secret string
	// Scopes are those that were granted.
	Scopes []string
	// DPoP: each of its token requests needs a proof, and its tokens are bound to the proof's key.
	DPoP bool
	// NoRole: it has no admin role, so that every list is empty.
	NoRole bool
	// TokenLifetime is how long its tokens are good. Default: 1 h.
	TokenLifetime time.Duration
}

// whole returns the app with what was left out, or all that is wrong with it.
func (a App) whole() (App, error) {
	a.TokenLifetime = cmp.Or(a.TokenLifetime, defaultTokenLifetime)
	var errs []error
	if a.ClientID == "" {
		errs = append(errs, errors.New("it has no client id"))
	}
	if (len(a.Keys) > 0) == (a.Secret != "") {
		errs = append(errs, errors.New("it needs either keys or a secret"))
	}
	if strings.Trim(a.Secret, secretCharacters) != "" {
		// HTTP Basic would need them escaped, and whether Okta unescapes them is not known.
		errs = append(errs, errors.New("its secret has characters that Okta's have not"))
	}
	if a.Secret != "" && a.DPoP {
		errs = append(errs, errors.New("DPoP is for apps with keys"))
	}
	if len(a.Keys) > maxKeys {
		errs = append(errs, fmt.Errorf("it has %d keys; %d are the most", len(a.Keys), maxKeys))
	}
	for i, key := range a.Keys {
		if err := usable(key.Public); err != nil {
			errs = append(errs, err)
		}
		if len(a.Keys) > 1 && (key.ID == "" || slices.ContainsFunc(a.Keys[:i], func(other Key) bool { return other.ID == key.ID })) {
			errs = append(errs, errors.New("of several keys each needs a kid of its own"))
		}
	}
	if a.TokenLifetime < time.Second {
		errs = append(errs, fmt.Errorf("a token lifetime of %v is less than a second", a.TokenLifetime))
	}
	if len(errs) > 0 {
		return a, fmt.Errorf("app %q: %w", a.ClientID, errors.Join(errs...))
	}
	return a, nil
}

// wholeApps returns apps with what was left out, by their client ids.
func wholeApps(apps []App) (map[string]App, error) {
	all := map[string]App{}
	var errs []error
	for _, app := range apps {
		app, err := app.whole()
		if _, twice := all[app.ClientID]; twice {
			err = errors.Join(err, fmt.Errorf("app %q: it is there twice", app.ClientID))
		}
		all[app.ClientID] = app
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// SetApps replaces the service apps. A token that was given before is good while its app is there; the scopes of the app
// as it is now are those that count.
func (o *Org) SetApps(apps ...App) error {
	all, err := wholeApps(apps)
	if err != nil {
		return fmt.Errorf("simulated org: %w", err)
	}
	o.signIn.mu.Lock()
	defer o.signIn.mu.Unlock()
	o.signIn.apps = all
	return nil
}

// Scope returns the scopes that a service's endpoint needs, with blanks between them.
func Scope(service string) string { return collections[service].scope }

// Scopes returns the scopes that the org's endpoints need.
func Scopes() []string {
	all := map[string]bool{}
	for _, c := range collections {
		for _, scope := range strings.Fields(c.scope) {
			all[scope] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
