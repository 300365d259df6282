# Parley. `make` alone lists the targets.

SHELL := /bin/bash
GO ?= go
BIN := bin
# ARGS reaches the command behind demo, sim and bench, as in: make demo ARGS=--once
ARGS ?=
FUZZTIME ?= 10s
BENCH ?= .
PKG ?= ./...
export GO FUZZTIME

.DEFAULT_GOAL := help
.PHONY: help build test race lint fuzz sim churn spec bench demo clean

help: ## this list
	@echo "Parley: make TARGET [ARGS=...]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)$$/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

build: ## bin/parley, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/parley ./cmd/parley

test: ## everything a change must pass: format, vet, staticcheck, all tests with the race detector, proven rows
	@scripts/test

race: ## tests with the race detector only, PKG=./hub/... for some
	$(GO) test -race $(PKG)

lint: ## vet and all pinned linters of tools/go.mod
	@scripts/lint all

fuzz: ## each fuzz target for FUZZTIME (10s), PKG=./syntax for some
	@scripts/fuzz "$(PKG)"

sim: ## the simulator; SEED=n replays one history, SEEDS=n runs that many
	PARLEY_SEED=$(SEED) PARLEY_SEEDS=$(SEEDS) $(GO) test -count=1 ./simtest/... $(ARGS)

churn: ## 1,000 participants, 60 live clients, ten changes a second for a minute, over a hub restart
	PARLEY_CHURN=$(or $(SECONDS_OF_CHURN),60) $(GO) test -count=1 -timeout 40m -v -run TestChurn ./simtest $(ARGS)

spec: ## proven requirement rows; ARGS='-missing P-KM', '-gate' or '-json'
	@scripts/spec $(ARGS)

bench: ## Go benchmarks (BENCH=regexp, PKG=./mls); whole processes: bin/parley bench
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG) $(ARGS)

demo: build ## three providers on loopback play the example of the draft; ARGS=--once ends after it
	$(BIN)/parley demo $(ARGS)

clean: ## remove what the build made
	rm -rf $(BIN) dist .demo
