# `make demo` and `make test` do all set-up themselves. Everything is installed inside this folder.
MAKEFLAGS += --no-print-directory
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin
# Where the environment forbids it, every process compiles all it imports, and a run of the tests starts hundreds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install ready fmt check test upgrade hosts browser pictures packages bench soak docs demo lock

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-14s %s\n' "$$name" "$$text"; done

install: ## everything, with the tools to check and test; the command is then .venv/bin/bridged
	@scripts/install dev

ready:
	@scripts/install run

demo: ready ## the whole product at work on a simulated account (ARGS=--once: exit when done)
	@$(BIN)/bridged demo $(ARGS)

fmt: install ## format, and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

check: install ## lint, format, types, import law, architecture
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/unit/test_house.py tests/unit/test_papers.py

test: install ## everything that must hold (WORKERS=2 processes)
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

upgrade: install ## processes replaced one by one, from the version before to this one, while all is at work
	UPGRADE_FROM="$$(scripts/before)" && export UPGRADE_FROM && $(BIN)/pytest -q -s -o python_files='rolling_*.py' tests/upgrade $(ARGS)

browser: install ## the pages in a real Chromium, which is installed where that is possible; screenshots in artefacts/
	CHROMIUM="$$(scripts/browser)" && export CHROMIUM && $(BIN)/pytest -q tests/browser $(ARGS)

hosts: install ## several hosts on one database, cut off, paused, killed, with wrong clocks; needs root, installs what it needs on Debian
	scripts/hosts $(BIN)/pytest -q -s tests/hosts $(ARGS)

pictures: ## the guide's pictures anew, from the pages as they are
	PICTURES=yes $(MAKE) browser

packages: install ## wheel and sdist installed by pip from scratch, served, used, restored (PYTHONS="python3.11 python3.13")
	scripts/try_package $(PYTHONS)

bench: install ## measurements
	@ls tests/bench/bench_*.py >/dev/null 2>&1 || { echo "There are no benchmarks yet." >&2; exit 1; }
	$(BIN)/pytest -q -o python_files='bench_*.py' tests/bench $(ARGS)

soak: install ## long simulations (SEEDS=1000: webhooks alone: killed at every step, and converging in so many worlds)
ifdef SEEDS
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -o python_files='test_webhooks.py soak_webhook_kill.py' tests/simulation \
	  -k 'at_rest or two_steps' --seeds $$((($(SEEDS) + 3) / 4)) $(ARGS)
else
	$(BIN)/pytest -q -o python_files='soak_*.py' tests/simulation $(ARGS)
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m turns --seeds 12 tests/simulation $(ARGS)
endif

docs: install ## generate docs/reference/cli.md and api.md from commands and routes, then the site in artefacts/site
	$(BIN)/python scripts/reference.py
	$(BIN)/python scripts/site.py

lock: install ## resolve the dependencies of pyproject.toml anew (ARGS=--upgrade: to the newest)
	scripts/lock $(ARGS)
