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

	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	// attributesTimeout is how long Temporal may take to show new attributes.
	attributesTimeout = time.Minute
	attributesPause   = 500 * time.Millisecond
)

// registerAttributes adds the workflows' search attributes that the namespace does not have, and returns when they are
// visible. Nothing is collected before. Its errors have the command for a person who has the permission.
func registerAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string, log *zap.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	added := false
	for {
		missing, err := temporalclient.MissingAttributes(ctx, operator, namespace) // it needs less permission than adding them
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
				attributesTimeout, err, createCommand(namespace, workflows.Attributes()))
		}
	}
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

// createCommand is the command that registers the attributes by hand.
func createCommand(namespace string, names []string) string {
	words := []string{"temporal operator search-attribute create --namespace", namespace}
	for _, name := range names {
		words = append(words, "--name", name, "--type Keyword")
	}
	return strings.Join(words, " ")
}

// starting reports whether an error may be that of a Temporal that has just started.
func starting(err error) bool {
	switch serviceerror.ToStatus(err).Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.NotFound:
		return true
	}
	return false
}
