package temporalclient

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"google.golang.org/grpc/codes"

	"okta-collector/workflows"
)

const (
	attributesTimeout = time.Minute            // until Temporal lists new attributes
	attributesPause   = 500 * time.Millisecond // between two listings
)

// WithoutAttributes says what does not work in a namespace without the search attributes.
const WithoutAttributes = "Collection, 'starter status' and the alerts work without them. " +
	"Queries by OktaTenant, OktaService and CollectorState, in the Web UI and the temporal CLI, find nothing."

// AttributesError: a namespace lacks search attributes of the workflows, and they cannot be registered.
type AttributesError struct {
	Namespace string
	Names     []string
	Err       error
	remedy    string
}

// Error says why, and what to do about it. Its last line is a command.
func (e *AttributesError) Error() string {
	return fmt.Sprintf("namespace %q lacks the search attributes %s: %v; %s:\n%s",
		e.Namespace, strings.Join(e.Names, ", "), e.Err, e.remedy, createCommand(e.Namespace, e.Names))
}

// Unwrap returns Temporal's error.
func (e *AttributesError) Unwrap() error { return e.Err }

const askSomebody = "have somebody who is allowed to run this; in Temporal Cloud, add them in the namespace's settings"

// RegisterAttributes registers the search attributes that a namespace lacks, waits until Temporal lists them, and returns
// their names. It fails with an [AttributesError] if they cannot be registered.
func RegisterAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string) (added []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	for {
		missing, err := MissingAttributes(ctx, operator, namespace) // listing needs fewer permissions than adding
		if err == nil && len(missing) == 0 {
			return added, nil
		}
		if err == nil && added == nil {
			if err = addAttributes(ctx, operator, namespace, missing); err == nil {
				added = missing
			}
		}
		if err != nil && !passing(err) {
			return nil, err
		}
		select {
		case <-time.After(attributesPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("the search attributes of namespace %q were not listed within %v; last problem: %w", namespace, attributesTimeout, cmp.Or(err, ctx.Err()))
		}
	}
}

// MissingAttributes returns the search attributes of the workflows that a namespace lacks. It fails with an
// [AttributesError] if the listing is not permitted, or if one has another type.
func MissingAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string) (missing []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	switch code := Code(err); {
	case code == codes.PermissionDenied, code == codes.Unimplemented:
		return nil, &AttributesError{namespace, workflows.Attributes(), fmt.Errorf("listing them: %w", err), askSomebody}
	case err != nil:
		return nil, Explain(fmt.Errorf("listing the search attributes of namespace %q: %w", namespace, err))
	}
	for _, name := range workflows.Attributes() {
		kind, ok := list.CustomAttributes[name]
		switch {
		case !ok:
			missing = append(missing, name)
		case kind != enums.INDEXED_VALUE_TYPE_KEYWORD:
			return nil, &AttributesError{namespace, []string{name}, fmt.Errorf("there is one of the type %s", kind), "remove or rename that one, then run"}
		}
	}
	return missing, nil
}

func addAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string, names []string) error {
	request := &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: make(map[string]enums.IndexedValueType)}
	for _, name := range names {
		request.SearchAttributes[name] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	_, err := operator.AddSearchAttributes(ctx, request)
	remedy := askSomebody
	switch code := Code(err); {
	case code == codes.OK, code == codes.AlreadyExists: // somebody else was faster
		return nil
	case passing(err):
		return fmt.Errorf("registering search attributes in namespace %q: %w", namespace, err)
	case code == codes.InvalidArgument:
		remedy = "if there is no room, remove some that nobody uses (temporal operator search-attribute list, and remove --name); then run"
	}
	return &AttributesError{namespace, names, fmt.Errorf("registering them: %w", err), remedy}
}

// passing reports whether a retry may help: Temporal is away or starting, or the namespace is new.
func passing(err error) bool {
	switch Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted, codes.NotFound:
		return true
	}
	return false
}

// createCommand returns the command that adds the attributes.
func createCommand(namespace string, names []string) string {
	command := "temporal operator search-attribute create --namespace " + namespace
	for _, name := range names {
		command += " --name " + name + " --type Keyword"
	}
	return command
}
