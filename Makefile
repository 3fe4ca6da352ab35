# make help lists the targets. GNU make 3.81 (macOS) is enough.

SHELL       := /bin/sh
BIN         := bin
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMAGE       ?= council-signer
FUZZTIME    ?= 10s
TESTTIMEOUT ?= 75m

# Tests of this project keep several cores busy each, and some of them race
# real processes against deadlines: more than two packages at once only makes
# them slower.
JOBS        ?= 2

# Packages with goroutines: the race detector has something to say there. Of tss
# that is the search for primes and one whole signature; the rest of its tests is
# arithmetic on one goroutine, which the detector only makes slow; so it does
# the key generations of seven nodes.
RACE        := ./node ./api ./api/client ./p2p ./journal ./keystore ./chain ./cmd/devnet \
               ./internal/devchain ./internal/slowlink ./internal/testcouncil
RACE_SKIP   := SevenNodesMakeAKey|KeyIsWholeOrNotThere|SilenceNames|SilenceInAKey|SilenceInARound|SilenceOn|Distant|CoordinatorLies|CoordinatorForks|LastSigner|LiesInARound|OverLibp2p|Culprit|InvalidMessage|TwoBegins|FinalityReaches|PolicyRow|ForgedNumbers
RACE_TSS    := GeneratePreParams|PreParamsCancel|PairSigns
# Of the commands it is what waits at a prompt, and for a stream.
RACE_SIGNER := Interrupt|Denying

# For builds and tests alike, so that they share what is compiled. The version
# comes in by the linker, so the build needs no VCS stamp, and two builds of one
# commit give the same bytes.
export GOFLAGS := $(GOFLAGS) -trimpath -buildvcs=false
LDFLAGS     := -s -w -X main.version=$(VERSION)

.PHONY: help need build demo test test-short test-matrix lint race audit bench bench-rooms fuzz \
        test-peers test-netns test-trials peers contracts licenses docker clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

need:
	@sh tools/need.sh go git

build: need ## bin/signer and bin/devnet
	@echo "building $(VERSION) (the first build takes some minutes)"
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

demo: build ## a whole council on this machine signs its first transaction (KEEP=1 leaves it running)
	KEEP='$(KEEP)' $(BIN)/devnet demo

# What fails fast comes first. Of the packages those begin first that take longest, so that
# all others are done beside them; go test runs none twice.
LONGEST     := ./node ./tss ./agenda

test: need lint ## everything: format, vet, staticcheck, all tests, race detector
	CGO_ENABLED=0 go test -p $(JOBS) -timeout $(TESTTIMEOUT) $(LONGEST) ./...
	@$(MAKE) --no-print-directory race

test-short: need ## tests of council, policy, agenda, configs and the import arrows: a few minutes
	CGO_ENABLED=0 go test ./internal/arrows ./internal/strict ./council/... ./policy/... ./agenda/... ./configs/...

# Traitors that queues in one process carry in 'make test', and libp2p in 'make test-matrix'.
TREASON     := ^(TestTraitor|TestCoordinator|TestLastSignerKeeps|TestSilenceInARound|TestLiesInARound|TestReplayedWords|TestFloods)

test-matrix: need ## rotations with a death, a cut or a power failure at every single step, and lies in every round, of real peers: some hours
	CGO_ENABLED=0 go test -timeout 3h -run 'Rotation' ./agenda -matrix
	SIGNER_TEST_MATRIX=1 CGO_ENABLED=0 go test -timeout 3h -run 'TestDeathAtEachStepOfARotation|TestReplayedWords' ./node
	SIGNER_TEST_MATRIX=1 SIGNER_TEST_LIBP2P=1 CGO_ENABLED=0 go test -timeout 3h -run '$(TREASON)' ./node

lint: need ## gofmt, the import arrows, go vet, staticcheck
	@sh tools/gofmt.sh
	CGO_ENABLED=0 go test ./internal/arrows
	CGO_ENABLED=0 go vet ./...
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -C tools/lint -o ../../$(BIN)/ honnef.co/go/tools/cmd/staticcheck
	CGO_ENABLED=0 $(BIN)/staticcheck ./...

race: need ## the packages with goroutines, under the race detector
	@if command -v "$$(go env CC)" >/dev/null 2>&1; then \
		echo "CGO_ENABLED=1 go test -race $(RACE)"; \
		CGO_ENABLED=1 go test -race -short -p $(JOBS) -timeout $(TESTTIMEOUT) -skip '$(RACE_SKIP)' $(RACE) && \
		CGO_ENABLED=1 go test -race -timeout $(TESTTIMEOUT) -run '$(RACE_TSS)' ./tss && \
		CGO_ENABLED=1 go test -race -timeout $(TESTTIMEOUT) -run '$(RACE_SIGNER)' ./cmd/signer; \
	else \
		echo "no race pass: there is no C compiler ($$(go env CC)) here, and -race needs one"; \
	fi

audit: need ## govulncheck, where its database can be reached
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -C tools/lint -o ../../$(BIN)/ golang.org/x/vuln/cmd/govulncheck
	@sh tools/audit.sh $(BIN)/govulncheck

bench: build ## seven processes against the bare engine, and how a council grows (docs/benchmarks.md, docs/growth.md); nothing else should run meanwhile (ONLY=rotation measures one part)
	$(BIN)/devnet bench $(if $(ONLY),--only $(ONLY))
	$(if $(ONLY),,$(BIN)/devnet growth --large)

bench-rooms: need ## the benchmarks of each room
	CGO_ENABLED=0 go test -p 1 -run '^$$' -bench . -benchtime 3x -timeout 60m ./...

fuzz: need ## every fuzz target for FUZZTIME (10s; FUZZTIME=60s in CI, about 25 minutes on two cores)
	@sh tools/fuzz.sh $(FUZZTIME)

peers:
	@sh tools/need.sh go git npm
	@mkdir -p $(BIN)
	@echo "building geth (the first build takes some minutes)"
	CGO_ENABLED=0 go build -C tools/geth -o ../../$(BIN)/ github.com/ethereum/go-ethereum/cmd/geth
	cd tools/anvil && npm ci --ignore-scripts --no-audit --no-fund
	@if [ -e tools/anvil/node_modules/.bin/anvil ]; then \
		ln -sf ../tools/anvil/node_modules/.bin/anvil $(BIN)/anvil; \
	elif ! command -v anvil >/dev/null 2>&1; then \
		echo "npm has no anvil for this kind of machine here; put one on the PATH" >&2; exit 1; \
	fi

test-peers: build peers ## the demo's story against geth --dev and against anvil
	$(BIN)/devnet demo --patience 3 --chain geth
	$(BIN)/devnet demo --patience 3 --chain anvil

test-netns: build ## a council whose network is cut in two while it changes (Linux, as root)
	$(BIN)/devnet netns

test-trials: build ## real processes killed at each step of a rotation from gathering on, a drill, a lost disk restored, another charter, the runbook typed as written
	$(BIN)/devnet trials

contracts: ## rebuild contracts/artifacts from their sources
	@sh tools/need.sh node npm
	cd contracts && npm ci --no-audit --no-fund && node build.mjs

licenses: need ## bin/licenses: the texts that must go with a binary
	@rm -rf $(BIN)/licenses && mkdir -p $(BIN)/licenses
	sh tools/licenses.sh $(BIN)/licenses

docker: ## the container image
	docker build --build-arg VERSION='$(VERSION)' -t $(IMAGE) .

clean: ## remove what was built
	rm -rf $(BIN) contracts/node_modules tools/anvil/node_modules
