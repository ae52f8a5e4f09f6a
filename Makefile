# `make help` lists the verbs. Set-up happens by itself the first time; after that everything works offline.
PYTHON ?= python3.11
.DEFAULT_GOAL := help
.PHONY: help course test slow fuzz kill notebooks run lint bench docs shape sizes lock environment
VENV := .venv/bin/python
# A shell that fails in the middle of a pipe fails the recipe.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

course: environment  ## run every notebook (smoke, embedded data) and write results/course.html
	@$(VENV) -m signlib.course

test: environment  ## the tests (pytest) and the notebooks against their stored outputs (nbval)
	@$(VENV) -m pytest -n 2 --dist loadgroup tests
	@rm -rf runs/nbval
	@# Two notebooks at a time, one thread each: more threads only wait for one another.
	@SIGNLIB_RUNS="$(CURDIR)/runs/nbval" OMP_NUM_THREADS=1 $(VENV) -m pytest -n 2 --dist loadscope --nbval-lax --nbval-current-env --nbval-cell-timeout=600 notebooks

slow: environment  ## the tests that take minutes: what presets reach on real signs
	@$(VENV) -m pytest -n 2 --dist loadgroup -m slow tests

fuzz: environment  ## 10,000 damaged inputs of every reader of files: hours; resumes; docs/trust.md
	@$(VENV) -m tests.fuzz --inputs 10000 --cores 0 --results

kill: environment  ## kill everything that takes long 100 times and compare: hours; resumes; docs/trust.md
	@$(VENV) -m tests.killing

notebooks: environment  ## run the notebooks and store their outputs in place
	@$(VENV) -m signlib.course --update

run: environment  ## one notebook with parameters: make run NB=12_skeleton_encoder ARGS="-p SEED 1"
	@$(VENV) -m signlib run $(NB) $(ARGS)

lint: environment  ## ruff, types (mypy), the import rule and the rules of the notebooks
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@.venv/bin/lint-imports --no-cache
	@$(VENV) -m mypy
	@$(VENV) -m signlib.course --check

bench: environment  ## every claim of speed, as a ratio measured in one run, into docs/speed.md
	@$(VENV) -m benchmarks $(ONLY)

docs: environment  ## write docs/api/signlib/api.html: the public functions and what they return
	@$(VENV) .ci/docs.py

shape: environment  ## rooms of the package, imports between them, how its code is written
	@$(VENV) .ci/shape.py

sizes: environment  ## count the presets' parameters again (CHECK=--check: only compare)
	@$(VENV) .ci/sizes.py $(CHECK)

lock: environment  ## resolve requirements.lock again from pyproject.toml
	@bash .ci/lock

environment:
	@PYTHON="$(PYTHON)" bash .ci/environment
