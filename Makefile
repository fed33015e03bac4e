# Holdfast. `make` alone lists the targets.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
PRODUCT := domain runtime db activities workflows api web worker dev
PACKAGES := $(PRODUCT) bench tests
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv --quiet pip compile pyproject.toml \
	--universal --generate-hashes --no-annotate

.DEFAULT_GOAL := help
.PHONY: help run stop status demo test lint format check openapi grpc configuration pictures chaos bench lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(INSTALLED) ## Start everything on this machine; Ctrl-C stops it and keeps the data
	@exec $(PYTHON) -m dev up

stop: $(INSTALLED) ## Stop the running stack from another terminal
	@exec $(PYTHON) -m dev stop

status: $(INSTALLED) ## Show the running processes
	@exec $(PYTHON) -m dev status

demo: $(INSTALLED) ## Run bookings through their lifecycle on the running stack
	@exec $(PYTHON) -m dev demo

test: $(INSTALLED) ## Run all tests on servers that they start (ARGS="-k name" selects)
	@exec $(PYTHON) -m pytest --numprocesses 2 --dist loadgroup --max-worker-restart 0 $(ARGS)

lint: $(INSTALLED) ## Check style, formatting, types, the import rule and insecure code
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy $(PACKAGES)
	$(VENV)/bin/lint-imports
	$(VENV)/bin/bandit --quiet --configfile pyproject.toml --confidence-level medium --recursive $(PRODUCT)

format: $(INSTALLED) ## Format the code and apply the linter's safe fixes
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

check: lint ## Run lint, and check the contracts, generated code, docs/configuration.md and known vulnerabilities
	$(PYTHON) -m dev.contract check
	$(PYTHON) -m dev.grpc_code check
	$(PYTHON) -m dev.grpc_contract check
	$(PYTHON) -m dev.configuration check
	$(PYTHON) -m dev.vulnerabilities requirements.txt

openapi: $(INSTALLED) ## Write the API contract to docs/openapi.json (BREAKING=1 allows breaking changes)
	$(PYTHON) -m dev.contract write $(if $(BREAKING),--breaking)

grpc: $(INSTALLED) ## Write the code and the contract of the gRPC API from api/grpc/*.proto (BREAKING=1 as above)
	$(PYTHON) -m dev.grpc_code write
	$(PYTHON) -m dev.grpc_contract write $(if $(BREAKING),--breaking)

configuration: $(INSTALLED) ## Write docs/configuration.md from the settings
	$(PYTHON) -m dev.configuration write

pictures: $(INSTALLED) ## Take the pictures of the pages in docs/pictures (needs Chromium)
	@exec $(PYTHON) -m dev.pictures

chaos: $(INSTALLED) ## Check the guarantees under faults (ARGS="--cell NAME --seed N" selects one cell)
	@exec $(PYTHON) -m tests.chaos $(ARGS)

bench: $(INSTALLED) ## Measure Holdfast beside its baseline
	@exec $(PYTHON) -m bench $(ARGS)

lock: $(INSTALLED) ## Resolve the requirement files (ARGS=--upgrade for newer versions)
	$(LOCK) $(ARGS) --output-file requirements.txt
	$(LOCK) $(ARGS) --extra dev --output-file requirements-dev.txt

clean: ## Remove the environment and caches; keeps data (python -m dev reset deletes it)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) -name __pycache__ -prune -exec rm -rf {} +

# The stamp comes last, so that an interrupted installation is repeated.
$(INSTALLED): requirements-dev.txt
	@if ! $(PYTHON) -c '' 2>/dev/null; then \
		for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
			if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				python=$$candidate; break; \
			fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "error: Holdfast needs Python 3.11 or later: install it and add it to your PATH" >&2; exit 1; \
		fi; \
		$$python -m venv --clear $(VENV) || { \
			echo "error: $$python cannot create a virtual environment (Debian: install python3-venv)" >&2; \
			exit 1; \
		}; \
	fi
	@echo "Installing the requirements into $(VENV) (once, about a minute) ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
