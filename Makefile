# The two commands of a new user: `make demo` and `make test`. Both set up .venv first, if it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint notebooks bench clean

demo: $(READY)
	$(BIN)/lstm-signal compare --sample

test: lint
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Runs each notebook's source and keeps its outputs and pictures beside it.
notebooks: $(READY)
	$(BIN)/jupytext --quiet --to ipynb notebooks/*.py
	$(BIN)/jupyter-execute --inplace notebooks/*.ipynb

# Measures again and keeps the tables; a quiet machine and twenty minutes.
bench: $(READY)
	for name in walk kills plug; do $(BIN)/python -m benchmarks.$$name > benchmarks/$$name.md || exit 1; done

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist reports
