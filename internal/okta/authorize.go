package okta

import (
	"context"
	"net/http"
)

// An Authorizer is one way to sign in. It signs requests, and removes its secrets from texts. It is safe for concurrent
// use.
type Authorizer interface {
	// Authorize signs a request that needs these scopes. The request goes to the org's own host. An error that is an
	// [Error] keeps its class. The class of any other error is [Person].
	Authorize(ctx context.Context, r *http.Request, scopes []string) error
	// Refused receives each answer that is neither 200 nor 429. again: the request may succeed if it is signed and sent
	// once more.
	Refused(answer *http.Response) (again bool)
	// Redact replaces its secrets, and pieces of them, in a text from another program.
	Redact(text string) string
	// Advice says what to do about a 401 or 403 to a request that needs these scopes.
	Advice(status int, scopes []string) string
}
