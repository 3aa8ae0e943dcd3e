# Everything is set up on first use; what is there already is not fetched again.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin
SETUP_DONE := $(VENV)/.bascule-setup
LINES_DONE := $(VENV)/.bascule-lines
NODE_PACKAGES := pino@10.4.0 pino-http@11.0.0 winston@3.19.0 morgan@1.12.1 \
	express@5.3.0 prom-client@15.1.3 express-prom-bundle@8.0.0
AXE_DONE := .bascule/axe/node_modules/axe-core/axe.min.js
SCHEMA_DONE := .bascule/schema/node_modules/typescript/package.json
SCHEMA_PACKAGES := typescript@5.9.3 schema11@npm:@grafana/schema@11.6.4 schema12@npm:@grafana/schema@12.4.0 \
	schema13@npm:@grafana/schema@13.2.3
PEERS_DONE := $(VENV)/.bascule-peers
FUZZ_DONE := $(VENV)/.bascule-fuzz
HARNESSES := $(filter-out guided,$(patsubst tests/fuzz/%.py,%,$(sort $(wildcard tests/fuzz/*.py))))
# Tests with real programs wait more than they work: three at once on two cores. A file's tests stay together.
WORKERS := -n 3 --dist loadfile --no-loadscope-reorder
UPLOT := src/bascule/console/static/vendor/uPlot.iife.min.js

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test real lint bench fuzz chaos drill soak criteria sbom browser clean

help:  ## Show what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: PYTHON (3.11 or later, now $(PYTHON)), VENV (now $(VENV)), ARGS (passed on to demo, test and bench)"

setup: $(SETUP_DONE) $(UPLOT)  ## Set up: Python packages, programs, the chart engine (no root, starts no service)
	@$(PYTHON) tools/fetch_programs.py core

demo: setup  ## Play a whole migration with a fault, and write demo-output/
	@$(RUN)/bascule demo $(ARGS)

test: setup browser lint  ## Run every check and test
	@$(RUN)/python -m pytest $(WORKERS) $(ARGS)

# Groups of tests are ignored by pytest 9.2 with xdist 3.8 (findings/): a file's tests stay together.
export PROMETHEUS ALERTMANAGER
real: setup $(LINES_DONE) $(AXE_DONE) $(SCHEMA_DONE)  ## Run long tests against real programs: make real NAME=outcomes (without NAME: all)
	@$(RUN)/python -m pytest -m real -n 3 --dist loadfile $(if $(NAME),$(wildcard tests/*/test_$(NAME).py),tests) $(ARGS)

lint: setup  ## Run ruff, mypy, the import contract and the check of words
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports
	@$(RUN)/python tools/check_words.py

bench: setup $(PEERS_DONE)  ## Measure ours beside its peers: make bench NAME=detection (without NAME: all)
	@$(PYTHON) tools/fetch_programs.py bench
	@$(RUN)/python -m bench $(NAME) $(ARGS)

fuzz: setup $(FUZZ_DONE)  ## Guided fuzzing of what comes from the network: make fuzz NAME=webhook SECONDS=600 (without: all, a minute each)
	@for each in $(or $(NAME),$(HARNESSES)); do \
		$(RUN)/python tests/fuzz/$$each.py -max_total_time=$(or $(SECONDS),60) $(ARGS) || exit; done

drill: setup  ## Inject faults into the lab, time each to its alert: make drill ARGS="--fault crash" (without: all)
	@$(RUN)/bascule drill supersmartmatch $(or $(ARGS),--all)

soak: setup $(PEERS_DONE)  ## Two hours without a fault, in which no alarm is due: healthy, and identical versions
	@BASCULE_BENCH=healthy,alike $(RUN)/python -m bench detection $(ARGS)

criteria: setup  ## Write docs/success-criteria.md from what was measured here
	@$(RUN)/python tools/write_success_criteria.py

sbom: setup  ## Write dist/bascule.cdx.json: what an installation is made of (CycloneDX)
	@$(RUN)/python tools/write_sbom.py

chaos: setup  ## Lose parts of the monitoring at random: make chaos NAME=notices (without NAME: all)
	@$(RUN)/python -m chaos $(NAME) $(ARGS)
$(LINES_DONE): pyproject.toml constraints.txt Makefile | $(SETUP_DONE)
	@echo "Installing the servers, loggers and libraries that long tests meet."
	@$(PYTHON) tools/fetch_programs.py lines
	@$(RUN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[lines]'
	@npm install --silent --no-audit --no-fund --prefix .bascule/node $(NODE_PACKAGES)
	@touch $@

$(AXE_DONE): Makefile
	@npm install --silent --no-audit --no-fund --prefix .bascule/axe axe-core@4.14.1
	@touch $@

$(SCHEMA_DONE): Makefile
	@npm install --silent --no-audit --no-fund --prefix .bascule/schema $(SCHEMA_PACKAGES)
	@touch $@

$(PEERS_DONE): pyproject.toml constraints.txt | $(SETUP_DONE)
	@echo "Installing the benchmarks' peers into $(VENV)."
	@$(RUN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

$(FUZZ_DONE): pyproject.toml constraints.txt | $(SETUP_DONE)
	@$(RUN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	@touch $@

browser: $(SETUP_DONE)
	@$(PYTHON) tools/fetch_programs.py chromium peers

clean:  ## Remove what was made, except the fetched programs and the environment
	rm -rf demo-output bench-output drill-output dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN)/pip:
	@$(PYTHON) tools/make_venv.py $(VENV)

$(SETUP_DONE): pyproject.toml constraints.txt | $(RUN)/pip
	@echo "Installing Bascule and its Python packages into $(VENV)."
	@$(RUN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(UPLOT): tools/fetch_uplot.py | $(SETUP_DONE)
	@$(RUN)/python tools/fetch_uplot.py
	@touch $@
