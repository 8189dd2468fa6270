# make benchmark   install into .venv and run the main job on simulated nights
# make test        install what the tests need and run lint and tests
# make doc         install what the documentation needs, build it and check its links
# make oldest      install the oldest supported packages into .venv-oldest and run the tests
# make clean       remove what the above made, but for .venv, .venv-oldest and results
#
# Another interpreter: make test PYTHON=python3.12
# More options:        make benchmark ARGS="--n-jobs 4", make test ARGS="-k transforms"

PYTHON ?= python3
ARGS ?=
# Test processes. Each runs torch on one thread.
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
STAMPS := $(VENV)/stamps
PINS := -c constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

OLDEST := .venv-oldest

.PHONY: benchmark test lint doc oldest clean

benchmark: $(STAMPS)/project
	$(BIN)/eeginv benchmark $(ARGS)

test: lint
	$(ONE_THREAD) MPLBACKEND=agg $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(STAMPS)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

doc: $(STAMPS)/doc
	MPLBACKEND=agg $(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html
	$(BIN)/python tools/check_pages.py doc/_build/html

oldest: $(OLDEST)/stamp
	$(ONE_THREAD) MPLBACKEND=agg $(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

clean:
	rm -rf build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -rf doc/_build doc/auto_examples doc/generated doc/sg_execution_times.rst
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "eeginv needs Python 3.11 or later, and $(PYTHON) is not: $$($(PYTHON) --version 2>&1)"; \
		echo "Name another interpreter, for example: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of packages: installed once, and again when what is asked for changes.
# torch goes first and alone, so that no other package chooses its version.
$(STAMPS)/project: pyproject.toml setup.py constraints.txt | $(BIN)/python
	$(PIP) install $(PINS) $(TORCH)
	$(PIP) install $(PINS) -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: $(STAMPS)/project
	$(PIP) install $(PINS) -e '.[test,moabb]'
	@touch $@

$(STAMPS)/doc: $(STAMPS)/project
	$(PIP) install $(PINS) -e '.[doc]'
	@touch $@

$(OLDEST)/stamp: pyproject.toml setup.py oldest.txt | $(BIN)/python
	$(BIN)/python -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install -c oldest.txt $(TORCH)
	$(OLDEST)/bin/python -m pip install -c oldest.txt -e '.[test]'
	@touch $@
