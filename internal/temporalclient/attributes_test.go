package temporalclient

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"okta-collector/workflows"
)

const keyword = enums.INDEXED_VALUE_TYPE_KEYWORD

// operator is the part of Temporal that knows the search attributes of one namespace.
type operator struct {
	operatorservice.OperatorServiceClient
	have map[string]enums.IndexedValueType
	// listErrors are answered first, one for each listing; addError always.
	listErrors []error
	addError   error
	// visibleAfter is how many listings it takes until added attributes are shown.
	visibleAfter int

	pending map[string]enums.IndexedValueType
	added   []map[string]enums.IndexedValueType
}

func (o *operator) ListSearchAttributes(_ context.Context, r *operatorservice.ListSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	if len(o.listErrors) > 0 {
		err := o.listErrors[0]
		o.listErrors = o.listErrors[1:]
		return nil, err
	}
	if o.pending != nil {
		if o.visibleAfter--; o.visibleAfter < 0 {
			for name, kind := range o.pending {
				o.have[name] = kind
			}
		}
	}
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: o.have}, nil
}

func (o *operator) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	o.added = append(o.added, r.SearchAttributes)
	if o.addError != nil {
		return nil, o.addError
	}
	o.pending = r.SearchAttributes
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

func register(t *testing.T, o *operator) (err error) {
	t.Helper()
	if o.have == nil {
		o.have = make(map[string]enums.IndexedValueType)
	}
	synctest.Test(t, func(t *testing.T) {
		_, err = RegisterAttributes(t.Context(), o, "prod")
	})
	return err
}

func TestAttributesThatAreThereAreLeftAlone(t *testing.T) {
	o := &operator{have: map[string]enums.IndexedValueType{
		workflows.AttributeTenant: keyword, workflows.AttributeService: keyword, workflows.AttributeState: keyword, "Other": enums.INDEXED_VALUE_TYPE_INT,
	}}
	require.NoError(t, register(t, o))
	require.Empty(t, o.added)
}

func TestOnlyWhatIsMissingIsAddedAndWaitedFor(t *testing.T) {
	o := &operator{have: map[string]enums.IndexedValueType{workflows.AttributeTenant: keyword}, visibleAfter: 5}
	require.NoError(t, register(t, o))
	require.Equal(t, []map[string]enums.IndexedValueType{{workflows.AttributeService: keyword, workflows.AttributeState: keyword}}, o.added)
	require.Len(t, o.have, 3)
}

func TestATemporalThatIsStillStartingIsAskedAgain(t *testing.T) {
	o := &operator{listErrors: []error{
		serviceerror.NewNamespaceNotFound("prod"), serviceerror.NewUnavailable("starting"), context.DeadlineExceeded,
	}}
	require.NoError(t, register(t, o))
	require.Len(t, o.added, 1)
}

func TestAWorkerThatWasFasterIsNoProblem(t *testing.T) {
	o := &operator{addError: serviceerror.NewAlreadyExists("exists"), pending: map[string]enums.IndexedValueType{
		workflows.AttributeTenant: keyword, workflows.AttributeService: keyword, workflows.AttributeState: keyword,
	}, visibleAfter: 1}
	require.NoError(t, register(t, o))
}

func TestWhoMayNotAddIsToldTheCommand(t *testing.T) {
	o := &operator{have: map[string]enums.IndexedValueType{workflows.AttributeTenant: keyword}, addError: serviceerror.NewPermissionDenied("no", "")}
	err := register(t, o)
	require.ErrorContains(t, err, "temporal operator search-attribute create --namespace prod --name OktaService --type Keyword --name CollectorState --type Keyword")
}

func TestWhoMayNotListIsToldSoAtOnce(t *testing.T) {
	o := &operator{listErrors: []error{serviceerror.NewPermissionDenied("no", "")}}
	require.ErrorContains(t, register(t, o), "listing them: no")
}

func TestAnAttributeOfAnotherTypeIsRefused(t *testing.T) {
	o := &operator{have: map[string]enums.IndexedValueType{workflows.AttributeTenant: enums.INDEXED_VALUE_TYPE_TEXT}}
	require.ErrorContains(t, register(t, o), "OktaTenant")
	require.Empty(t, o.added)
}

func TestAttributesThatNeverShowUpAreGivenUpOn(t *testing.T) {
	o := &operator{visibleAfter: 1_000_000}
	require.ErrorContains(t, register(t, o), "were not listed within 1m0s")
	require.Len(t, o.added, 1, "added once")
}

func TestAStopEndsTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		started := time.Now()
		_, err := RegisterAttributes(ctx, &operator{visibleAfter: 1_000_000}, "prod")
		require.Error(t, err)
		require.Equal(t, 3*time.Second, time.Since(started))
	})
}

func TestANamespaceWithoutRoomIsToldWhatToDo(t *testing.T) {
	o := &operator{addError: serviceerror.NewInvalidArgument("Unable to create search attributes: cannot have more than 10 search attribute of type Keyword.")}
	err := register(t, o)
	require.ErrorAs(t, err, new(*AttributesError))
	require.ErrorContains(t, err, "cannot have more than 10")
	require.ErrorContains(t, err, "remove some that nobody uses")
	require.Len(t, o.added, 1, "a retry does not help")
}

func TestWhatIsNotKnownIsNoLackOfAttributes(t *testing.T) {
	for name, listErrors := range map[string][]error{
		"Temporal is away":             slices.Repeat([]error{serviceerror.NewUnavailable("away")}, 1000),
		"Temporal has a fault":         {serviceerror.NewInternal("away")},
		"the API key is not valid yet": {status.Error(codes.Unauthenticated, "away")},
	} {
		t.Run(name, func(t *testing.T) {
			err := register(t, &operator{listErrors: listErrors})
			require.ErrorContains(t, err, "away")
			require.False(t, errors.As(err, new(*AttributesError)))
		})
	}
}
