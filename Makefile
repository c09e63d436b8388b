# One command per question. Needs GNU make and Python 3.11, 3.12 or 3.13; everything else is
# installed into .venv. Another interpreter: make demo PYTHON=/path/to/python3.12

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq
BASE := $(VENV)/.base-installed
DEV := $(VENV)/.dev-installed

# Idle OpenMP threads that spin make shared machines crawl; nothing here asks a model hub.
export OMP_WAIT_POLICY := PASSIVE
export HF_HUB_OFFLINE := 1

# The interpreter: the first of these that starts and is one of the versions we run on.
CANDIDATES := python3 python3.13 python3.12 python3.11 python
IS_OURS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help demo test check bench results check-results format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      install, train on the shipped recordings, judge, predict"
	@echo "make test      install the development tools and run all tests"
	@echo "make check     format, lint, types, layers, spelling, then make test: what CI runs"
	@echo "make bench     measure speed and rewrite benchmarks/README.md"
	@echo "make results   rewrite the tables of README.md and docs/ from results/*.csv"
	@echo "make format    let ruff format and mend what it can"
	@echo "make clean     remove caches and demo/ (not .venv, not runs/)"

demo: $(BASE)
	@$(BIN)/serkit demo --out demo

# Two processes on two cores: of one thread each, or they wait for each other. The files of few but
# long tests, which would come last by their number, come first; else one process ends alone.
test: export OMP_NUM_THREADS := 1
test: $(DEV)
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	@$(MAKE) --no-print-directory test

bench: $(DEV)
	$(BIN)/python -m benchmarks

results: $(BASE)
	@$(BIN)/python docs/tables.py

check-results: $(BASE)
	@$(BIN)/python docs/tables.py --check

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist demo
	find src tests recipes benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@found=; \
	for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
	    if "$$candidate" -c '$(IS_OURS)' >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "serkit needs Python 3.11, 3.12 or 3.13, and none of these is one: $(or $(PYTHON),$(CANDIDATES))" >&2; \
	    echo "Install one, or name it: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	fi; \
	echo "Making the environment in $(VENV) with $$($$found --version)"; \
	if ! "$$found" -m venv $(VENV); then \
	    rm -rf $(VENV); \
	    echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	fi

# Installed again when the list of dependencies changes. The development tools include the base.
$(BASE): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing serkit and what it needs (once; some minutes, mostly PyTorch)"
	@$(PIP) --editable . --constraint constraints.txt
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing serkit with the development tools (once; some minutes)"
	@$(PIP) --editable '.[dev]' --constraint constraints.txt
	@touch $@ $(BASE)
