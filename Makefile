# Thin wrappers over the `heatpool` program. Every target sets up .venv first, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VIDEOS ?=
OUT ?=
FEATURES ?=
PROTOCOL ?=
ARGS ?=
# A process a core, a file's tests in one of them: fixtures of a module are made once.
PYTEST := -m pytest -n auto --dist loadfile
LINKS := $(addprefix heatpool/,pool extract classify pipelines)
MIN_TESTS := tests/pool tests/extract/video tests/extract/networks tests/classify/training \
  tests/pipelines/test_cli.py tests/test_old_build.py tests/test_docs.py

.DEFAULT_GOAL := help
.PHONY: help install demo extract train test test-all test-min coverage lint format type docs wheel bench results weights clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

install: $(VENV)/.installed $(LINKS) ## set up .venv with tested versions

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "heatpool needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# mypy and editors look for heatpool.pool in heatpool/pool, which lies in pool (docs/adr/0008).
$(LINKS): heatpool/%:
	ln -s ../$* $@

demo: install ## the whole pipeline on the embedded data set, and a real clip: render, extract, train, evaluate, report.html
	$(BIN)/heatpool demo $(ARGS)

extract: install ## stage one: VIDEOS=<folder or manifest.csv> OUT=<store>; without them the demo data set
	$(BIN)/heatpool extract $(if $(VIDEOS),--videos '$(VIDEOS)') $(if $(OUT),--out '$(OUT)') $(ARGS)

train: install ## stage two: FEATURES=<store> PROTOCOL=<protocol>; without them the demo data set
	$(BIN)/heatpool train $(if $(FEATURES),--features '$(FEATURES)') $(if $(PROTOCOL),--protocol '$(PROTOCOL)') $(ARGS)

test: install ## the test suite
	$(BIN)/python $(PYTEST) $(ARGS)

test-all: install ## the test suite with the slow tests
	$(BIN)/python $(PYTEST) -m "slow or not slow" $(ARGS)

coverage: install ## the test suite, with the share of lines that it runs (what CI runs)
	$(BIN)/python $(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html $(ARGS)

test-min: $(VENV)-min/.installed ## tests on the least versions that setup.cfg allows
	$(VENV)-min/bin/python $(PYTEST) $(MIN_TESTS) $(ARGS)

$(VENV)-min/.installed: setup.cfg constraints-min.txt
	$(PYTHON) -m venv $(VENV)-min
	$(VENV)-min/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-min.txt -e '.[test]'
	@touch $@

lint: install ## check style, spelling and types, change nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

format: install ## put the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: install ## check types
	$(BIN)/mypy

docs: install ## the pages of docs/ and the API as a site in site/; a warning is an error
	$(BIN)/mkdocs build --strict --quiet

wheel: install ## build a wheel into dist/
	rm -rf build  # what a build before left there would get into the wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

bench: install ## run the benchmarks and write docs/benchmarks.md; ARGS="--only stages,train" for some
	$(BIN)/python -m benchmarks $(ARGS)

results: install ## train everything on the demo set with five seeds and write docs/results.md; half an hour on 2 cores
	$(BIN)/python -m benchmarks.results $(ARGS)

weights: install ## train the tiny backend's networks again (an hour on 2 cores)
	$(BIN)/python -m heatpool.extract.networks.tiny.training.recipe --out extract/networks/tiny/weights --docs docs/tiny.md $(ARGS)

clean: ## remove the demo's output, caches and what was built; keeps .venv
	rm -rf demo_out work_dirs build dist site htmlcov .coverage* *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
