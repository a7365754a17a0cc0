package okta

import (
	"context"
	"net/http"
)

// An Authorizer is one way to sign in. It signs requests, and knows what of its secrets could show up in a text. It is
// safe for concurrent use.
type Authorizer interface {
	// Authorize signs a request that needs these scopes. The request goes to the org's own host. An error that is an
	// [Error] keeps its class; any other one needs a person.
	Authorize(ctx context.Context, r *http.Request, scopes []string) error
	// Refused is told of each answer that is neither 200 nor 429. It says whether the request, signed anew, may
	// succeed: it is then sent once more.
	Refused(answer *http.Response) (again bool)
	// Redact replaces its secrets in a text from outside.
	Redact(text string) string
	// Advice says what to do about an answer 401 or 403 to a request that needs these scopes.
	Advice(status int, scopes []string) string
}
