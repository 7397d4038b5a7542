# Every target works as the only command on a fresh clone: each sets up first what it needs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench paper paper-inferline

help:    ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)    ## make .venv with ipa and all it needs here

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("ipa needs Python 3.11 or later, $(PYTHON) is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[serve,plot,kubernetes,dev]'
	touch $(READY)

demo: setup    ## serve the digits pipeline, load it low → peak → low, adapt it (FAST=1: under a minute)
	$(BIN)/python scripts/demo.py $(if $(FAST),--fast)

# What starts servers has the machine for itself; the rest shares it.
test: setup    ## run all tests
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist worksteal
	$(BIN)/python -m pytest -m slow

check: setup    ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

paper: setup    ## the IPA paper's evaluation in simulation, into out/paper (IPA_TWITTER_TRACE names the trace)
	$(BIN)/python scripts/paper.py

paper-inferline: setup    ## InferLine's evaluation in simulation, and what is better, into out/inferline
	$(BIN)/python scripts/paper_inferline.py

bench: setup    ## speed claims as ratios, a JSON line each
	$(BIN)/python scripts/bench.py
