# tokenledger. All set-up happens by itself: Go and make are enough.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.linked=$(VERSION)
TOOLS := $(CURDIR)/bin/tools
GOLANGCI_LINT_VERSION := v2.15.0
DATA ?= ./tokenledger-data

.PHONY: help build run tools test race fuzz chaos lint openapi bench clean

help: ## Show what there is to make
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Without cgo the binary is static, needs no C compiler, and has all of its memory in
# the Go heap, where it can be bounded (cmd/tokenledger/serve_memory.go).
build: ## Build bin/tokenledger
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/tokenledger ./cmd/tokenledger

run: build ## Run a node on this machine, with its data in DATA
	@exec bin/tokenledger serve --data $(DATA)

# The race detector sleeps a second at the end of each package's tests, for goroutines
# that are still running then; a tenth is enough for those that are left.
tools: ## Install the programs of others that the tests run (Debian; as root the first time)
	@internal/interop/setup.sh

test: export GORACE ?= atexit_sleep_ms=100
test: tools ## Run every test, with the race detector (under 5 minutes on 2 cores)
	go test -race -timeout 8m ./...

race: test ## The same: the tests always run with the race detector

fuzz: ## Fuzz the decoders, FUZZTIME each (default 1m)
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),1m) $$pkg || exit 1; \
	  done; \
	done

chaos: ## Kill -9 a loaded node over and over (ROUNDS, default 50), and flip every byte of a log
	TOKENLEDGER_EVERY_BYTE=1 go test -race -count=1 -timeout 30m -run TestAnyFlippedByte ./audit/verify
	TOKENLEDGER_KILL_ROUNDS=$(or $(ROUNDS),50) go test -race -count=1 -timeout 30m -run TestKill ./internal/server/... ./cmd/tokenledger

lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Check formatting, vet and lint
	@files=$$(gofmt -l .); test -z "$$files" || { echo "run gofmt -w on:"; echo "$$files"; exit 1; }
	go vet ./...
	$< run ./...

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(TOOLS)/golangci-lint $@

openapi: ## Write docs/openapi.json anew, from the routes
	go test ./internal/httpapi -run TestTheCommittedDocumentIsTheInterface -write

bench: build ## Print this machine's figures next to its own floors
	bin/tokenledger bench

clean: ## Remove what was built (data stays)
	rm -rf bin
