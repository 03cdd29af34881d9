# What a developer and CI run. Every target says what it is for; `make help` prints that.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build test lint vulncheck fmt generate screenshots crash soak fuzz bench demo clean

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
		if [[ $$line =~ ^([a-z]+):.*'## '(.*)$$ ]]; then printf '%-11s %s\n' "$${BASH_REMATCH[1]}" "$${BASH_REMATCH[2]}"; fi; \
	done < Makefile

build: ## build the static binary bin/hookswitch
	CGO_ENABLED=0 go build -trimpath -o bin/hookswitch ./cmd/hookswitch

test: ## install what the tests need, then run all of them with the race detector (PKG=./... to narrow)
	scripts/setup
	deploy/test/run test
	scripts/gotest -race -count=1 -timeout 20m $(PKG)

# Known vulnerabilities are in a database on the network. Where that cannot be reached, lint says in one line that it did not look, so that a
# machine without a network can lint; vulncheck fails there.
lint: ## check the formatting, vet, run the linters, and look for known vulnerabilities where their database can be reached
	@files=$$(scripts/gofiles); unformatted=$$($(TOOL) gofumpt -l $$files); \
	if [[ -n $$unformatted ]]; then printf 'not formatted, run make fmt:\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./...
	$(TOOL) golangci-lint run ./...
	deploy/test/run lint
	scripts/vulncheck --if-reachable

vulncheck: ## look for known vulnerabilities that our code reaches; fails without their database (GOVULNDB=file:///folder for a copy)
	scripts/vulncheck

fmt: ## format the Go files
	@files=$$(scripts/gofiles); $(TOOL) gofumpt -w $$files

generate: ## make the generated files again
	go generate ./...

screenshots: ## take the pictures of the console that the README shows, into docs/images
	scripts/setup
	go test ./internal/walk -count=1 -run '^TestPictures$$' -args -pictures=docs/images

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
	rm -rf bin dist screenshots
