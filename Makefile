# Needs Python 3.11 or newer, make, and nothing else. `make` alone lists the targets.

PYTHON ?= python3
ARGS ?=
# Test files at once: most of their time is waiting.
JOBS ?= 3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# One stamp for each lock file: a lock that did not change is not installed again.
LOCAL := $(VENV)/.installed-local
DEV := $(VENV)/.installed-dev

CODE := activities api benchmarks migrations tests tidings worker workflows

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-unit test-peers openapi fuzz histories screenshots incident lint types contracts check format lock hooks clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(LOCAL) ## start everything on this machine; ARGS="--api-port 9000" passes options to `tidings up`
	@exec $(BIN)/tidings up $(ARGS)

test: $(DEV) ## run all tests, on real servers; ARGS="-k cancel" passes options to pytest, JOBS=1 is one after another
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

test-unit: $(DEV) ## run the tests that need no server
	$(BIN)/pytest tests/unit $(ARGS)

test-peers: $(DEV) ## run the tests against software of others, which they fetch; what was shown, or skipped: build/figures.md
	$(BIN)/pytest -m "peer or figure" -rs --figures=build/figures.md $(ARGS)

openapi: $(DEV) ## write docs/openapi.json anew
	$(BIN)/python -m api.write_description docs/openapi.json

fuzz: $(DEV) ## try the API with made-up requests for minutes; ARGS="--max-time 600" passes options to schemathesis
	$(BIN)/python -m tests.fuzz.run $(ARGS)

histories: $(DEV) ## record anew what the replay tests replay; ARGS="sent_at_once" names some, "--keep NAME" keeps the old
	$(BIN)/python -m tests.replay.record $(ARGS)

screenshots: $(DEV) ## take the pictures of docs/tracing.md anew, in Chromium; ARGS="--api-port 8000 --ui-port 8233"
	$(BIN)/python -m tests.pictures.take $(ARGS)

incident: $(DEV) ## play the incident of docs/incident.md anew, and write down what its operator sees; same ARGS
	$(BIN)/python -m tests.pictures.incident $(ARGS)

lint: $(DEV) ## check style: ruff over the code, hadolint over the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint Dockerfile

types: $(DEV) ## check types: mypy, strict
	$(BIN)/mypy

contracts: $(DEV) ## check who imports whom: import-linter
	$(BIN)/lint-imports

check: lint types contracts test ## all of the above

format: $(DEV) ## put the code into its standard form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

hooks: $(DEV) ## run the checks before every commit
	$(BIN)/pre-commit install

# A pin stays until it is taken out of requirements/dev.txt, or UPGRADE is set: "--upgrade", "--upgrade-package aiohttp".
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' pyproject.toml

lock: $(DEV) ## write the lock files in requirements/ anew; UPGRADE=--upgrade takes newer versions
	$(COMPILE) --all-extras --group build --group dev $(UPGRADE) --output-file requirements/dev.txt
	$(COMPILE) --extra local --extra push --extra webpush --extra jwt --extra otel --group build --constraints requirements/dev.txt --output-file requirements/local.txt
	$(COMPILE) --extra sandbox --extra push --extra webpush --extra jwt --extra apprise --extra aws --extra redis --extra otel --constraints requirements/dev.txt --output-file requirements/runtime.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
		--group build --constraints requirements/dev.txt --output-file requirements/build.txt

clean: ## remove what the tools made; .venv and the data in .tidings stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed. Tidings needs Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Tidings needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# hatchling is in the locks, so that building Tidings itself fetches nothing unpinned either.
define install
	$(PIP) install --quiet --require-hashes --requirement $<
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(LOCAL): requirements/local.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Tidings needs into $(VENV) (once) …"
	$(install)

$(DEV): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Tidings and its tests need into $(VENV) (once) …"
	$(install)
	@touch $(LOCAL)
