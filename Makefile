# Every command a newcomer or a CI job needs. Each one installs what it misses into .venv first, and
# installs again only when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
WORKERS ?= auto
TESTS ?= tests
# Compiled at installation, unless it is CI that installs; others are compiled when first played.
GAMES ?= tic-tac-toe connect4 chess go:size=9
# Two test processes by default; a file's tests stay together, so that they share what they compile.
PYTEST_OPTIONS ?= -n 2 --dist loadfile

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help train test check docs bench lint format clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/:/' | awk -F': *' '{printf "  make %-8s %s\n", $$1, $$2}'

train: $(BIN)/.runtime  ## learn tic-tac-toe from zero (about a minute), prove it, say how to play it
	$(BIN)/python -m alphazero train configs/tictactoe.toml --workers $(WORKERS)

test: lint  ## everything CI runs: format, lint, types, every test
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(TESTS)

check: $(BIN)/.development  ## the fast part of `make test`: lint, architecture and tests of about a second
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) -m "not slow" $(TESTS)

docs: $(BIN)/.documentation  ## the documentation as site/index.html; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(BIN)/.peers  ## speed of search, evaluators and self-play, as tables and bench.json
	$(BIN)/python -m alphazero bench all --json bench.json

lint: $(BIN)/.development  ## ruff (format and rules) and pyright
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

format: $(BIN)/.development  ## rewrite the code in the project's format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove .venv and caches (runs/ is kept)
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis *.egg-info build dist site

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	    echo "$(PYTHON) not found: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1): name another with make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) has no venv module: install it (on Debian: apt-get install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv .venv

$(BIN)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the engine and its dependencies into .venv (once, some minutes)"
	$(PIP) -e ".[ray]"
	@test -n "$$CI" || $(BIN)/python -m alphazero warm-up $(GAMES)
	@touch $@

$(BIN)/.development: $(BIN)/.runtime
	@echo "installing the tools for tests (once)"
	$(PIP) -e ".[ray,dev]"
	@touch $@

$(BIN)/.documentation: $(BIN)/.runtime
	@echo "installing the tools for the documentation (once)"
	$(PIP) -e ".[ray,docs]"
	@touch $@

$(BIN)/.peers: $(BIN)/.development
	@$(PIP) -e ".[ray,dev,peers]" || echo "OpenSpiel cannot be installed here: the comparison is left out"
	@touch $@
