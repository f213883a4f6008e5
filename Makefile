# What people type. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# The same settings everywhere, so that programs and tests share one build cache. Without cgo the
# linker drops what kustomize's plugins would keep: helm-reconcile is 17 MB smaller, and static.
export CGO_ENABLED := 0
export GOTOOLCHAIN := local
# The formats of yq that no YAML edit needs stay out of bump-yaml.
YQ_TAGS := yq_nohcl,yq_nolua,yq_noxml,yq_notoml,yq_noini,yq_nocsv,yq_noprops,yq_nosh,yq_nobase64,yq_nouri
export GOFLAGS := -trimpath -buildvcs=false -tags=$(YQ_TAGS)
LDFLAGS := -s -w -X github.com/sluice-gitops/sluice/internal/stage.version=$(VERSION)

.PHONY: help build test check race demo conformance bench fuzz clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

build: ## build the six programs into bin/
	go build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

kubebox: ## build the control plane for tests and demo, once
	@go run ./internal/testkit/kubetest/kubebox

test: kubebox ## run every test; the first run builds a control plane (up to 6 minutes)
	go test -timeout 9m ./...

check: ## gofmt, vet, staticcheck, vulnerabilities, shell scripts, module files
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool shfmt -d -ln posix pipelines/*.sh .ci/run
	@for s in pipelines/*.sh; do sh -n "$$s" || exit 1; done
	go mod tidy -diff
	@go tool govulncheck ./cmd/... || test $$? -ne 3

race: ## run the tests of the parts that run concurrently under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 20m ./internal/... ./cmd/...

demo: build kubebox ## run the main job on an embedded control plane, registry and git server (KEEP=1 leaves it running)
	go run ./test/demo -bin bin $(if $(KEEP),-keep)

conformance: build kubebox ## run the chain on a repository as it is in public (CORPUS=folder)
	go run ./test/conformance -bin bin -corpus '$(CORPUS)'

# Each peer is a module of its own in bench/peers, with a tool line and no settings of ours.
PEERS := $(patsubst bench/peers/%/go.mod,.cache/bench/%,$(wildcard bench/peers/*/go.mod))
.cache/bench/%: bench/peers/%/go.mod
	cd $(<D) && GOFLAGS=-trimpath go build -ldflags '-s -w' -o '$(CURDIR)/.cache/bench/' tool
.cache/bench/ssa: bench/peers/ssa/main.go

bench: build kubebox $(PEERS) ## measure beside the tools that a user would pick instead (BENCH="edit lists": some only)
	go build -ldflags '-s -w' -o .cache/bench/ ./bench ./bench/meter ./bench/bareclient ./bench/bareapply
	.cache/bench/bench -bin bin -tools .cache/bench $(BENCH)

fuzz: ## fuzz every parser for FUZZTIME each (default 30s)
	@for p in $$(grep -rl --include='*_test.go' 'func Fuzz' internal cmd | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -rhoE 'func Fuzz[A-Za-z]+' $$p/*_test.go | cut -c6-); do \
			go test ./$$p -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),30s) || exit 1; done; done

clean: ## remove what was built
	rm -rf bin .cache
