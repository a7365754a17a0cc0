# Every target does its own set-up. It needs Go, make and, for all tests, what .ci/run installs from Debian.

TEMPORAL_CLI   = github.com/temporalio/cli/cmd/temporal@v1.5.1
TEMPORAL_SERVER = go.temporal.io/server/cmd/server@v1.32.1
TEMPORAL_SCHEMA = go.temporal.io/server/cmd/tools/sql@v1.32.1
STATICCHECK    = honnef.co/go/tools/cmd/staticcheck@v0.8.2
WORKFLOWCHECK  = go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0
GOVULNCHECK    = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The database of known vulnerabilities that make audit asks. make vulndb makes one of Go's module proxy.
VULNDB         = https://vuln.go.dev
VULNDB_MODULE  = golang.org/x/vulndb

# Of what is built: tag and commit. Without .git the version has to be given.
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null)
KNOWN_VERSION  = $(or $(VERSION),$(error there is no .git to name the version: give VERSION=v1.2.3))
COMMIT        ?= $(shell git rev-parse HEAD 2>/dev/null)
COMMIT_TIME   ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),0)

# Go's name of the product. It is written in go.mod; make module changes it there and in every import.
MODULE         = $(shell go list -m)
BUILDINFO      = $(MODULE)/internal/buildinfo
BUILD          = CGO_ENABLED=0 go build -trimpath -ldflags "-X $(BUILDINFO).version=$(KNOWN_VERSION) -X $(BUILDINFO).commit=$(COMMIT)" -o

# Of make image. Its tag is the version, so that there is one to roll back to. PLATFORMS=linux/amd64,linux/arm64 builds
# for both.
IMAGE          = okta-collector
PLATFORMS      =
IMAGE_ARGS     = --build-arg VERSION=$(KNOWN_VERSION) --build-arg COMMIT=$(COMMIT) --file deployments/Dockerfile

# Of make release.
DIST           = dist

# There are three modules: the product's, with its unit tests; test/, with the end-to-end tests, make bench and make
# chaos; and deployments/packaging, with make release and the tests of what is deployed.
PACKAGING      = deployments/packaging

# make test runs everything anew: some tests build the programs that they run, and go test's cache does not know of that.
# TESTED fails where a module's go test ran no test: that prints no ok, or one that says so, and is content.
SHELL          = bash
TESTED         = awk '{ print; fflush() } /^ok / && !/\[no tests to run\]/ { ran = 1 } END { if (!ran) { print "FAIL: no test ran"; exit 1 } }'

# Of make bench: flags, which go run -C test ./bench --help lists.
BENCH          =

# Of make chaos.
MINUTES        = 20
SEED           = 1

.PHONY: help build module image release demo run check test test-windows deploying test-cluster test-image test-release test-fips race lint audit vulndb pin bench chaos clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: bin/temporal ## bin/worker, bin/starter and bin/temporal
	$(BUILD) bin/worker ./cmd/okta-collector-worker
	$(BUILD) bin/starter ./cmd/okta-collector

module: ## changes Go's name of the product, for an address of your own: MODULE=git.example.com/team/okta-collector
	@old=$$(go list -m); test "$$old" != "$(MODULE)" || { echo "give MODULE, another one than $$old"; exit 1; }; \
	find . -name '*.go' -exec sed -i -E "s#^(\s*(import )?([A-Za-z_.]+ )?\")$$old/#\1$(MODULE)/#" {} +; \
	sed -i -E "s#^((module|replace)?\s*)$$old([ /]|\$$)#\1$(MODULE)\3#" go.mod test/go.mod $(PACKAGING)/go.mod

# buildah leaves HEALTHCHECK out of an image of OCI's format. Debian 12's does not know BUILDPLATFORM.
image: ## the container image IMAGE, with the version as its tag; it needs docker or buildah
	@if docker info >/dev/null 2>&1; then \
		set -x; docker build $(IMAGE_ARGS) $(if $(PLATFORMS),--platform $(PLATFORMS)) --tag $(IMAGE):$(KNOWN_VERSION) .; \
	elif command -v buildah >/dev/null; then \
		set -x; buildah build --format docker --ignorefile deployments/Dockerfile.dockerignore --build-arg BUILDPLATFORM=linux/$$(go env GOHOSTARCH) \
			$(BUILDAH_ARGS) $(IMAGE_ARGS) \
			$(if $(PLATFORMS),--platform $(PLATFORMS) --manifest,--tag) $(IMAGE):$(KNOWN_VERSION) .; \
	else \
		echo "make image needs docker, with its daemon running, or buildah" >&2; exit 1; \
	fi

release: ## archives, Debian packages, SBOMs and checksums in DIST, for a tagged commit
	go run -C $(PACKAGING) . -root $(CURDIR) -out $(CURDIR)/$(DIST) -version "$(KNOWN_VERSION)" -commit "$(COMMIT)" -time "$(COMMIT_TIME)"

demo: build ## everything on this machine: a simulated org, Temporal, a worker, a Devo stand-in
	$(BUILD) bin/ ./internal/oktasim/cmd/oktasim ./deployments/demo
	@bin/demo

