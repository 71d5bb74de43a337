# Each verb does its whole set-up by itself. PYTHON=python3.12 chooses the interpreter, VENV=dir where packages go, WORKERS=0 how many
# processes share the tests.
PYTHON ?= python3
VENV ?= .venv
SECONDS ?= 180
WORKERS ?= 2
RUN := $(VENV)/bin/python
SETUP := sh scripts/setup.sh "$(PYTHON)" "$(VENV)"

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

demo: ## a minute of stillroom
	@$(SETUP) .
	@$(RUN) examples/demo.py

test: ## smoke tests on every other supported Python there is, then all tests on this one
	@$(SETUP) ".[dev]" redis-server
	@$(RUN) scripts/smoke.py "$(VENV)"
	@$(RUN) -m pytest --numprocesses $(WORKERS) $(ARGS)

check: ## formatting, lint, types, architecture
	@$(SETUP) ".[dev]"
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(RUN) -m pyright --pythonpath $(RUN)
	@$(RUN) -m pytest -q tests/test_architecture.py

bench: ## stillroom against its alternatives, and against its targets
	@$(SETUP) ".[bench]" redis-server
	@$(RUN) -m benchmarks $(ARGS)

soak: ## four processes, faults every few seconds, and a checker; SECONDS=30 for less than three minutes
	@$(SETUP) ".[dev]" redis-server
	@$(RUN) -m benchmarks.soak $(SECONDS)

clean: ## forget everything that can be made again
	rm -rf $(VENV) $(VENV)-* .hypothesis .mypy_cache .pytest_cache .ruff_cache benchmarks/out
