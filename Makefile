# Every target is for people and CI alike. `make` alone prints what there is.
GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 20s
SLACK       ?= 1
CACHE       ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hallmark

.DEFAULT_GOAL := help
.PHONY: help build demo test check race fuzz bench cover lint fmt golden interop sandbox keyless pkcs11 clusterpolicy rootfs kube size clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# hallmark starts no other hallmark-policy than the one that was built with it.
build: bin/hallmark-policy ## build bin/hallmark, hallmark-policy and the plug-ins for key services, static and stripped
	@sum=$$( (sha256sum bin/hallmark-policy 2>/dev/null || shasum -a 256 bin/hallmark-policy) | cut -c1-64) && [ $${#sum} -eq 64 ] && set -x && \
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w -X main.policySum=$$sum" -o bin/ ./cmd/...

bin/hallmark-policy: FORCE
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -C cmd/hallmark-policy -trimpath -ldflags='-s -w' -o $(CURDIR)/bin/ .

demo: build ## seal, list and verify a real image, then show three refusals (no network)
	$(GO) run ./testdata/demo -hallmark bin/hallmark

test: ## all tests
	$(GO) test ./...
	$(GO) test -C cmd/hallmark-policy .

# The scripts that run under the race detector: those in which much happens at once or
# the registry misbehaves. The program that they start is this test, built with it.
RACES := TestScript/^(hostile|faulty|forged|bombs|batch|repair|copy|sign-verify)

# A program that was built with the race detector sleeps for a second before it ends,
# unless told not to: tests start hundreds.
GORACE ?= atexit_sleep_ms=0

race: ## the tests in which things happen at once, and hostile ones, under the race detector (needs a C compiler)
	@cc=$$($(GO) env CC); command -v $${cc%% *} >/dev/null || { echo "make race: the race detector needs a C compiler and '$$cc' is not there: install one (apt-get install gcc), or name it in CC" >&2; exit 1; }
	GORACE='$(GORACE)' CGO_ENABLED=1 $(GO) test -race -short ./attach/... ./verify/... ./sign/... ./cmd/hallmark/internal/...
	GORACE='$(GORACE)' CGO_ENABLED=1 $(GO) test -race -short -run '$(RACES)' ./cmd/hallmark

check: ## format, tidy, layers, house rules, the page of reasons, vet, staticcheck; quickest first
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not formatted:"; echo "$$out"; exit 1; }
	$(GO) mod tidy -diff
	cd cmd/hallmark-policy && $(GO) mod tidy -diff
	cd testdata/peers && $(GO) mod tidy -diff
	cd testdata/peers/sandbox && $(GO) mod tidy -diff
	$(GO) test -run 'TestLayers|TestTopLevel|TestHouse|TestNoServers' ./cmd/hallmark
	$(GO) test -run 'TestReasons|TestHundred|TestAdvisories' ./verify
	$(MAKE) --no-print-directory lint

lint: ## vet and staticcheck
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) vet -C cmd/hallmark-policy .
	cd cmd/hallmark-policy && $(GO) run $(STATICCHECK) .
	$(GO) vet -C testdata/peers .
	$(GO) vet -C testdata/peers/sandbox ./...

fmt: ## format all Go files
	gofmt -w $$(git ls-files '*.go')

fuzz: ## run every fuzz target for FUZZTIME
	@set -e; for f in $$(git grep -l '^func Fuzz' -- '*_test.go'); do \
	  for n in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$f); do \
	    echo "$$f $$n"; \
	    run="$(GO) test -C $$(dirname $$f) -run ^$$ -fuzz ^$$n$$ -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ."; \
	    $$run || { echo "again: the go tool can fail by its own deadline; a finding fails twice"; $$run; }; done; done

cover: ## test coverage, end-to-end scripts included
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -1

golden: ## renew the golden files: printed documents, help, end-to-end scripts
	$(GO) test ./cmd/hallmark/internal/report ./cmd/hallmark/internal/cli -update
	$(GO) test ./cmd/hallmark -run TestMatrix -update
	$(GO) test ./verify -run TestReasonsPage -update
	UPDATE_SCRIPTS=1 $(GO) test ./cmd/hallmark -run TestScript

interop: build ## exchange everything with the real cosign 2 and 3 and oras, on three registries
	$(GO) run ./testdata/interop -hallmark bin/hallmark -cache $(CACHE)

bin/peers: FORCE
	$(GO) build -C testdata/peers -o $(CURDIR)/bin/peers .

.PHONY: FORCE
FORCE:

bin/sandbox: FORCE
	$(GO) build -C testdata/peers/sandbox -o $(CURDIR)/bin/sandbox .

sandbox: build bin/sandbox ## start a Sigstore instance on loopback and print how to sign and verify with it
	bin/sandbox -hallmark bin/hallmark

keyless: build bin/sandbox ## sign and verify without keys against that instance, with the real cosign 2 and 3
	$(GO) test -C testdata/peers/sandbox ./...
	$(GO) run ./testdata/keyless -hallmark bin/hallmark -sandbox bin/sandbox -cache $(CACHE)

registries: build bin/peers ## run every command against nine real registries on loopback, cosign 2 checking
	bin/peers -hallmark bin/hallmark -cache $(CACHE)

clusterpolicy: build ## compare verdicts of ClusterImagePolicies with the policy-controller's own code (builds that once, some minutes)
	HALLMARK=$(CURDIR)/bin/hallmark $(GO) test -C testdata/peers/clusterpolicy -count=1 .

bench: build bin/peers ## measure hallmark beside cosign 2 and 3, oras and regctl and write BENCHMARKS.md
	$(GO) run ./testdata/bench -hallmark bin/hallmark -cache $(CACHE) -o BENCHMARKS.md

# Keys on tokens are used through somebody else's native code, so that this one plug-in
# is not static and is built by this target alone.
pkcs11: build ## build bin/sigstore-kms-pkcs11 and use keys on a token of SoftHSM with it (needs a C compiler and apt-get)
	@cc=$$($(GO) env CC); command -v $${cc%% *} >/dev/null || { echo "make pkcs11: the plug-in needs a C compiler and '$$cc' is not there: install one (apt-get install gcc libc6-dev), or name it in CC" >&2; exit 1; }
	CGO_ENABLED=1 $(GO) vet -tags pkcs11 ./sign/key/pkcs11 ./cmd/sigstore-kms-pkcs11
	CGO_ENABLED=1 $(GO) run $(STATICCHECK) -tags pkcs11 ./sign/key/pkcs11 ./cmd/sigstore-kms-pkcs11
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags='-s -w' -tags pkcs11 -o bin/ ./cmd/sigstore-kms-pkcs11
	$(GO) run ./testdata/pkcs11 -hallmark bin/hallmark -cache $(CACHE)

rootfs: build ## seal a real Debian root file system and compare with dpkg, go and npm (needs root and mmdebstrap)
	$(GO) run ./testdata/rootfs -hallmark bin/hallmark -cache $(CACHE)

kube: build ## put the webhook before a real Kubernetes API server (builds that once, half an hour); RECORD=DIR keeps its reviews
	$(GO) run ./testdata/kube -hallmark bin/hallmark -cache $(CACHE) -record "$(RECORD)"

size: build ## what the binary weighs, and what it costs to start it; fails above the budgets
	$(GO) run ./testdata/weigh -hallmark bin/hallmark -slack $(SLACK)

clean: ## remove what was built
	rm -rf bin cover.out
