# Needs Go, make and git; tools beyond that are built from their Go modules into .tools. "make" alone lists the targets.

# A module is every directory with a go.mod. Fixtures and hidden directories do not count, as for the go command.
MODULES := $(sort $(patsubst %/go.mod,%,$(shell \
	find . -name '.?*' -prune -o -name testdata -prune -o -name go.mod -print)))

GOLANGCI_LINT_VERSION := v2.15.0
# The name carries both versions: a linter built with an older Go cannot read the export data of a newer one.
GOLANGCI_LINT := .tools/golangci-lint-$(GOLANGCI_LINT_VERSION)-$(shell go env GOVERSION)

GOVULNCHECK_VERSION := v1.8.0
GOVULNCHECK := .tools/govulncheck-$(GOVULNCHECK_VERSION)-$(shell go env GOVERSION)

BENCH ?= .
FUZZ ?= ^Fuzz
FUZZTIME ?= 1m

# Each module stands alone, also inside somebody's workspace.
export GOWORK := off

.DEFAULT_GOAL := help
# Recipes share the machine, the build cache and api/public.txt; the go command is parallel enough by itself.
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help demo demo-postgres install test test-browser screenshot test-postgres faults-postgres test-race cover bench \
	bench-delivery bench-postgres growth-postgres performance soak flaky-table fuzz fmt tidy vet lint vuln api \
	verify release-check ci no-race

# each runs a command in every module: one visible recipe line each, stopping at the first that fails.
define each
$(foreach module,$(MODULES),
	cd $(module) && $(1))
endef

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## Run the quickstart: no credentials, no network
	go -C examples run ./quickstart

demo-postgres: ## Show an order and its event committing and rolling back together, in a Postgres server of its own
	.ci/with-postgres sh -c 'exec go -C examples run ./outbox -demo -postgres "$$POSTGRES_URL"'

# A static program without the paths of this machine; GOBIN says where it goes. It brings three queues along: without
# inlining and HTTP/2 it stays below 20 MB.
install: export CGO_ENABLED := 0
install: ## Install the command-line tool, appevents
	go -C cmd/appevents install -trimpath -tags=nethttpomithttp2 -gcflags=all=-l -ldflags='-s -w' .

test: ## Run every module's tests
	$(call each,go test ./...)

test-postgres: ## Run the conformance suite of the queue in Postgres, also through PgBouncer
	cd delivery/pgqueue && go test -count=1 -v -run='^Test(Queue|PgBouncer|Submit)' .

faults-postgres: ## Run what can go wrong with Postgres: crashes, failover, lost connections, a full disk
	cd delivery/pgqueue && go test -count=1 -v -run='^TestFault' .
	cd examples && go test -count=1 -v -run='^TestOutbox' ./outbox

test-race: ## Run every module's tests under the race detector (needs a C compiler)
	$(call each,go test -race ./...)

BROWSER ?= chromium-headless-shell
BROWSER_TEST := go test -count=1 -timeout=1h -tags=browser

test-browser: ## Use the emulator's page in a browser: Debian's chromium-headless-shell, or BROWSER
	@if command -v $(BROWSER) >/dev/null; then \
		cd cmd/appevents && $(BROWSER_TEST) -run=Browser ./internal/page -args -browser=$(BROWSER); \
	else \
		echo 'NOT RUN: test-browser. It needs $(BROWSER), and there is none.'; \
	fi

screenshot: ## Take the README's picture of the emulator's page, docs/emulator.png, with that browser
	cd cmd/appevents && $(BROWSER_TEST) -run=BrowserScreenshot ./internal/page -args -browser=$(BROWSER) \
		-screenshot="$(CURDIR)/docs/emulator.png"

cover: ## Show the coverage of every module, leaving a cover.out in each
	$(call each,go test -coverprofile=cover.out ./...)
	$(call each,go tool cover -func=cover.out)

bench: ## Run the benchmarks, all or those matching BENCH
	$(call each,go test -run='^$$' -bench='$(BENCH)' -benchmem ./...)

bench-delivery: ## Run the benchmarks of durable delivery beside raw fsync and a plain channel
	cd delivery/boltqueue && go test -run='^$$' -bench='$(BENCH)' -benchmem .

BENCHTIME ?= 1s

# First sizes and growth, then times. Of three runs the ratios are of the fastest.
bench-postgres: ## Show the figures of the queue in Postgres beside raw inserts of the same rows, which takes some minutes
	cd delivery/pgqueue && go test -count=1 -v -timeout=2h -run='^Test(Size|SteadyLoad|Lease_Reads)' . -soak
	@mkdir -p .tools
	cd delivery/pgqueue && go test -timeout=2h -run='^$$' -bench='$(BENCH)' -benchmem -benchtime=$(BENCHTIME) -count=3 \
		. -soak > ../../.tools/bench-postgres.txt || { cat ../../.tools/bench-postgres.txt; exit 1; }
	@cat .tools/bench-postgres.txt
	go run ./internal/benchratio < .tools/bench-postgres.txt

STEADY ?= 1h

growth-postgres: ## Show that the tables in Postgres do not grow under a steady load, for STEADY
	cd delivery/pgqueue && go test -count=1 -v -timeout=48h -run='^TestSteadyLoad' . -steady=$(STEADY)

