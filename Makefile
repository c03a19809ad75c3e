# The commands of the project. Each works from a fresh clone.

GO         ?= go
MODULES    := . examples bench testdata/realworld
GOFUMPT     = $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GORELEASER  = $(GO) run github.com/goreleaser/goreleaser/v2@v2.15.1

# The race detector needs cgo. It would have each process sleep for a second when it exits,
# and there are hundreds.
RACE = CGO_ENABLED=1 GORACE=atexit_sleep_ms=0
# SQLite's engine is C turned into Go, on memory that the detector knows nothing
# of: watching it finds nothing and takes minutes.
RACEFLAGS = -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc=-race=false
# A hang is one after 40 minutes of a package that shares the machine. go vet is run by
# lint, in full.
TESTFLAGS = -vet=off -timeout 40m
# A module of large types and no concurrency is tested without it. Its tests run the go
# command, whose inputs the cache of test results does not know.
UNRACED = testdata/realworld
# Packages without concurrency that try more without the detector than with it.
THOROUGH = ./generator/internal/wire

# What tests must cover, and where their run writes down what they did. Counting is
# costly under the race detector, so it is a run of its own without it.
COVERED  = ./runtime/... ./generator/... ./config/... ./server/...
COVERAGE = .cache/coverage

# The Go files that are not generated, for gofumpt.
HANDWRITTEN = git ls-files '*.go' | grep -vE '/testdata/|_taskgen\.go$$|^proto/'

PROVIDER ?= sqlite
DEMOFLAGS ?=
# A broker runs as long as the demo does, and its data stay for the next run. The
# emulator of SQS keeps none: -fresh forgets the index that goes with what was there.
BROKER    = $(GO) run ./internal/testserver/run -keep $(PROVIDER) --
BROKERURL = {$(PROVIDER)}
ifeq ($(PROVIDER),sqs)
BROKER    = $(GO) run ./internal/testserver/run sqs --
BROKERURL = sqs://us-east-1?endpoint={sqs}
override DEMOFLAGS += -fresh
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: demo
demo: ## generate, then run examples/docsearch (PROVIDER=memory|sqlite|redis|sqs|rabbitmq|nats, DEMOFLAGS='-dir … -query …')
	@scripts/setup.sh $(PROVIDER)
	$(GO) -C examples generate ./...
ifneq ($(filter memory sqlite,$(PROVIDER)),)
	$(GO) -C examples run ./docsearch -provider $(PROVIDER) $(DEMOFLAGS)
else
	$(BROKER) $(GO) -C examples run ./docsearch -provider $(PROVIDER) -url '$(BROKERURL)' $(DEMOFLAGS)
endif

.PHONY: test
test: ## run every test of every module, with the race detector, on servers it starts
	@scripts/setup.sh race servers
	@failed=; $(GO) test $(TESTFLAGS) $(THOROUGH) || failed=1; for m in $(MODULES); do \
		flags="$(RACEFLAGS)"; case $$m in $(UNRACED)) flags=-count=1 ;; esac; \
		echo "== test $$m"; (cd $$m && $(RACE) $(GO) test $$flags $(TESTFLAGS) ./...) || failed=1; done; \
	test -z "$$failed"

# What test-short leaves out: the packages that are about brokers.
BROKERS = taskgen/server|cmd/taskq|runtime/(redis|sqs|rabbitmq|nats)|config/all|internal/(ledger|canary|fleettest|historytest|tracingtest|testserver)

.PHONY: test-short
test-short: ## run what needs nothing but Go, for daily work: no broker and no race detector
	$(GO) test -short $$($(GO) list ./... | grep -vE '/($(BROKERS))(/|$$)')

.PHONY: test-rabbitmq4
test-rabbitmq4: ## run the tests of the RabbitMQ provider on the RabbitMQ 4 of Debian trixie (root on Debian; RABBITMQ4=folder to keep it in)
	scripts/rabbitmq4.sh $(or $(RABBITMQ4),$(CURDIR)/.cache/rabbitmq4) $(GO) test -count=1 -timeout 20m ./runtime/rabbitmq

