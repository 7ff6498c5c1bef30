# Two commands: `make up` runs Boathouse, `make test` passes its tests.  Each works alone from a clean clone.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
LAKE ?= lake
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help up test check bench docs browser postgresql etcd lock wheel clean

help: ## Show these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: .venv/hub.stamp ## Set everything up and run Boathouse (PORT=8000 LAKE=lake)
	@exec $(BIN)/boathouse up --lake "$(LAKE)" --port "$(PORT)"

test: .venv/test.stamp browser postgresql ## Set everything up and pass the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder $(PYTEST)

check: .venv/test.stamp ## Lint, types, floors and fast tests: for every commit
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not hub and not browser and not slow"

bench: .venv/bench.stamp browser etcd ## Measure side by side with peers (prints ratios and the load)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --timeout 1800 -s $(PYTEST)

docs: .venv/test.stamp ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -W -b html docs docs/_build

wheel: .venv/test.stamp ## Build the wheel into dist
	$(BIN)/python -m build --wheel

lock: .venv/uv.stamp ## Renew the lock files from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra test --extra docs $(LOCK) -o requirements/test.txt
	$(BIN)/uv pip compile pyproject.toml --extra hub -c requirements/test.txt $(LOCK) -o requirements/hub.txt
	$(BIN)/uv pip compile pyproject.toml --extra bench -c requirements/test.txt $(LOCK) -o requirements/bench.txt

LOCK := --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q

# --- the environment ---------------------------------------------------------------------
.venv/uv.stamp: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Boathouse needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "[1/3] Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv > .venv.log 2>&1 || $(MAKE) --no-print-directory venv-from-apt
	@rm -f .venv.log
	@$(BIN)/python -m pip install --quiet --require-hashes --disable-pip-version-check -r requirements/uv.txt
	@touch $@

# Debian keeps ensurepip in a package of its own.
.PHONY: venv-from-apt
venv-from-apt:
	@echo "      this Python has no ensurepip: asking apt for python3-venv"
	@$(call apt,python3-venv) || { cat .venv.log; echo "Please run: apt-get install python3-venv"; exit 2; }
	@rm -rf .venv && $(PYTHON) -m venv .venv

.venv/hub.stamp: requirements/hub.txt pyproject.toml .venv/uv.stamp
	@echo "[2/3] Installing what Boathouse needs (about a minute the first time)"
	@$(INSTALL) -r requirements/hub.txt
	@echo "[3/3] Installing Boathouse itself"
	@$(INSTALL_SELF)
	@touch $@

.venv/test.stamp: requirements/test.txt pyproject.toml .venv/uv.stamp
	@echo "[2/3] Installing what Boathouse and its tests need (about a minute the first time)"
	@$(INSTALL) -r requirements/test.txt
	@echo "[3/3] Installing Boathouse itself"
	@$(INSTALL_SELF)
	@touch $@

.venv/bench.stamp: requirements/bench.txt .venv/test.stamp
	@echo "Installing the peers that are measured beside us"
	@$(INSTALL) -r requirements/bench.txt
	@touch $@

# Bytecode is compiled once here: some images forbid writing it later, and every start would pay.
INSTALL = $(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes --compile-bytecode
INSTALL_SELF = $(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps -e .

# apt only where it may: as root, or with a sudo that does not ask.
apt = { if [ "$$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else exit 1; fi; \
  $$run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq --no-install-recommends $(1) > /dev/null; }

browser:
	@command -v chromium > /dev/null || { echo "Fetching Debian's chromium for the browser tests"; \
	  ( $(call apt,chromium) ) || echo "chromium is not here and apt may not fetch it: the browser tests will be skipped"; }

postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || command -v initdb > /dev/null \
	  || { echo "Fetching Debian's PostgreSQL for the tests of observations"; \
	  ( $(call apt,postgresql) ) || echo "PostgreSQL is not here and apt may not fetch it: its tests will be skipped"; }

etcd:
	@command -v etcd > /dev/null || { echo "Fetching Debian's etcd, which the peer pyaviso 1.0.2 needs"; \
	  ( $(call apt,etcd-server) ) || echo "etcd is not here and apt may not fetch it: no peer for the event log"; }

clean: ## Remove what was built (the lake stays)
	rm -rf .venv build dist docs/_build artefacts *.egg-info
