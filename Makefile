# `make` or `make help` lists what can be asked for.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
MODEL ?= whisper-tiny-archive
OUTPUT ?= demo_output
PORT ?= 4200
DATA ?= data
FOLDER ?= sample_audio

# Collections that only some tests need, and that users do not have. If named, they must be there.
SHARED := $(or $(SPEECHPIPE_SHARED),$(wildcard ../shared))

# A file of tests stays in one process, so that what it starts is started once.
WORKERS ?= -n auto --dist loadfile

# An environment is ready when its stamp is newer than its lock; a larger one serves for the smaller too.
DEMO := .venv/.demo
TEST := .venv/.test
ALL := .venv/.all
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

define install
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing $(1) ..."
	@$(PIP) --require-hashes -r $(1)
	@$(PIP) --no-build-isolation -e .
endef

.PHONY: help demo program install serve test test-all lint bench peers chaos mutate scale docs clean lock

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(DEMO): requirements/demo.txt pyproject.toml
	$(call install,requirements/demo.txt)
	@touch $@

$(TEST): requirements/test.txt pyproject.toml
	$(call install,requirements/test.txt)
	@touch $(DEMO) $@

$(ALL): requirements/all.txt pyproject.toml
	$(call install,requirements/all.txt)
	@touch $(DEMO) $(TEST) $@

demo: $(DEMO) ## run the Prefect flow on sample_audio/ and show what came out (MODEL=... OUTPUT=...)
	@$(BIN)/python -m flows.demo --source sample_audio --output $(OUTPUT) --model $(MODEL)

program: $(DEMO) ## make the environment that the program needs, with Prefect and without torch

install: $(ALL) ## make the environment that all tests need, torch and the engines on it among it

serve: $(DEMO) ## start a local Prefect server with the flows deployed (PORT=... DATA=... FOLDER=...)
	@$(BIN)/speechpipe serve --data $(DATA) --folder $(FOLDER) --port $(PORT)

test: $(TEST) ## run the tests that need nothing but Python packages
	$(BIN)/python -m pytest $(WORKERS) -m "not extra and not shared and not slow"

test-all: $(ALL) ## run the slow tests and those that need torch, a browser, Node or the collections; installs the programs on Debian
	./tests/install-programs
	$(BIN)/python -m pytest $(WORKERS) -m "$(if $(SHARED),extra or shared or slow,(extra or slow) and not shared)"
	@$(if $(SHARED),:,echo "Not run: the tests marked 'shared'; they need collections, whose folder SPEECHPIPE_SHARED names.")

lint: $(ALL) ## ruff, mypy --strict, import-linter, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/sizes.py

bench: $(ALL) ## measure speed, memory and alignment; figures go to bench/results/
	$(BIN)/python bench/run.py

peers: $(ALL) ## measure speechpipe beside its peers, on one page; needs whisper-base and the speech collection
	$(BIN)/python bench/peers.py

chaos: $(ALL) ## kill the processes of a night at random, again and again (RECORDINGS=40 KILLS=25)
	CHAOS_RECORDINGS=$(or $(RECORDINGS),40) CHAOS_KILLS=$(or $(KILLS),25) $(BIN)/python -m pytest tests/e2e/test_chaos.py

mutate: $(TEST) ## damage 1,000 media files of every container by chance and transcribe each (COUNT=1000)
	$(BIN)/python bench/mutate.py --count $(or $(COUNT),1000)

scale: $(ALL) ## measure a night of 2,000 short recordings, then a second one (RECORDINGS=2000)
	$(BIN)/python bench/night/scale.py $(or $(RECORDINGS),2000)

docs: $(TEST) ## check the documentation: links, commands and settings named in it
	$(BIN)/python -m pytest -q tests/unit/test_docs.py

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile pyproject.toml --extra flows --group build $(COMPILE) -o requirements/demo.txt
	uv pip compile pyproject.toml --extra flows --extra pydub --group build --group test --group lint -c requirements/demo.txt $(COMPILE) -o requirements/test.txt
	uv pip compile pyproject.toml --extra all --group build --group test --group lint -c requirements/test.txt $(COMPILE) -o requirements/all.txt
COMPILE := --upgrade --generate-hashes --no-emit-index-url --no-strip-extras --no-header --python-version 3.11 --quiet

clean: ## remove the environment and everything made by the other targets
	rm -rf .venv demo_output dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
