# Each target does all of its own set-up: a Debian 12 or 13 machine with Python 3.11 or newer is enough.
SHELL := /bin/bash
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench fleet-shell lock clean clean-fleet

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## See fleetctl at work on hosts of its own; needs neither root nor an SSH server
	@scripts/bootstrap.sh
	@$(BIN)/fleetctl demo

test: ## Run every test; as root also those on real hosts (PYTEST_ARGS, WORKERS)
	@scripts/bootstrap.sh
	@scripts/fleet-packages.sh
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

check: ## Check style, types, floors and shell scripts
	@scripts/bootstrap.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=src:tests/fleet $(BIN)/mypy -p lab
	MYPYPATH=src:tests/fleet $(BIN)/mypy scripts/make_pictures.py
	MYPYPATH=src:tests/fleet:benchmarks $(BIN)/mypy benchmarks/run.py benchmarks/meter.py
	$(BIN)/lint-imports
	git ls-files -z '*.sh' .ci/run ':!src' | xargs -0 $(BIN)/shellcheck
	# Pieces that Python puts together: what one sets another uses (SC2034, SC2154).
	git ls-files -z 'src/*.sh' | xargs -0 $(BIN)/shellcheck --shell=sh --severity=warning --exclude=SC2034,SC2154

format: ## Put the code into its house style
	@scripts/bootstrap.sh
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: ## Measure fleetctl beside ansible, pyinfra, clush, pssh and ssh (BENCH_ARGS=--quick)
	@scripts/bootstrap.sh
	@scripts/fleet-packages.sh
	@benchmarks/peers.sh
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

fleet-shell: ## Start test hosts and open a shell beside them (HOSTS="deb12 deb13 tiny")
	@scripts/bootstrap.sh
	@scripts/fleet-packages.sh
	@PYTHONPATH=tests/fleet $(BIN)/python -m lab.shell $(HOSTS)

lock: ## Write the versions that .venv has now into constraints.txt
	@scripts/bootstrap.sh
	$(BIN)/python -m pip freeze --exclude-editable | sort -f > constraints.txt

clean: ## Remove what was built here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/.peers dist build docs/_build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-fleet: ## Remove the cached root file systems of the test hosts
	rm -rf "$${XDG_CACHE_HOME:-/var/cache}/fleetctl-test/bases"
