# Only Go and make are needed for build, test, fuzz and bench; the race detector
# joins where there is a C compiler. plugins needs clang and lld; check rebuilds
# the policies where it finds the version that built the committed ones.

GO       ?= go
FUZZTIME ?= 30s
LONG     ?= 1
REQUESTS ?= 10000
CLANG    := 14.0.6
PEERS    :=
BEFORE   := HEAD~1
TRACES   ?= ../shared/traces

# using lists the packages whose tests say something.
using = $(shell grep -rlE --include='*_test.go' '$(1)' examples host plugins sdk | xargs -n 1 dirname | sort -u | sed 's,^,./,')

RACE := $(shell command -v "$$($(GO) env CC)" >/dev/null && echo -race)

.PHONY: help build plugins plugins-table generate test test-long check fuzz bench bench-attacks bench-table bench-isolation bench-park bench-scale bench-tenants bench-workers bench-before bench-peers bench-peers-table soak

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile

build: ## build bin/host
	$(GO) build -trimpath -o bin/host ./host

plugins: ## rebuild the bundled policies from their sources
	sh plugins/build.sh

plugins-table: build ## play the recordings in TRACES through all policies, and rank them in plugins/README.md
	$(GO) run ./host/bench/rank -host bin/host -traces $(TRACES) host/bench/rank/results.new
	@mv host/bench/rank/results.new host/bench/rank/results.tsv
	$(GO) run ./host/bench/rank -w plugins/README.md host/bench/rank/results.tsv

generate: ## rewrite what is generated from sdk/abi/schema.toml
	$(GO) generate ./...

test: ## every test in its usual form, under the race detector
	@test -n "$(RACE)" || echo 'no C compiler: the tests run without the race detector'
	$(GO) build -o bin/gotest ./host/longtest/gotest
	@GO=$(GO) bin/gotest $(RACE) -shuffle=on -timeout 25m ./...

test-long: ## the long form of every test that has one, and what the race detector leaves out; LONG=0.05 for a share of it, SKIP=REGEXP without some
	$(GO) build -o bin/gotest ./host/longtest/gotest
	@GO=$(GO) IDLEHOST_LONG=$(LONG) bin/gotest $(RACE) -shuffle=on -timeout 3h $(if $(SKIP),-skip '$(SKIP)') $(call using,idlehost/host/longtest)
	@GO=$(GO) IDLEHOST_LONG=$(LONG) bin/gotest -shuffle=on -timeout 3h $(if $(SKIP),-skip '$(SKIP)') $(call using,idlehost/host/longtest|go:build race)

check: generate ## what must hold before a change is merged
	@test -z "$$(gofmt -l . | tee -a /dev/stderr)" || { echo 'gofmt -w the files above'; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOARCH=arm64 $(GO) build ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet ./sdk/go/... ./examples/...
	$(GO) tool staticcheck ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	@if clang --version 2>/dev/null | grep -q '$(CLANG)' && command -v wasm-ld >/dev/null; then sh plugins/build.sh; \
		else echo 'no clang $(CLANG) and wasm-ld: the bundled policies are not rebuilt'; fi
	@test -z "$$(git status --porcelain)" || { \
		echo 'The following differences will fail CI until committed:'; git status --short; git --no-pager diff; exit 1; }

fuzz: ## every fuzz target, for FUZZTIME each
	sh .ci/fuzz $(FUZZTIME)

bench: ## processor time per proxied request, against a bare ReverseProxy
	$(GO) test -run '^$$' -bench '^BenchmarkProxy$$' -benchtime $(REQUESTS)x -timeout 30m ./host/bench > host/bench/results.new
	@mv host/bench/results.new host/bench/results.txt
	@$(GO) run ./host/bench/table host/bench/results.txt

bench-table: ## put the tables of the results of bench and bench-attacks into host/docs/costs.md
	$(GO) run ./host/bench/table -w host/docs/costs.md host/bench/results.txt
	@if test -f host/bench/tenants/attacks.tsv; then \
		$(GO) run ./host/bench/table -of attacks -w host/docs/costs.md host/bench/tenants/attacks.tsv; fi

bench-isolation: ## latency of a tenant's requests while another attacks, against a quiet run
	$(GO) test -run '^$$' -bench '^BenchmarkIsolation$$' -benchtime 3000x -timeout 30m ./host/bench

bench-attacks: ## what a tenant sees of every attack by another; ATTACKS=sample for one of eight, ATTACKS=1/4 for a part, to which others are added
	$(GO) test -v -run '^$$' -bench Attacks -benchtime 1x -timeout 90m ./host/bench/tenants
	@if test -z "$(ATTACKS)"; then mv host/bench/tenants/attacks.new host/bench/tenants/attacks.tsv; fi

bench-park: ## what the readiness to park costs busy connections
	$(GO) test -run '^$$' -bench '^BenchmarkParkTax$$' -benchtime $(REQUESTS)x -timeout 30m ./host/bench

bench-scale: ## many idle connections: memory, deadlines at once, waking at once
	$(GO) test -run '^$$' -bench Scale -benchtime 1x -timeout 10m ./host/bench/scale

bench-tenants: ## 10,000 tenants: memory, start, cold and warm requests; from an upload to its being in force; what one costs another
	$(GO) test -run '^$$' -bench Many -benchtime 1x -count 3 -timeout 30m ./host/bench/tenants > host/bench/tenants/results.new
	$(GO) test -run '^$$' -bench Upload -benchtime 15x -timeout 30m ./host/bench/tenants >> host/bench/tenants/results.new
	$(GO) test -run '^$$' -bench 'Neighbour|Streams' -benchtime 1x -timeout 45m ./host/bench/tenants >> host/bench/tenants/results.new
	@mv host/bench/tenants/results.new host/bench/tenants/results.txt
	@cat host/bench/tenants/results.txt

bench-workers: ## worker processes: a question, 19,000 deadlines at once, memory of one at rest, what killing them loses
	$(GO) test -run '^$$' -bench '^BenchmarkQuestion$$' ./host/internal/sandbox/worker
	$(GO) test -run '^$$' -bench '^BenchmarkDue$$' -benchtime 1x -timeout 10m ./host/bench/scale
	$(GO) test -v -run '^TestRestingWorkerIsSmall$$' ./host/internal/sandbox/worker/child
	$(GO) test -v -run '^TestKilledWorkers$$' ./host/e2e

bench-before: ## uploads, and questions in the host's process, beside those of an earlier commit, in turns: BEFORE=COMMIT
	sh host/bench/before.sh $(BEFORE)

bench-peers: ## idle connections and requests beside net/http, Caddy, nginx and HAProxy
	sh host/bench/peers/install.sh
	$(GO) run ./host/bench/peers -o host/bench/peers/results.new $(PEERS)
	@mv host/bench/peers/results.new host/bench/peers/results.txt

bench-peers-table: ## put the tables of host/bench/peers/results.txt into host/docs/costs.md
	$(GO) run ./host/bench/peers -table host/bench/peers/results.txt -w host/docs/costs.md

soak: ## a million requests over connections that park and wake
	IDLEHOST_LONG=$(LONG) $(GO) test $(RACE) -run '^TestSoak$$' -timeout 60m ./host/internal/proxy
