# Every target does its own set-up. It needs Go, make and, for all tests, Debian's rsyslog, rsyslog-gnutls and prometheus.

TEMPORAL_CLI   = github.com/temporalio/cli/cmd/temporal@v1.5.1
STATICCHECK    = honnef.co/go/tools/cmd/staticcheck@v0.8.2
WORKFLOWCHECK  = go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0

BUILD          = CGO_ENABLED=0 go build -trimpath -o bin/

# Of make chaos.
MINUTES        = 20
SEED           = 1

.PHONY: help build demo run test lint bench chaos clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: bin/temporal ## bin/worker, bin/starter and bin/temporal
	$(BUILD) ./worker ./starter

demo: build ## everything on this machine: a simulated org, Temporal, a worker, a Devo stand-in
	$(BUILD) ./internal/oktasim/cmd/oktasim ./deployments/demo
	@bin/demo

run: build ## the worker against a real org, with an embedded Temporal unless TEMPORAL_ADDRESS is set
	@deployments/run.sh

test: bin/temporal ## all tests, the end-to-end ones included
	go test -parallel 8 -timeout 30m ./...

lint: ## gofmt, vet, staticcheck, workflowcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt would change: $$files"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	go run $(WORKFLOWCHECK) ./workflows

bench: bin/temporal ## events/s and CPU seconds of a backlog, beside a minimal reading loop
	go run ./test/bench

chaos: bin/temporal ## everything goes wrong for MINUTES, as SEED decides, and nothing may be lost
	go run ./test/chaos --for $(MINUTES)m --seed $(SEED)

clean: ## what was built and what the demo keeps; not .run, where make run keeps the positions of real orgs
	rm -rf bin .demo

# The official CLI with its server and Web UI; takes about three minutes to build, once.
bin/temporal:
	GOBIN=$(CURDIR)/bin go install $(TEMPORAL_CLI)
