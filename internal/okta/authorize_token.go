package okta

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"okta-collector/internal/secret"
)

// apiToken signs in with an API token, which Okta calls SSWS.
type apiToken struct {
	token secret.Secret
	// sent has the newest token and the one before it. After a rotation an answer may still contain the old one.
	sent atomic.Pointer[[2]string]
}

// APIToken returns an Authorizer that signs in with an API token of the org. A token in a file is read at each use.
func APIToken(token secret.Secret) Authorizer { return &apiToken{token: token} }

func (a *apiToken) Authorize(_ context.Context, r *http.Request, _ []string) error {
	token, err := a.token.Read()
	if err != nil {
		return fmt.Errorf("API token: %w", err)
	}
	if strings.ContainsAny(token, "{}") {
		return errors.New("API token: it is a placeholder with braces; check OKTA_API_TOKEN or OKTA_API_TOKEN_FILE")
	}
	switch before := a.sent.Load(); {
	case before == nil:
		a.sent.Store(&[2]string{token, token})
	case before[0] != token:
		a.sent.Store(&[2]string{token, before[0]})
	}
	r.Header.Set("Authorization", "SSWS "+token)
	return nil
}

// Refused returns false, because Okta would refuse the same token again.
func (*apiToken) Refused(*http.Response) bool { return false }

func (a *apiToken) Redact(text string) string {
	if sent := a.sent.Load(); sent != nil {
		for _, token := range sent {
			text = secret.Redact(text, token)
		}
	}
	return text
}

func (*apiToken) Advice(status int, scopes []string) string {
	if status == http.StatusForbidden {
		return "the token's administrator lacks the permission " + strings.Join(scopes, ", ")
	}
	return "the API token is invalid, expired after 30 idle days, or its creator was deactivated: " +
		"make a new one and put it where OKTA_API_TOKEN or OKTA_API_TOKEN_FILE says"
}