run: build ## the worker against a real org, with an embedded Temporal unless TEMPORAL_ADDRESS is set
	@deployments/run.sh

check: lint ## the linters and the unit tests, in less than a minute
	@set -o pipefail; go test -short ./... | $(TESTED)

test: bin/temporal ## all tests, the end-to-end ones included
	@set -o pipefail; go test -count 1 -parallel 8 -timeout 30m ./... | $(TESTED)
	@set -o pipefail; go test -C test -count 1 -parallel 10 -timeout 30m ./... | $(TESTED)
	@set -o pipefail; go test -C $(PACKAGING) -count 1 -timeout 30m ./... | $(TESTED)

test-windows: bin/temporal ## three workers, killed now and then, share ten of Okta's windows of a minute; make test does it for three
	go test -C test -count 1 -timeout 30m -v -run TestSeveralWorkersTogether -windows 10

test-image: bin/temporal ## builds the image for both architectures with buildah, and runs it against the stand-ins
	go test -C test -count 1 -timeout 30m -v -run TestTheImage -image

deploying: bin/temporal ## runs the commands of docs/deploying.md that can run here, and names the others
	@set -o pipefail; go test -C test -count 1 -timeout 30m -v -run TestTheCommandsOfDeploying . | grep -v '^=== '

test-cluster: bin/temporal bin/cluster/server ## kills workers, PostgreSQL and the roles of a Temporal on it; it needs Debian's postgresql
	go test -C test -count 1 -timeout 30m -v -run TestInACluster -cluster

test-release: ## builds a release twice, in two directories, and installs the programs as go install does
	go test -C $(PACKAGING) -count 1 -timeout 30m -v -run Release -release

test-fips: ## the unit tests with Go's FIPS 140-3 module on
	@set -o pipefail; GODEBUG=fips140=on go test -short ./... | $(TESTED)

race: ## the unit tests with the race detector; it needs gcc
	@set -o pipefail; CGO_ENABLED=1 go test -short -race ./... | $(TESTED)

lint: ## gofmt, vet, staticcheck, workflowcheck
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt would change: $$files"; exit 1; }
	go vet ./...
	go vet -C test ./...
	go vet -C $(PACKAGING) ./...
	go run $(STATICCHECK) ./...
	cd test && go run $(STATICCHECK) ./...
	cd $(PACKAGING) && go run $(STATICCHECK) ./...
	go run $(WORKFLOWCHECK) ./workflows

audit: ## known vulnerabilities in Go and in the modules, where their database can be reached; go mod verify
	go mod verify
	@echo go -C test mod verify # the product is a directory beside it, which has no hash
	@go -C $(PACKAGING) mod verify
	@! go -C test mod verify 2>&1 | grep -vE '^(\S+ v0.0.0: missing ziphash|go: downloading|all modules verified)'
	@for module in . test $(PACKAGING); do \
		out=$$(go -C $$module run $(GOVULNCHECK) -db $(VULNDB) ./... 2>&1); code=$$?; echo "$$out"; \
		if [ $$code -ne 0 ] && grep -q 'govulncheck: fetching vulnerabilities' <<<"$$out"; then \
			echo "NOT SCANNED, module $$module: the database $(VULNDB) cannot be reached. Where Go's module proxy can be:"; \
			echo "  make vulndb && make audit VULNDB=file://$(CURDIR)/.vulndb"; \
		elif [ $$code -ne 0 ]; then failed=1; \
		fi; \
	done; exit $${failed:-0}

vulndb: ## the database for make audit in .vulndb, of the newest version that Go's module proxy has
	@set -e; dir=$$(go mod download -json $(VULNDB_MODULE)@latest | awk -F '"' '$$2 == "Dir" {print $$4}'); \
	rm -rf .vulndb; go run $(VULNDB_MODULE)/cmd/indexdb@$${dir##*@} -vulns "$$dir/data/osv" -out .vulndb; echo "$${dir##*@}"

pin: ## the digests of the images' tags, to be written beside them; it needs docker and a registry
	@for image in $$(sed -nE 's/.*_IMAGE(=|:-)([a-z/-]+:v?[0-9.]+).*/\2/p' deployments/Dockerfile deployments/compose*.yaml | sort -u); do \
		digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$$image") && echo "$$image@$$digest" || exit 1; \
	done

bench: bin/temporal ## the collector beside loops that do less, held against its targets; BENCH="--only files" for a part of it
	go run -C test ./bench $(BENCH)

chaos: bin/temporal ## everything goes wrong for MINUTES, as SEED decides, and nothing may be lost
	go run -C test ./chaos --for $(MINUTES)m --seed $(SEED)

clean: ## what was built and what the demo keeps; not .run, where make run keeps the positions of real orgs
	rm -rf bin dist .demo

# The official CLI with its server and Web UI; takes about three minutes to build, once.
bin/temporal:
	GOBIN=$(CURDIR)/bin go install $(TEMPORAL_CLI)

# Temporal's server, for each role a process, and its schema tool; takes about five minutes to build, once.
bin/cluster/server:
	GOBIN=$(CURDIR)/bin/cluster go install $(TEMPORAL_SCHEMA) $(TEMPORAL_SERVER)
