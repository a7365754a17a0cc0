package test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// temporalProxy stands between a worker and Temporal. It passes everything on, and lets a test see
// each call, act before and after it, answer in Temporal's place, and split the two.
type temporalProxy struct {
	address string

	mu    sync.Mutex
	hook  temporalHook
	conns map[*openConn]struct{}
	// apart is closed when the two are split, and whole when they are joined again.
	apart, whole chan struct{}
}

// temporalHook handles a call of the worker's. forward passes it on and returns Temporal's answer; the
// worker gets what the hook returns.
type temporalHook func(ctx context.Context, request any, forward func() (any, error)) (any, error)

// errUnavailable is what a balancer says that has no Temporal behind it.
var errUnavailable = status.Error(codes.Unavailable, "simulated: Temporal is away")

// maxMessage is more than Temporal's largest message, in bytes.
const maxMessage = 128 << 20

func newTemporalProxy(t *testing.T, temporal string) *temporalProxy {
	upstream, err := grpc.NewClient(temporal, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	require.NoError(t, err)
	service, err := proxy.NewWorkflowServiceProxyServer(proxy.WorkflowServiceProxyOptions{Client: workflowservice.NewWorkflowServiceClient(upstream)})
	require.NoError(t, err)
	accepting, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	p := &temporalProxy{address: accepting.Addr().String(), conns: map[*openConn]struct{}{}, apart: make(chan struct{}), whole: make(chan struct{})}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.UnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			return p.pass(ctx, request, handle)
		}))
	workflowservice.RegisterWorkflowServiceServer(server, service)
	operatorservice.RegisterOperatorServiceServer(server, operatorProxy{client: operatorservice.NewOperatorServiceClient(upstream)})
	healthpb.RegisterHealthServer(server, healthProxy{client: healthpb.NewHealthClient(upstream)})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener{accepting, p}) }()
	t.Cleanup(func() {
		p.intercept(nil)
		server.Stop()
		<-served
		_ = upstream.Close()
	})
	return p
}

// intercept lets hook handle the calls from now on; nil: they are passed on as they are.
func (p *temporalProxy) intercept(hook temporalHook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

func (p *temporalProxy) pass(ctx context.Context, request any, handle grpc.UnaryHandler) (any, error) {
	p.mu.Lock()
	hook, apart, whole := p.hook, p.apart, p.whole
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	forward := func() (any, error) {
		select {
		case <-apart:
			return nil, errUnavailable
		default:
		}
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-apart: // what is under way gets no answer
				cancel()
			case <-done:
			}
		}()
		return handle(ctx, request)
	}
	var answer any
	var err error
	if hook == nil {
		answer, err = forward()
	} else {
		answer, err = hook(ctx, request, forward)
	}
	select {
	case <-apart:
	default:
		return answer, err
	}
	// Nothing is heard on either side while they are split.
	<-whole
	return nil, errUnavailable
}

// split swallows every call, those under way included, until join.
func (p *temporalProxy) split() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.apart)
}

// join passes calls on again.
func (p *temporalProxy) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.whole)
	p.apart, p.whole = make(chan struct{}), make(chan struct{})
}

// cut resets the worker's connections.
func (p *temporalProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.TCPConn.SetLinger(0)
		_ = conn.TCPConn.Close()
	}
	clear(p.conns)
}

// listener knows the connections that are open.
type listener struct {
	net.Listener
	proxy *temporalProxy
}

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	opened := &openConn{conn.(*net.TCPConn), l.proxy} // what "tcp" gives
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	l.proxy.conns[opened] = struct{}{}
	return opened, nil
}

type openConn struct {
	*net.TCPConn
	proxy *temporalProxy
}

func (c *openConn) Close() error {
	c.proxy.mu.Lock()
	delete(c.proxy.conns, c)
	c.proxy.mu.Unlock()
	return c.TCPConn.Close()
}

// operatorProxy passes on what the worker needs to register its search attributes.
type operatorProxy struct {
	operatorservice.UnimplementedOperatorServiceServer
	client operatorservice.OperatorServiceClient
}

func (p operatorProxy) ListSearchAttributes(ctx context.Context, r *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	return p.client.ListSearchAttributes(ctx, r)
}

func (p operatorProxy) AddSearchAttributes(ctx context.Context, r *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	return p.client.AddSearchAttributes(ctx, r)
}

// healthProxy passes on what /readyz asks.
type healthProxy struct {
	healthpb.UnimplementedHealthServer
	client healthpb.HealthClient
}

func (p healthProxy) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return p.client.Check(ctx, r)
}
