package temporalclient

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"

	"okta-collector/workflows"
)

// MissingAttributes returns the search attributes of the workflows that a namespace does not have.
func MissingAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string) ([]string, error) {
	list, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("listing the search attributes of namespace %q: %w", namespace, err)
	}
	var missing []string
	for _, name := range workflows.Attributes() {
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
