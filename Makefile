# Affiant's tasks. Each target makes what it needs first and is quick the second time; `make help` lists them.
# What CI runs is `make test` (.ci/run).

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := $(or $(AFFIANT_VENV),.venv)
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Hundreds of processes start in the tests. An image may forbid Python to keep what it compiles: then each compiles all
# of its libraries again, for seconds.
unexport PYTHONDONTWRITEBYTECODE
# How many processes run the tests of `make test`: 2 (tests/components/lanes.py), or 0 for one after another, in which
# a slow machine of 2 cores takes near an hour.
PROCESSES := 2
# Real components, by the names of scripts/tools. A missing one fails what needs it.
TEST_TOOLS := kafka registry curl strace versitygw fsck posix-oneshot spicy litewitness tlogcheck chromium \
	prometheus alertmanager amtool promtool grafana-schema otelcol dockerlint helm kubeconform composecheck hclcheck
BENCH_TOOLS := kafka wrk strace prometheus alertmanager
BENCHES = $(sort $(wildcard bench/*.py))

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- the two commands of the README

.PHONY: demo
demo: ## train, publish, serve, record and check German credit scores, from nothing (no Java needed)
	@scripts/bootstrap demo
	@$(BIN)/python examples/credit/demo.py

.PHONY: demo-governed
demo-governed: ## from a training run to three signatures, and what they are worth at the gateway (DVC, MLflow)
	@scripts/bootstrap demo
	@$(BIN)/python examples/credit/governed.py

.PHONY: demo-drift
demo-drift: ## version 2 is deployed, its input breaks, version 1 is brought back; and whether that was right
	@scripts/bootstrap demo
	@$(BIN)/python examples/credit/drifting.py

.PHONY: test
test: dev tools ## all that must hold: lint, types, imports, and every test against real components
	@# One run tells all: the tests run also when lint has failed, and either fails the target.
	@lint=0; $(MAKE) lint || lint=$$?; \
	$(PYTEST) -n $(PROCESSES) -m "not long" || exit $$?; \
	if [[ $$lint != 0 ]]; then echo "make test: the tests passed; lint did not (above)" >&2; exit $$lint; fi

# ---------------------------------------------------------------- parts of it

.PHONY: dev
dev: ## make .venv with everything that the tests need
	@scripts/bootstrap dev

.PHONY: tools
tools: dev ## fetch the real components that the tests run against
	@$(BIN)/python scripts/tools $(TEST_TOOLS)
	@$(BIN)/python -m tests.components.mlflow
	@$(BIN)/python -m tests.components.spark
	@$(BIN)/python -m tests.components.kubernetes
	@$(BIN)/python -m tests.components.pipelines
	@$(BIN)/python scripts/environment training examples/credit/pipeline/requirements.txt

.PHONY: bento
bento: dev ## make a Bento of the gateway (docs/images.md)
	@PATH="$$(dirname "$$(scripts/bootstrap --uv)"):$$PATH" AFFIANT_CONFIG=/dev/null BENTOML_DO_NOT_TRACK=True \
		$(BIN)/python -m bentoml_cli.cli build -f bentofile.yaml .

.PHONY: lint
lint: dev ## ruff, mypy --strict, and the one-way imports between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: dev ## let ruff put the code into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: unit
unit: dev ## the tests that start no component
	@$(PYTEST) -m "not long and not kafka and not oci and not s3 and not mlflow and not spark and not tlog and not fault and not browser and not prometheus" tests

.PHONY: integration
integration: dev tools ## the tests against real Kafka, a real registry and real clients
	@$(PYTEST) -m "not long" tests/integration

.PHONY: fault
fault: dev tools ## kills, pauses, full disks and failing system calls, in their short form
	@$(PYTEST) -m "not long" tests/fault

.PHONY: fault-long
fault-long: dev tools ## the same, with the hundred kills, and what else takes minutes
	@$(PYTEST) tests/fault
	@$(PYTEST) -m long tests --ignore tests/fault

# ---------------------------------------------------------------- measured

# A bench exits 0 whether or not its bars hold; its JSON says which do.
define run-benches
	@mkdir -p bench/results
	@for bench in $(BENCHES); do \
	    name=$$(basename $$bench .py); echo "bench: $$name"; \
	    $(BIN)/python $$bench $(1) --json bench/results/$$name.json; \
	done
endef

.PHONY: bench-tools
bench-tools: dev
	@$(BIN)/python scripts/tools $(BENCH_TOOLS)

.PHONY: bench
bench: bench-tools ## every bench in full; results in bench/results/
	$(call run-benches,)

.PHONY: bench-quick
bench-quick: bench-tools ## every bench in its short form
	$(call run-benches,--quick)

# ---------------------------------------------------------------- upkeep

.PHONY: lock
lock: ## write requirements/*.txt anew after a change of pyproject.toml (UPGRADE=1: newest versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)

.PHONY: chart
chart: dev ## write anew what of the Helm chart is made of other things (schema, README, rules, dashboards, renders)
	@$(BIN)/python scripts/tools helm
	@$(BIN)/python scripts/chart

.PHONY: clean
clean: ## remove what was made here (the cache folder of the components stays)
	@rm -rf $(VENV) build dist bench/results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
