package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"

	"okta-collector/workflows"
)

// attributes are the search attributes that workflows set, all of type Keyword. A workflow
// that sets one that is not registered cannot go on, so nothing is collected before they are.
var attributes = []string{workflows.AttributeTenant, workflows.AttributeService, workflows.AttributeState}

const (
	// attributesTimeout is how long new attributes may take until Temporal shows them.
	attributesTimeout = time.Minute
	attributesPause   = 500 * time.Millisecond
)

// registerAttributes adds to the namespace what is missing, and returns when it is visible. Its
// errors have the command in them with which somebody who is allowed to can do it.
func registerAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string, log *zap.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	added := false
	for {
		missing, err := missingAttributes(ctx, operator, namespace)
		switch {
		case err != nil && !starting(err):
			return err
		case err != nil:
			log.Warn("asking Temporal for its search attributes again", zap.Error(err))
		case len(missing) == 0:
			return nil
		case !added:
			if err := addAttributes(ctx, operator, namespace, missing); err != nil {
				return err
			}
			added = true
			log.Info("registered search attributes", zap.Strings("names", missing), zap.String("namespace", namespace))
		}
		if sleep(ctx, attributesPause) != nil {
			return fmt.Errorf("the search attributes did not become visible within %v (last problem: %v); if they are missing, run:\n%s",
				attributesTimeout, err, createCommand(namespace, attributes))
		}
	}
}

// missingAttributes lists first: adding needs a permission that is not needed when all are there.
func missingAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string) ([]string, error) {
	list, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("listing the search attributes of namespace %q: %w", namespace, err)
	}
	var missing []string
	for _, name := range attributes {
		kind, ok := list.CustomAttributes[name]
		switch {
		case !ok:
			missing = append(missing, name)
		case kind != enums.INDEXED_VALUE_TYPE_KEYWORD:
			return nil, fmt.Errorf("search attribute %s of namespace %q has the type %s, but must be a Keyword: remove or rename it", name, namespace, kind)
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
	if err != nil && !errors.As(err, new(*serviceerror.AlreadyExists)) { // another worker was faster
		return fmt.Errorf("registering search attributes in namespace %q: %w; have somebody who is allowed to run:\n%s",
			namespace, err, createCommand(namespace, names))
	}
	return nil
}

// createCommand is what registers the attributes by hand.
func createCommand(namespace string, names []string) string {
	words := []string{"temporal operator search-attribute create --namespace", namespace}
	for _, name := range names {
		words = append(words, "--name", name, "--type Keyword")
	}
	return strings.Join(words, " ")
}

// starting says whether an error of Temporal's may be gone next time: it may have come up only now.
func starting(err error) bool {
	switch serviceerror.ToStatus(err).Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.NotFound:
		return true
	}
	return false
}
