# Every target does its own set-up. It needs Go, make and, for all tests, Debian's rsyslog, rsyslog-gnutls and prometheus.

TEMPORAL_CLI   = github.com/temporalio/cli/cmd/temporal@v1.5.1
STATICCHECK    = honnef.co/go/tools/cmd/staticcheck@v0.8.2
WORKFLOWCHECK  = go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0

# Of what is built: tag and commit. Without .git it has to be given.
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null)
KNOWN_VERSION  = $(or $(VERSION),$(error there is no .git to name the version: give VERSION=v1.2.3))

BUILD          = CGO_ENABLED=0 go build -trimpath -ldflags "-X okta-collector/internal/buildinfo.version=$(KNOWN_VERSION)" -o bin/

# Of make image. Its tag is the version, so that there is one to roll back to.
IMAGE          = okta-collector

# There are two modules: the product's, with its unit tests, and test/, with the end-to-end tests, make bench and make chaos.
# make test runs everything anew: some tests build the programs that they run, and go test's cache does not know of that.
# TESTED fails where a module's go test ran no test: that prints no ok, or one that says so, and is content.
SHELL          = bash
TESTED         = awk '{ print; fflush() } /^ok / && !/\[no tests to run\]/ { ran = 1 } END { if (!ran) { print "FAIL: no test ran"; exit 1 } }'

# Of make chaos.
MINUTES        = 20
SEED           = 1

.PHONY: help build image demo run check test race lint bench chaos clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: bin/temporal ## bin/worker, bin/starter and bin/temporal
	$(BUILD) ./worker ./starter

image: ## the container image IMAGE, with the version as its tag; it needs docker
	docker build --build-arg VERSION=$(KNOWN_VERSION) --file deployments/Dockerfile --tag $(IMAGE):$(KNOWN_VERSION) .

demo: build ## everything on this machine: a simulated org, Temporal, a worker, a Devo stand-in
	$(BUILD) ./internal/oktasim/cmd/oktasim ./deployments/demo
	@bin/demo

run: build ## the worker against a real org, with an embedded Temporal unless TEMPORAL_ADDRESS is set
	@deployments/run.sh

check: lint ## the linters and the unit tests, in less than a minute
	@set -o pipefail; go test -short ./... | $(TESTED)

test: bin/temporal ## all tests, the end-to-end ones included
	@set -o pipefail; go test -count 1 -parallel 8 -timeout 30m ./... | $(TESTED)
	@set -o pipefail; go test -C test -count 1 -parallel 8 -timeout 30m ./... | $(TESTED)

race: ## the unit tests with the race detector; it needs gcc
	@set -o pipefail; CGO_ENABLED=1 go test -short -race ./... | $(TESTED)

lint: ## gofmt, vet, staticcheck, workflowcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt would change: $$files"; exit 1; }
	go vet ./...
	go vet -C test ./...
	go run $(STATICCHECK) ./...
	cd test && go run $(STATICCHECK) ./...
	go run $(WORKFLOWCHECK) ./workflows

bench: bin/temporal ## events/s and CPU seconds of a backlog, beside a minimal reading loop
	go run -C test ./bench

chaos: bin/temporal ## everything goes wrong for MINUTES, as SEED decides, and nothing may be lost
	go run -C test ./chaos --for $(MINUTES)m --seed $(SEED)

clean: ## what was built and what the demo keeps; not .run, where make run keeps the positions of real orgs
	rm -rf bin .demo

# The official CLI with its server and Web UI; takes about three minutes to build, once.
bin/temporal:
	GOBIN=$(CURDIR)/bin go install $(TEMPORAL_CLI)
