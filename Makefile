# Every command of this project. `.ci/run` calls these and nothing else. The times are those of a calm machine with two
# cores: the first of a fresh clone, then with everything built.

export SWIFT ?= swift
MINUTES ?= 10
SANITIZED_TESTS := StepLogTests|StepReplayTests|StepEngineTests
LINTED := $(wildcard Sources Tests Examples Benchmarks/Sources Benchmarks/Package.swift Package.swift)

.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint dependencies sanitize sanitize-thread sanitize-address soak bench docs ci clean

help: ## This list (1 s).
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## Install the system packages that are missing (30 s, else nothing).
	@.ci/setup

# One product at a time: of several --product options SwiftPM builds the last alone. After the first, one takes a second.
build: setup ## Release build of the demo, its checker and the stepkit command into .build (2 min; 5 s).
	$(SWIFT) build -c release --product OrderPipeline
	$(SWIFT) build -c release --product OrderCheck
	$(SWIFT) build -c release --product stepkit

demo: build ## Orders through a workflow that is killed and comes back; ORDERS=FILE, SEED=N (2.5 min; 20 s).
	.build/release/OrderPipeline demo $(if $(ORDERS),--orders '$(ORDERS)') $(if $(SEED),--seed '$(SEED)')

test: setup ## Every test, debug build (9 min; 7 min).
	.ci/swift-test

lint: ## Formatting and documentation comments, strict (10 s).
	$(SWIFT) format lint --strict --recursive --parallel $(LINTED)

dependencies: ## What users of the package resolve: no HTTP, no crypto, nothing unexpected (30 s; 2 s).
	.ci/check-dependencies

sanitize: sanitize-thread sanitize-address ## The log, replay and engine tests under both sanitizers (12 min; 6 min).

# A scratch folder each: objects of one configuration don't link with another's.
sanitize-thread: setup ## The same under the thread sanitizer alone (6 min; 3 min).
	TSAN_OPTIONS=suppressions=$(CURDIR)/.thread-suppressions \
		.ci/swift-test --sanitize=thread --scratch-path .build-tsan --filter '$(SANITIZED_TESTS)'

# Not for leaks: a task that swallows RunUnwinding is suspended for good, by design, and its memory with it.
sanitize-address: setup ## The same under the address sanitizer alone (6 min; 3 min).
	ASAN_OPTIONS=detect_leaks=0 .ci/swift-test --sanitize=address --scratch-path .build-asan --filter '$(SANITIZED_TESTS)'

soak: setup ## The kill and fault loops for MINUTES=10 in release mode, new seeds each time (3 min more to build).
	STEPKIT_SOAK_MINUTES='$(MINUTES)' .ci/swift-test -c release -Xswiftc -enable-testing \
		--scratch-path .build-soak --filter CrashTests

bench: setup ## Figures beside their floors, into Benchmarks/results/latest.json; BENCH_ARGS=--quick (6 min; 4 min).
	$(SWIFT) build -c release --package-path Benchmarks
	"$$($(SWIFT) build -c release --package-path Benchmarks --show-bin-path)"/StepKitBenchmarks $(BENCH_ARGS)

# The modules that hold what users see, joined in one archive.
docs: setup ## The reference documentation, warnings as errors, into .build-docs (1 min; 20 s).
	STEPKIT_DOCS=1 $(SWIFT) package --scratch-path .build-docs generate-documentation \
		--target StepEvents --target StepCore --target StepKit \
		--enable-experimental-combined-documentation --warnings-as-errors

ci: ## All that a change must pass (30 min).
	.ci/run

clean: ## Remove every build folder and the demo's output (1 s).
	rm -rf .build .build-* .demo Benchmarks/.build Benchmarks/.build-*
