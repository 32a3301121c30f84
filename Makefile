# The two main commands are `make run` and `make test`; the rest is for contributors.
SWIFT ?= swift
PORT ?= 8080
HOST ?= 127.0.0.1
export SWIFT
# Flags for `make run` and `make bench`, for example ARGS="--upstream http://127.0.0.1:11434/v1".
ARGS ?=

BINARY := .build/release/interject
VENV := .venv

.DEFAULT_GOAL := help
.PHONY: help run build test test-long test-openapi test-unit test-e2e test-browser test-clients conformance bench fuzz sanitize doctor format lint clean

help: ## Lists the targets
	@echo "make TARGET:"
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14 | sed 's/^/  /'

run: build ## Installs missing packages, builds, and serves on PORT (8080); ARGS for more flags
	@$(BINARY) serve --host $(HOST) --port $(PORT) $(ARGS)

build: ## Builds the release binary, and says where the time went
	@Scripts/build.sh

test: ## Runs all tests: units, then end to end against the release binary
	@Scripts/bootstrap.sh build python
	@Scripts/test.sh

test-long: build ## Kills the server 100 times under load, cuts 10,000 connections, tries every operation (ten minutes)
	@Scripts/bootstrap.sh python
	@INTERJECT_BINARY=$(CURDIR)/$(BINARY) INTERJECT_KILL_ROUNDS=100 INTERJECT_CUTS=10000 $(VENV)/bin/python -m pytest -s \
		Tests/EndToEnd/storage/test_kill.py Tests/EndToEnd/sessions/test_cuts.py Tests/EndToEnd/storage/test_restart.py Tests/EndToEnd/storage/test_disk_full.py
	@Scripts/openapi.sh $(BINARY)

test-openapi: build ## Sends generated requests to every operation of Protocols/openapi.yaml, and checks the answers against it
	@Scripts/bootstrap.sh python
	@Scripts/openapi.sh $(BINARY)

test-unit: ## Runs the unit tests
	@Scripts/bootstrap.sh build
	@$(SWIFT) test

test-browser: build ## Runs the end-to-end tests with Chromium through nginx (installs both; 125 MB download)
	@Scripts/bootstrap.sh python browser
	@INTERJECT_BINARY=$(CURDIR)/$(BINARY) $(VENV)/bin/python -m pytest Tests/EndToEnd/http/test_browser.py

test-clients: build ## Tests openai-agents, LiteLLM, LlamaIndex and instructor with interrupted responses (500 MB of packages)
	@Scripts/bootstrap.sh python
	@Scripts/clients.sh $(BINARY)

test-e2e: build ## Runs the end-to-end tests
	@Scripts/bootstrap.sh python
	@INTERJECT_BINARY=$(CURDIR)/$(BINARY) $(VENV)/bin/python -m pytest -n auto --dist worksteal Tests/EndToEnd

conformance: build ## Runs all 517 cases of Autobahn's WebSocket suite against both roles (half an hour)
	@Scripts/autobahn.sh all $(BINARY)

bench: build ## Benchmarks the server, other servers and direct requests (Benchmarks/README.md); ARGS="--only transport --nio"
	@python3 Benchmarks/run.py $(ARGS)

fuzz: ## Fuzzes every parser, one minute in total; FUZZ_SECONDS=60 for that long each, TARGETS="sse json" for some
	@Scripts/bootstrap.sh build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) TARGETS="$(TARGETS)" Fuzz/run.sh

sanitize: ## Runs the tests under the address and the thread sanitizer; PARTS="address thread end-to-end" for some
	@Scripts/bootstrap.sh build python
	@PARTS="$(PARTS)" Scripts/sanitize.sh

doctor: build ## Checks the installation, the port and the upstreams
	@$(BINARY) doctor --host $(HOST) --port $(PORT) $(ARGS)

format: ## Formats the sources
	@$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests Fuzz

lint: ## Checks the format, numbers from outside that could trap, imports between targets, the size of types, and words
	@Scripts/lint_numbers.py
	@Scripts/import_graph.py
	@Scripts/stored_properties.py
	@Scripts/lint_words.py
	@$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests Fuzz

clean: ## Removes all build products
	@rm -rf .build $(VENV) .pytest_cache