.PHONY: providers
providers: ## run the conformance suites and write what they found into docs/providers.md
	@scripts/setup.sh race servers
	@mkdir -p testdata/conformance
	TASKGEN_CONFORMANCE_OUT=$(CURDIR)/testdata/conformance $(GO) test -count=1 -timeout 30m -run 'KeepsTheLaws' ./runtime/...
	@rm -f testdata/conformance/*-fake.json # our own stand-in; the emulators' reports are there
	$(GO) test . -run TestProvidersPage -update

.PHONY: lint
lint: ## go vet, staticcheck and gofumpt at pinned versions, and taskvet
	@mkdir -p .cache && $(GO) build -o .cache/taskvet ./cmd/taskvet
	@set -e; for m in $(MODULES); do echo "== lint $$m"; (cd $$m && $(GO) vet ./... && $(STATICCHECK) ./... && $(CURDIR)/.cache/taskvet ./...); done
	@files="$$($(GOFUMPT) -l $$($(HANDWRITTEN)))"; \
	if [ -n "$$files" ]; then echo "gofumpt would change:"; echo "$$files"; exit 1; fi

.PHONY: format
format: ## gofumpt every file
	$(GOFUMPT) -w $$($(HANDWRITTEN))

.PHONY: generate
generate: ## write the generated code of every module
	@set -e; for m in $(MODULES); do (cd $$m && $(GO) generate ./...); done

.PHONY: proto
proto: ## write the generated code of proto/
	@scripts/proto.sh generate

.PHONY: generate-check
generate-check: ## fail when generated code is not up to date, or when a definition breaks callers
	@set -e; for m in examples bench; do echo "== taskgen -check $$m"; (cd $$m && $(GO) tool taskgen -check ./...); done
	$(GO) run ./cmd/taskgen -check ./internal/ledger/tasks ./analyzer/testdata/tasks ./analyzer/testdata/unexported
	@scripts/proto.sh check

.PHONY: cover
cover: ## fail where the short tests cover less than 85 % of runtime, generator, config or server
	@scripts/setup.sh servers
	@mkdir -p $(dir $(COVERAGE)) && rm -f $(COVERAGE)
	$(GO) test -short $(TESTFLAGS) -coverprofile=$(COVERAGE) -coverpkg=$$(echo $(COVERED) | tr ' ' ,) ./... || echo 'cover: a test failed, which is for make test to judge'
	@scripts/cover.sh 85 $(COVERAGE) $(COVERED)

.PHONY: fuzz
fuzz: ## run each fuzz test for FUZZTIME (10s)
	@scripts/fuzz.sh $${FUZZTIME:-10s}

.PHONY: soak
soak: ## kill schedulers and set their clocks for two minutes while 10,000 firings are due, on SQLite and on Redis; 20,000 dead letters and four operators
	@scripts/setup.sh
	$(GO) test ./internal/scheduletest -run KilledSchedulers -v -count 1 -timeout 10m -args -soak 2m
	$(GO) test ./runtime/dlq -run FourOperators -v -count 1 -timeout 30m -args -letters 20000

.PHONY: chaos
chaos: ## fault processes, links and broker, and audit what they did (PROVIDER=sqlite|redis|rediscluster|sqs|rabbitmq|nats, SEED=, FOR=3m)
	@scripts/setup.sh race $(patsubst rediscluster,redis,$(filter-out sqs,$(PROVIDER)))
	$(RACE) $(GO) test $(RACEFLAGS) ./internal/ledger -run TestChaos -v -count 1 -timeout 2h -args -provider $(PROVIDER) -seed $(or $(SEED),0) -for $(or $(FOR),3m)

.PHONY: bench
bench: ## the benchmarks beside peers, about half an hour; writes bench/results/, its page and docs/performance.md
	@scripts/setup.sh race servers
	$(GO) -C bench run ./memory
	$(GO) -C bench run ./sqlite
	$(GO) -C bench run ./generator
	$(GO) -C bench run ./redis
	$(GO) -C bench run ./redis/observed
	$(GO) -C bench run ./nats
	$(GO) -C bench run ./rabbitmq
	$(GO) -C bench run ./sqs -links 0s # what counts is requests, and a longer way takes no more of them
	$(GO) -C bench run ./page

.PHONY: release
release: ## publish the release of the tag that is checked out (GITHUB_TOKEN)
	$(GORELEASER) release --clean

.PHONY: snapshot
snapshot: ## build what a release of this commit would hold, into dist/
	$(GORELEASER) release --clean --snapshot

.PHONY: bench-quick
bench-quick: ## Redis beside asynq, in less than a minute; its last line is JSON
	@scripts/setup.sh redis
	@$(GO) -C bench run ./redis/quick
