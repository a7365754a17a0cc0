package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"okta-collector/internal/oktasim"
)

// registration is the service app that the command line registers.
type registration struct {
	oktasim.App
	// keysFile has its public keys and scopesFile the scopes that are granted; without one all are.
	keysFile, scopesFile string
}

func (r *registration) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.ClientID, "client-id", "", "service app that may sign in")
	f.StringVar(&r.keysFile, "client-keys", "", "file of its public keys: a JWK, a JWK set, or PEM")
	f.StringVar(&r.Secret, "client-secret", "", "its client secret, if it has no keys (default OKTASIM_CLIENT_SECRET)")
	f.StringVar(&r.scopesFile, "scopes-file", "", "file of the scopes that are granted to it (default all)")
	f.BoolVar(&r.DPoP, "dpop", false, "demand DPoP proofs of it")
	f.BoolVar(&r.NoRole, "no-role", false, "it has no admin role, so that every list is empty")
	f.DurationVar(&r.TokenLifetime, "token-lifetime", 0, "how long its tokens are good (default 1h)")
}

// read returns the app as its files are now.
func (r *registration) read() (app oktasim.App, err error) {
	app = r.App
	app.Scopes = oktasim.Scopes()
	if r.scopesFile != "" {
		text, err := os.ReadFile(r.scopesFile)
		if err != nil {
			return app, fmt.Errorf("--scopes-file: %w", err)
		}
		app.Scopes = strings.Fields(string(text))
	}
	if r.keysFile == "" {
		app.Secret = cmp.Or(app.Secret, os.Getenv("OKTASIM_CLIENT_SECRET"))
		return app, nil
	}
	text, err := os.ReadFile(r.keysFile)
	if err == nil {
		app.Keys, err = oktasim.ParseKeys(text)
	}
	if err != nil {
		return app, fmt.Errorf("--client-keys: %w", err)
	}
	return app, nil
}

// register gives the org its app.
func (r *registration) register(cfg *oktasim.Config) error {
	if r.ClientID == "" {
		if r.keysFile != "" || r.Secret != "" {
			return errors.New("--client-id is missing")
		}
		return nil
	}
	app, err := r.read()
	if err != nil {
		return err
	}
	cfg.Apps = []oktasim.App{app}
	return nil
}

// over reads the app's files anew before each request, so that a key or a scope can be withdrawn and given back while the
// org runs. While a file cannot be read there is no app.
func (r *registration) over(org *oktasim.Org) http.Handler {
	if r.ClientID == "" {
		return org
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		app, err := r.read()
		if err == nil {
			err = org.SetApps(app)
		}
		if err != nil {
			_ = org.SetApps()
		}
		org.ServeHTTP(w, req)
	})
}
