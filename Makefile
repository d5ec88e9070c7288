# Each target says what it does and asks nothing. `make` alone lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
INSTALLED := .venv/.requirements-installed
NEWMAN := tests/postman/node_modules/.package-lock.json
UV := .venv/uv/bin/uv
UV_VERSION := 0.13.8
UV_COMPILE := $(UV) pip compile --quiet --python-version 3.11 --universal --generate-hashes \
	--no-header --no-emit-index-url --no-annotate

.PHONY: help setup run test lint format lock postman fuzz docs browser chaos bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(INSTALLED) ## make .venv and install what the lock files name (other targets do it too)

# The stamp is younger than the lock it was made from: only a newer lock installs again.
$(INSTALLED): requirements-dev.txt
	@echo "Installing into .venv (about half a minute the first time) ..."
	@for candidate in python3.11 python3.12 python3.13 python3.14 python3; do \
		if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			found=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Recado needs Python 3.11 or newer, and none is in PATH: install one." >&2; exit 1; \
	fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
		|| $$found -m venv --clear .venv \
		|| { echo "$$found cannot make a virtual environment (Debian: the package python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input --no-compile \
		--require-hashes --only-binary :all: -r requirements-dev.txt
	@touch $@

run: $(INSTALLED) ## run everything: databases, web, workers, beat, simulator
	@exec $(PYTHON) -m dev run

test: $(INSTALLED) ## run the tests on servers of their own (ARGS= goes to pytest)
	@echo "Testing ..."
	@exec $(PYTHON) -m pytest $(ARGS)

lint: $(INSTALLED) ## check style, format and types
	@echo "ruff check";  $(PYTHON) -m ruff check --no-cache .
	@echo "ruff format"; $(PYTHON) -m ruff format --check .
	@echo "mypy";        $(PYTHON) -m mypy

format: $(INSTALLED) ## repair what ruff can repair
	@echo "Formatting ..."
	@$(PYTHON) -m ruff check --no-cache --fix-only .
	@$(PYTHON) -m ruff format .

lock: $(UV) ## write the lock files again after a change of pyproject.toml (UPGRADE=1: newest versions)
	@echo "Locking ..."
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.txt
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -c requirements.txt \
		-o requirements-dev.txt
	@! grep -nE 'https?://|--(extra-)?index-url|--find-links' requirements.txt requirements-dev.txt

# In an environment of its own: uv is a tool of the lock files, not a package of the project.
$(UV): $(INSTALLED)
	@echo "Installing uv $(UV_VERSION) into .venv/uv ..."
	@$(PYTHON) -m venv .venv/uv
	@.venv/uv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
		--only-binary :all: uv==$(UV_VERSION)

postman: $(INSTALLED) $(NEWMAN) ## run the Postman collection against a fresh stack (needs node)
	@echo "Running the Postman collection beside a fresh stack ..."
	@exec $(PYTHON) -m dev exec -- sh -c 'exec tests/postman/node_modules/.bin/newman run \
		postman_collection.json --bail --color off --disable-unicode \
		--env-var "base_url=$$PUBLIC_BASE_URL" --env-var "simulator_url=$$SIMULATOR_URL"'

# The run makes thousands of requests as one caller, and lasts longer than a token.
FUZZ_SETTINGS := --set "TENANT_RATE_LIMIT=1000000 per minute" \
	--set "ANONYMOUS_RATE_LIMIT=1000000 per minute" --set "LOGIN_RATE_LIMIT=1000000 per minute" \
	--set "LOGIN_ADDRESS_RATE_LIMIT=1000000 per minute" --set ACCESS_TOKEN_SECONDS=14400

fuzz: $(INSTALLED) ## call every operation with made-up input beside a fresh stack (ARGS="--max-examples 5")
	@echo "Calling every operation with made-up input beside a fresh stack ..."
	@exec $(PYTHON) -m dev exec $(FUZZ_SETTINGS) -- $(PYTHON) -m tests.fuzz $(ARGS)

docs: $(INSTALLED) ## run the commands of the docs against a fresh stack (ARGS="-k README")
	@echo "Following the docs beside a fresh stack ..."
	@exec $(PYTHON) -m dev exec -- $(PYTHON) -m pytest -o addopts= --import-mode=importlib \
		--confcutdir=tests/docs tests/docs/live $(ARGS)

browser: $(INSTALLED) ## try the pages in a real browser beside a fresh stack (needs Chromium)
	@echo "Trying the pages in a browser beside a fresh stack ..."
	@exec $(PYTHON) -m dev exec -- $(PYTHON) -m pytest -o addopts= --import-mode=importlib \
		--confcutdir=tests/browser tests/browser $(ARGS)

chaos: $(INSTALLED) ## kill the processes under load, then count the messages (ARGS="full --seed 7")
	@exec $(PYTHON) -m tests.chaos $(ARGS)

$(NEWMAN): tests/postman/package-lock.json
	@command -v npm >/dev/null || { echo "newman needs node and npm: install them." >&2; exit 1; }
	@echo "Installing newman ..."
	@cd tests/postman && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

bench: $(INSTALLED) ## measure the service under load, half an hour (ARGS=--short: that it runs, for CI)
	@echo "Measuring ..."
	@exec $(PYTHON) -m bench $(ARGS)

clean: ## remove what the tools leave behind; keeps .venv and the data in .recado
	@echo "Cleaning ..."
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/postman/node_modules
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
