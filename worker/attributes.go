package main

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"

	"okta-collector/internal/temporalclient"
	"okta-collector/workflows"
)

const (
	attributesTimeout = time.Minute            // until Temporal lists new attributes
	attributesPause   = 500 * time.Millisecond // between two listings
)

// registerAttributes adds the missing search attributes to the namespace, and returns when Temporal lists them. A workflow
// that sets an attribute that is not registered cannot go on. An error of this function holds the command that adds them,
// for a person who has the permission.
func registerAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string, log *zap.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	added := false
	for {
		missing, err := temporalclient.MissingAttributes(ctx, operator, namespace) // listing needs fewer permissions than adding
		switch {
		case hasCode(err, codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.NotFound): // still starting
			log.Warn("asking Temporal for its search attributes again", zap.Error(err))
		case err != nil:
			return err
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
	if err != nil && !hasCode(err, codes.AlreadyExists) { // another worker was faster
		return fmt.Errorf("registering search attributes in namespace %q: %w; have somebody who is allowed to run:\n%s",
			namespace, err, createCommand(namespace, names))
	}
	return nil
}

// createCommand returns the command that adds the attributes.
func createCommand(namespace string, names []string) string {
	command := "temporal operator search-attribute create --namespace " + namespace
	for _, name := range names {
		command += " --name " + name + " --type Keyword"
	}
	return command
}
