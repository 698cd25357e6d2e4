# RST or FIN: how gen_tcp ends a connection, replayed and judged. Needs python3 >= 3.11, bash and make, nothing else.

PYTHON ?= python3
ARGS ?=
SHELL := bash
.SHELLFLAGS := -o pipefail -c
VENV := .venv
BIN := $(VENV)/bin
# Two layers: what the program needs, and what its development needs on top of that.
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# Python compiles what it imports; pip would compile all there is, for a quarter of the time that it takes.
INSTALL := $(BIN)/python -m pip install --no-compile --disable-pip-version-check --constraint constraints-dev.txt
# One line for each file as its download begins: pip alone is either silent or tells everything.
SHOW_PROGRESS := | sed -un 's/^ *\(Downloading\|Using cached\|Installing collected\)/  \1/p'
CATALOGUE := $(patsubst scenarios/%.scenario.toml,%,$(wildcard scenarios/*.scenario.toml))
KERNEL_CASES := close-with-unread-response recv-then-close resent-payload-with-fin
# What judges and what shows it: pure code, which unit tests can reach.
JUDGING := */tcp/*,*/capture_file/*,*/evidence/*,*/scenario/*,*/verdict/*,*/analysis/*,*/report/*
# The other tests wait, for containers, nodes and timers, more than they compute: two at a time, each file on one testbed.
MOSTLY_WAITING := --ignore tests/unit -n 2 --dist loadfile --no-loadscope-reorder
SHELL_SCRIPTS = $(shell grep -rlE '^\#!.*sh$$|^\# shellcheck shell=' .ci containers erlang)
# From nothing every time (-E): a page that was read before would not warn again. A warning is an error.
SPHINX := $(BIN)/sphinx-build -E -W --keep-going -q -j auto -d build/doctrees docs

.DEFAULT_GOAL := help
.PHONY: help setup constraints reproduce matrix test test-unit coverage test-local test-all truth soak fuzz faults lint format docs docs-check package docs-data bench doctor clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

setup: $(READY_DEV) ## make the virtual environment in .venv with all that a contributor needs

$(READY): pyproject.toml constraints-dev.txt hatch_build.py
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): install Python 3.11 or newer, or name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: name a newer one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "$(PYTHON) cannot make virtual environments: installing python3-venv on this machine with apt-get"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv; \
	  else \
	    echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; \
	  fi; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) -e . $(SHOW_PROGRESS)
	@touch $@

$(READY_DEV): $(READY)
	@echo "adding the tools and libraries of development to $(VENV)"
	@$(INSTALL) -e '.[dev]' $(SHOW_PROGRESS)
	@touch $@

constraints: setup ## choose the newest versions of all dependencies, for Python 3.11 to 3.14, and pin them
	@$(INSTALL) --quiet -e '.[release]'
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade --no-annotate \
	  --custom-compile-command "make constraints" --output-file constraints-dev.txt pyproject.toml

reproduce: $(READY) ## replay the published pair in containers or network namespaces: one RST, one FIN (ARGS="--json")
	@$(BIN)/rst-or-fin reproduce $(ARGS)

matrix: $(READY) ## the published pair and the case that kernels differ on, on the default set of kernels
	$(BIN)/rst-or-fin matrix $(or $(ARGS),$(KERNEL_CASES) --kernel default)

test: lint docs-check coverage ## everything that has to hold: lint, documentation, all tests, coverage
	$(BIN)/pytest $(MOSTLY_WAITING) $(ARGS)

test-unit: setup ## the tests that start no process, on all cores, with a fifth of the random examples: seconds
	$(BIN)/pytest tests/unit -n auto --hypothesis-profile quick $(ARGS)

coverage: setup ## the same with all examples, and how much of the code they reach: not less than the floor
	$(BIN)/pytest tests/unit -n auto --cov --cov-report=
	$(BIN)/coverage report --skip-covered --sort cover --include '$(JUDGING)' --fail-under 93

test-local: coverage ## the tests that need no Docker Engine
	$(BIN)/pytest $(MOSTLY_WAITING) -m "not docker" $(ARGS)

test-all: test ## all that, and the whole catalogue on OTP 23 to 29, both backends (10 minutes more)
	$(BIN)/rst-or-fin matrix $(CATALOGUE) --runtime docker --otp 23,25,27,28,29 --backend inet,socket

soak: setup ## random scenarios under random faults, each verdict against two captures (ARGS="--minutes 10 --jobs 8 --out runs/soak")
	@$(BIN)/python -m tests.soak.campaign $(ARGS)

truth: setup ## hold the judge against conversations whose truth is known (ARGS="--count 1000000 --seed 1 --jobs 2")
	@$(BIN)/python -m tests.truth.campaign $(ARGS)

fuzz: setup ## damaged captures, evidence folders, scenarios and scripts (ARGS="--count 100000 --what evidence")
	@$(BIN)/python -m tests.fuzz.campaign $(ARGS)

faults: setup ## 500 runs of which a process is killed, stopped or starved (ARGS="--count 20 --runtime docker")
	@$(BIN)/python -m tests.faults.campaign $(ARGS)

lint: setup ## formatting, lint, types, who may import whom; the node's Erlang, shell scripts, Dockerfiles, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@PYTHON=$(BIN)/python erlang/lint.sh
	$(BIN)/shellcheck -x -P SCRIPTDIR $(SHELL_SCRIPTS)
	$(BIN)/hadolint Dockerfile containers/*/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*-*.yml

format: setup ## put the code into shape, and the node's Erlang together
	$(BIN)/python erlang/join.py
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup ## fill in the pages from stored evidence, draw the ladders, build the site into build/docs
	$(BIN)/python docs/refresh.py
	$(SPHINX) build/docs
	@echo "the site is at build/docs/index.html"

docs-check: setup ## what a page says must be what stored evidence gives, its commands must run, its links lead somewhere
	$(BIN)/python docs/refresh.py --check
	$(SPHINX) build/docs

package: setup ## build the wheel and the sdist into dist/, and check them
	@$(INSTALL) --quiet -e '.[release]'
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

docs-data: setup ## play the whole catalogue on every OTP and backend, and the kernel cases on every kernel; store it all
	$(BIN)/rst-or-fin matrix $(CATALOGUE) --runtime docker --otp 23,25,27,28,29 --backend inet,socket --out runs/docs-otp
	$(BIN)/python docs/refresh.py --keep runs/docs-otp/matrix.json --name otp
	$(BIN)/rst-or-fin matrix $(KERNEL_CASES) --kernel default --otp 27 --out runs/docs-kernels
	$(BIN)/python docs/refresh.py --keep runs/docs-kernels/matrix.json --name kernels

bench: $(READY) ## cold start to verdicts, warm replays a second, where the time goes; then the judge on large captures
	@$(BIN)/rst-or-fin bench $(ARGS)
	@$(BIN)/rst-or-fin bench --captures

doctor: $(READY) ## what this machine can and cannot do, with hints
	@$(BIN)/rst-or-fin doctor $(ARGS)

clean: ## remove caches, and what killed runs left in the engine (ARGS=--images: the images too)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find harness tests docs -name __pycache__ -type d -prune -exec rm -rf {} +
	@# Exit code 4, no engine here, is no reason to fail: the caches are gone.
	@if [ -x $(BIN)/rst-or-fin ]; then $(BIN)/rst-or-fin clean $(ARGS) || [ $$? = 4 ]; fi
