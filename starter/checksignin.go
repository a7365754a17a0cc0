package starter

import (
	"context"
	"fmt"
	"strings"
	"time"

	"okta-collector/internal/okta"
)

// keyWarning is how long before the end of a service app's key it is warned of.
const keyWarning = 30 * 24 * time.Hour

// checkKey says what the key of a service app is, and when it ends. It asks nobody.
func checkKey(ctx context.Context, app *okta.ServiceApp, r *result) error {
	key, err := app.Key(ctx)
	if err != nil {
		return err
	}
	if key.Algorithm == "" {
		r.Found = []string{"service app with a client secret"}
		return nil
	}
	id := "without an id"
	if key.ID != "" {
		id = key.ID
	}
	r.Found = []string{fmt.Sprintf("service app with a private key (%s), %s", key.Algorithm, id), "neither a certificate nor the JWK says when the key ends"}
	if key.Ends.IsZero() {
		return nil
	}
	r.KeyEnds = &key.Ends
	r.Found[1] = "the key ends " + key.Ends.UTC().Format(time.DateTime) + " UTC"
	if left := time.Until(key.Ends); left < keyWarning {
		r.Warning = fmt.Sprintf("the key of the service app ends in %d days: register a new one in Okta beside it, and replace OKTA_PRIVATE_KEY or its file", int(left/(24*time.Hour)))
		if left <= 0 {
			r.Warning = "the key of the service app has ended: register a new one in Okta, and replace OKTA_PRIVATE_KEY or its file"
		}
	}
	return nil
}

// renderGrant says whether scopes are granted, and how the token is sent.
func renderGrant(g okta.Grant) string {
	scopes := strings.Join(g.Scopes, " ")
	switch {
	case !g.Granted:
		return scopes + ": no token"
	case g.DPoP:
		return scopes + ": granted, with DPoP"
	}
	return scopes + ": granted, without DPoP"
}
