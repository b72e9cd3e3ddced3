# Every command makes its own environment in .venv first; the second time that takes a moment.
# Paths are relative and nothing starts a console script: this works in a folder with a space in its name.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint docs bench clean

# PYTHON=... names the Python to make .venv with; otherwise tools/find_python.sh looks for one
PYTHON ?=
export PYTHON

run := .venv/bin/python

# $(call setup,ARGUMENTS): .venv is there, and "pip install ARGUMENTS" was done in it
setup = @python=$$(sh tools/find_python.sh) && "$$python" tools/environment.py .venv $(if $(PYTHON),--exact) -- $(1)

help:  ## say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo "  PYTHON=/path/to/python chooses the Python (3.11 or later) that .venv is made with"

demo:  ## train on real handwritten digits, and draw how it learns
	$(call setup,--editable '.[demo]')
	@$(run) examples/digits.py

# What of the suite `make test` runs; the rest takes some minutes more: make test SELECT=
SELECT ?= -m "not slow"

test:  ## run the test suite, with coverage of autodiff/; with SELECT= also what takes long
	$(call setup,--editable . --group test)
	@$(run) tools/install_torch.py
	$(run) -m pytest $(wildcard tests autodiff nn) --ignore=tests/benchmarks --doctest-modules $(SELECT) -n auto --dist worksteal \
		--cov=autodiff --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=95

lint:  ## check style (ruff) and types (mypy)
	$(call setup,--editable '.[progress$(comma)plot]' --group lint)
	$(run) -m ruff check .
	$(run) -m mypy autodiff nn

docs:  ## build the documentation into docs/_build/html
	$(call setup,--editable . --group docs)
	$(run) -m sphinx -b html -d docs/_build/doctrees -W --keep-going docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench:  ## measure speed and memory beside other libraries
	$(call setup,--editable . --group bench)
	@$(run) tools/install_torch.py
	$(run) -m tests.benchmarks

clean:  ## remove all that make has made, the environments too
	rm -rf .venv .venv-newest .venv-oldest build dist htmlcov docs/_build examples/output
	rm -rf .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

comma := ,
