# `make` alone lists the targets. Nothing is installed outside .venv.

PYTHON ?= python3.11
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --no-input --disable-pip-version-check
READY := $(VENV)/.ready
LOCK_VENV := build/lock-venv

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

.PHONY: help
help: ## show this list
	@echo "usage: make TARGET [ARGS=\"...\"] [PYTHON=$(PYTHON)]"
	@echo
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 12

.PHONY: demo
demo: $(READY) ## the whole story on this machine; ARGS="--model model.pt2" for your own model
	@$(BIN)/tunefleet demo $(ARGS)

.PHONY: test
test: lint ## lint, then every test; ARGS="-k name" for some
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --no-loadscope-reorder $(ARGS)

.PHONY: lint
lint: $(READY) ## style, types and layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --diff .
	@$(BIN)/mypy
	@report=$$($(BIN)/lint-imports --no-logo) || { echo "$$report"; exit 1; }

.PHONY: bench
bench: $(READY) ## benchmarks; ARGS="..." goes to them
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: clean
clean: ## remove .venv, caches and build output; databases and models stay
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Also checked in the lock's own environment. The message names Debian's package: a Python without
# ensurepip is Debian's doing.
define make_venv
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed;" \
		"install it, or name another one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make" \
		"virtual environments; install its venv module: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(1)
endef

$(READY): requirements.lock pyproject.toml
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then $(MAKE) $(VENV); fi
	@echo "Installing $$(grep -c == requirements.lock) packages into $(VENV) (once, some minutes)"
	@$(PIP) install --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: $(VENV)
$(VENV):
	$(call make_venv,$(VENV))

# The `+cpu` of a local torch build is dropped, so that the lock installs from any index.
.PHONY: lock
lock: ## resolve pyproject.toml anew into requirements.lock; ARGS="--upgrade" takes newer versions
	$(call make_venv,$(LOCK_VENV))
	@$(LOCK_VENV)/bin/python -m pip --quiet --quiet install 'pip-tools~=7.6.0'
	@CUSTOM_COMPILE_COMMAND="make lock" $(LOCK_VENV)/bin/pip-compile --quiet --all-extras \
		--strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-emit-options --output-file requirements.lock \
		$(ARGS) pyproject.toml
	@sed -i -E 's/^(torch==[0-9.]+)\+cpu/\1/' requirements.lock
	@echo "requirements.lock: $$(grep -c == requirements.lock) packages"
