# What a developer and CI run. Every target says what it is for; `make help` prints that.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build test lint fmt generate crash soak fuzz bench demo clean

KILLS        ?= 40
INTERACTIONS ?= 40000
ROUNDS       ?= 20
FUZZTIME     ?= 30s
PKG          ?= ./...
ARGS         ?=

# The tools and their versions are those of tools/go.mod; Go compiles them once and keeps them in its build cache.
TOOL := go tool -modfile=tools/go.mod

help: ## list the targets
	@while IFS= read -r line; do \
		if [[ $$line =~ ^([a-z]+):.*'## '(.*)$$ ]]; then printf '%-9s %s\n' "$${BASH_REMATCH[1]}" "$${BASH_REMATCH[2]}"; fi; \
	done < Makefile

build: ## build the static binary bin/hookswitch
	CGO_ENABLED=0 go build -trimpath -o bin/hookswitch ./cmd/hookswitch

test: ## install what the tests need, then run all of them with the race detector (PKG=./... to narrow)
	scripts/setup
	deploy/test/run test
	scripts/gotest -race -count=1 -timeout 20m $(PKG)

# Not here: govulncheck. It asks a database on the network, and the same tree must get the same verdict everywhere.
lint: ## check the formatting, vet, and run the linters
	@files=$$(scripts/gofiles); unformatted=$$($(TOOL) gofumpt -l $$files); \
	if [[ -n $$unformatted ]]; then printf 'not formatted, run make fmt:\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./...
	$(TOOL) golangci-lint run ./...
	deploy/test/run lint

fmt: ## format the Go files
	@files=$$(scripts/gofiles); $(TOOL) gofumpt -w $$files

generate: ## make the generated files again
	go generate ./...

crash: ## kill and freeze the real binary under load, one and several, and count what is lost (KILLS=40 INTERACTIONS=40000)
	scripts/setup
	scripts/gotest -v -run TestCrash ./internal/crash -count=1 -timeout 60m -args -kills=$(KILLS) -interactions=$(INTERACTIONS)

soak: ## run all tests again and again in random order, to find those that fail sometimes (ROUNDS=20 PKG=./...)
	scripts/setup
	scripts/gotest -race -shuffle=on -count=$(ROUNDS) -timeout 12h $(PKG)

fuzz: ## run every fuzz target for a while (FUZZTIME=30s PKG=./...)
	scripts/fuzz $(FUZZTIME) $(PKG)

bench: ## measure deliveries per second (ARGS="...")
	go run ./bench $(ARGS)

demo: ## show the main job with nothing configured (ARGS="--for 10s")
	go run ./cmd/hookswitch demo $(ARGS)

clean: ## delete what was built
	rm -rf bin dist