# docs/performance.md holds what it printed on an idle machine.
performance: ## Print each benchmark as a ratio to its floor, which takes some minutes
	@{ go test -run='^$$' -bench=. -benchmem -benchtime=300ms -count=5 . ./internal/redact ./graphtest; \
		cd delivery/boltqueue && go test -run='^$$' -bench='Submit|Deliver' -benchmem -count=3 .; } \
		| go run ./internal/benchratio

# What "make test" runs in small sizes. The packages named have the flag.
soak: ## Run the proofs about hostile peers and durable delivery in their large sizes, which takes some minutes
	go test -count=1 -timeout=1h -v -run='Hostile|Mutated|Bounds|MemoryIsBounded' . -soak
	cd delivery && go test -count=1 -timeout=2h -v . -soak
	cd delivery/boltqueue && go test -count=1 -timeout=2h -v . -soak
	cd delivery/natsqueue && go test -count=1 -timeout=2h -v . -soak
	cd delivery/pgqueue && go test -count=1 -timeout=2h -v . -soak
	cd cmd/appevents && go test -count=1 -timeout=2h -v -run='^TestSend_(SurvivesKill9|MillionLines)$$' . -soak
	@if command -v $(BROWSER) >/dev/null; then \
		cd cmd/appevents && $(BROWSER_TEST) -v -run=BrowserMemory ./internal/page -args -browser=$(BROWSER) -soak; \
	else \
		echo 'NOT RUN: the memory of the page. It needs $(BROWSER), and there is none.'; \
	fi

# In virtual time, so that it says the same on any machine. docs/delivery.md holds what it printed.
flaky-table: ## Print what a flaky Graph costs durable delivery, which takes some minutes
	@cd delivery && go test -count=1 -timeout=2h -run='^Test(Flaky|Outage)Table$$' . -v -table | grep -e '^|' -e '^$$' -e FAIL

# Each fuzzer needs a run of its own. A failing input is written below testdata/fuzz and then fails "make test" too.
fuzz: ## Run every fuzzer, or those matching FUZZ, for FUZZTIME each: a duration, or a count such as 10000x
	@set -e; for module in $(MODULES); do \
		found=$$(cd $$module && go test -list '$(FUZZ)' ./...); \
		fuzzers=; \
		printf '%s\n' "$$found" | while read -r word package rest; do case $$word in \
			Fuzz*) fuzzers="$$fuzzers $$word" ;; \
			ok) \
				for fuzzer in $$fuzzers; do \
					echo "cd $$module && go test -run='^$$' -fuzz='^$$fuzzer$$' -fuzztime=$(FUZZTIME) -fuzzminimizetime=2s $$package"; \
					(cd $$module && go test -run='^$$' -fuzz="^$$fuzzer$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=2s $$package); \
				done; \
				fuzzers= ;; \
		esac; done; \
	done

fmt: $(GOLANGCI_LINT) ## Format every Go file
	$(GOLANGCI_LINT) fmt

tidy: ## Tidy every go.mod
	$(call each,go mod tidy)

vet: ## Run go vet over every module
	$(call each,go vet ./...)

lint: $(GOLANGCI_LINT) ## Run the linters of .golangci.yml over every module
	$(call each,"$(CURDIR)/$(GOLANGCI_LINT)" run ./...)

$(GOLANGCI_LINT):
	GOBIN="$(CURDIR)/.tools" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv .tools/golangci-lint $@

# Exit code 3 means that something was found. A database that cannot be reached is told from any other failure by what
# the tool says.
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities that the code can reach, where their database can be asked
	@for module in $(MODULES); do \
		echo "cd $$module && govulncheck ./..."; \
		out=$$(cd $$module && "$(CURDIR)/$(GOVULNCHECK)" ./... 2>&1) && code=0 || code=$$?; \
		case $$code:$$out in \
			0:*) ;; \
			3:*) printf '%s\n' "$$out"; exit 3 ;; \
			*'fetching vulnerabilities: '*) \
				printf '%s\n' "$$out" 'NOT RUN: govulncheck. Its database cannot be reached.'; exit 0 ;; \
			*) printf '%s\n' "$$out"; exit $$code ;; \
		esac; \
	done

$(GOVULNCHECK):
	GOBIN="$(CURDIR)/.tools" go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv .tools/govulncheck $@

api: ## Write the snapshot of the exported API, api/public.txt
	@mkdir -p .tools api
	go run ./internal/apisnapshot $(MODULES) > .tools/public.txt
	mv .tools/public.txt api/public.txt

# Of the last commit, not of the working tree.
release-check: ## Show that each module can be had alone, as after a release, from a file-system proxy
	.ci/release-check

verify: ## Check formatting, go.mod files and the API snapshot without changing anything
	gofmt -d .
	$(call each,go mod tidy -diff)
	@mkdir -p .tools
	go run ./internal/apisnapshot $(MODULES) > .tools/public.txt
	diff -u api/public.txt .tools/public.txt || \
		{ echo 'api/public.txt is out of date: run "make api" and review its diff.' >&2; exit 1; }

# The race detector needs cgo, which Go turns off where there is no C compiler. Everything else runs without.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),test-race,no-race)

no-race:
	@echo 'NOT RUN: go test -race. It needs a C compiler, and there is none.'

# A count of runs: up to Go 1.26 the end of a duration can be mistaken for a failure (https://go.dev/issue/75804).
ci: FUZZTIME := 10000x
ci: test test-browser demo demo-postgres vet verify lint vuln release-check $(RACE) fuzz ## Run every check there is, as .ci/run does
	@echo 'ci: passed: $^'
