# Thin wrappers over the `heatpool` program. Every target sets up .venv first, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VIDEOS ?=
OUT ?=
FEATURES ?=
PROTOCOL ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo extract train test test-all lint format type bench results weights clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(VENV)/.installed ## set up .venv with tested versions

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "heatpool needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install ## the whole pipeline on the embedded data set: render, extract, train, evaluate, report.html
	$(BIN)/heatpool demo $(ARGS)

extract: install ## stage one: VIDEOS=<folder or manifest.csv> OUT=<store>; without them the demo data set
	$(BIN)/heatpool extract $(if $(VIDEOS),--videos '$(VIDEOS)') $(if $(OUT),--out '$(OUT)') $(ARGS)

train: install ## stage two: FEATURES=<store> PROTOCOL=<protocol>; without them the demo data set
	$(BIN)/heatpool train $(if $(FEATURES),--features '$(FEATURES)') $(if $(PROTOCOL),--protocol '$(PROTOCOL)') $(ARGS)

test: install ## the test suite (what CI runs)
	$(BIN)/python -m pytest $(ARGS)

test-all: install ## the test suite with the slow tests
	$(BIN)/python -m pytest -m "slow or not slow" $(ARGS)

lint: install ## check style and types, change nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## put the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: install ## check types
	$(BIN)/mypy

bench: install ## run the benchmarks and write docs/benchmarks.md; ARGS="--only stages,train" for some
	$(BIN)/python -m benchmarks $(ARGS)

results: install ## train everything on the demo set with five seeds and write docs/results.md; half an hour on 2 cores
	$(BIN)/python -m benchmarks.results $(ARGS)

weights: install ## train the tiny backend's networks again (an hour on 2 cores)
	$(BIN)/python -m heatpool.extract.networks.tiny.training.recipe --out extract/networks/tiny/weights --docs docs/tiny.md $(ARGS)

clean: ## remove the demo's output and caches; keeps .venv
	rm -rf demo_out work_dirs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
