# Tasks for people, hooks and CI alike.
PYTHON ?= python3
PORT ?= 5000
DOCS_PORT ?= 8001
ARGS ?=
DATASET ?=
OPTIONS = $(if $(DATASET),--dataset $(DATASET)) $(ARGS)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt
# A process a core, a file of tests at a time, and not more than four: some start servers.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile
# The slow tests start several servers and workers each: two files at a time, in order, so that the longest (e2e) begin.
PARALLEL_SLOW := --numprocesses 2 --dist loadfile --no-loadscope-reorder

NATIVE := ncf/training/native/*.[ch]pp

.DEFAULT_GOAL := help
.NOTPARALLEL: # two of pip in one environment break it
.PHONY: help install prepare retrain monitor backtest rollback recommend serve tune mlflow optuna up status down logs backup restore test test-slow soak reliability test-versions check check-deploy docs docs-serve format house clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: .venv/.installed ## make .venv with what ncf needs to run (the other tasks do this, and add what they need)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("error: Python %d.%d is too old; allowed: 3.11 or newer; what to do: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" % v[:2])'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv; what to do: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@echo "Installing torch, the largest package: some minutes, once"
	@$(PIP) torch
	@echo "Installing MLflow, Prefect, Lightning, Optuna and the other dependencies: some minutes, once"
	@$(PIP) --editable .
	@touch $@

# The extras of pyproject.toml that tasks need beside the runtime, each with a stamp of its own.
EXTRAS := .venv/.dashboard .venv/.deploy .venv/.dev .venv/.docs
.venv/.dashboard: WHAT := Optuna's dashboard
.venv/.deploy: WHAT := the linters and schemas of deployments
.venv/.dev: WHAT := pytest, mypy, ruff and the other tools of tests and checks, and PySpark (430 MB)
.venv/.docs: WHAT := MkDocs and its plugins

$(EXTRAS): .venv/.%: .venv/.installed
	@echo "Installing $(WHAT): once"
	@$(PIP) --editable '.[$*]'
	@touch $@

prepare: .venv/.installed ## read and check a log, and say what is in it: ARGS="--dataset shop --source.path plays.csv"
	@$(BIN)/python -m flows.prepare $(OPTIONS)

retrain: .venv/.installed ## data -> four models -> comparison -> champion -> recommendations: DATASET=ml-1m ARGS="--seed 1"
	@$(BIN)/python -m flows.retrain $(OPTIONS)

monitor: .venv/.installed ## what has changed in the data since the champion was trained: ARGS="--thresholds.psi 0.1"
	@$(BIN)/python -m flows.monitor $(OPTIONS)

tune: .venv/.installed ## search better settings, for retrain to use: ARGS="--model gmf --budget.minutes 20"
	@$(BIN)/python -m flows.tune $(OPTIONS)

backtest: .venv/.installed ## replay the log: what does retraining weekly, monthly or never bring? ARGS="--model mlp"
	@$(BIN)/python -m flows.backtest $(OPTIONS)

rollback: .venv/.installed ## put the previous champion back: ARGS="--dataset shop --reason 'complaints'"
	@$(BIN)/python -m flows.registry rollback $(OPTIONS)

serve: .venv/.installed ## answer HTTP requests with the champion on 127.0.0.1:8000: ARGS="--port 8001"
	@$(BIN)/python -m flows.serve $(OPTIONS)

recommend: .venv/.installed ## the champion's lists into a file or a table: ARGS="--top-k 20 --output.path lists.parquet"
	@$(BIN)/python -m flows.recommend $(OPTIONS)

mlflow: .venv/.installed ## open the MLflow UI on mlruns/ (PORT=5000)
	@echo "MLflow UI: http://127.0.0.1:$(PORT)   (Ctrl-C stops it)"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/python -m mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
		--backend-store-uri "sqlite:///$(CURDIR)/mlruns/mlflow.db" --artifacts-destination "$(CURDIR)/mlruns/artifacts"

optuna: PORT := $(if $(filter file,$(origin PORT)),8080,$(PORT))
optuna: .venv/.dashboard ## open optuna-dashboard on the studies (PORT=8080)
	@echo "Optuna's dashboard: http://127.0.0.1:$(PORT)   (Ctrl-C stops it)"
	@$(BIN)/python -m flows.tune.dashboard $(PORT)

up: .venv/.installed ## start an MLflow server, a Prefect server and a worker on this machine; settings: ARGS="--prefect-port 4201"
	@$(BIN)/python -m flows.up up $(ARGS)

status: .venv/.installed ## say what of it runs, and where
	@$(BIN)/python -m flows.up status $(ARGS)

down: .venv/.installed ## stop it; what it keeps stays
	@$(BIN)/python -m flows.up down $(ARGS)

logs: .venv/.installed ## the end of its logs: ARGS="--program worker --lines 200"
	@$(BIN)/python -m flows.up logs $(ARGS)

backup: .venv/.installed ## copy databases and files while everything runs: ARGS="--to /srv/backup/today"
	@$(BIN)/python -m flows.backup backup $(ARGS)

restore: .venv/.installed ## put a backup into an empty folder: ARGS="--source /srv/backup/today --folder mlruns"
	@$(BIN)/python -m flows.backup restore $(ARGS)

check: .venv/.dev ## lint, formatting, types, import layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/clang-format --dry-run --Werror $(NATIVE)
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >.import-linter.log 2>&1 || { cat .import-linter.log; rm .import-linter.log; exit 1; }
	@rm -f .import-linter.log
	@echo "check: passed"

test: .venv/.dev ## unit tests, the whole flow, the real servers' main path (under 10 minutes on 2 cores)
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not fault and not deploy" $(ARGS)

test-slow: .venv/.dev ## the long rest: kills, fuzzing, the README's commands
	@$(BIN)/python -m pytest $(PARALLEL_SLOW) -m slow $(ARGS)

check-deploy: .venv/.dev .venv/.deploy ## Dockerfile, compose.yaml and the Kubernetes manifests against linters and schemas
	@$(BIN)/python -m pytest -m deploy tests/deploy $(ARGS)

test-versions: .venv/.installed ## the wheel by itself, with the lowest versions promised, with Python 3.12 and with 3.13 (the first time installs up to 16 GB)
	@.ci/versions $(ARGS)

docs: .venv/.docs ## build the documentation into build/site; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict # with --quiet it would not see any warning
	@echo "docs: build/site/index.html; make docs-serve shows it"

docs-serve: .venv/.docs ## show the documentation while you write it (DOCS_PORT=8001)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --dev-addr 127.0.0.1:$(DOCS_PORT)

soak: .venv/.dev ## 50 retrainings in a row, with faults, and 30 nights of a log that grows (about 20 minutes on 2 idle cores)
	@$(BIN)/python -m pytest -m fault tests/e2e/faults/test_soak.py tests/e2e/faults/test_nights.py --soak 50 --nights 30 $(ARGS)

reliability: .venv/.dev ## every fault, and the soak; writes docs/reliability.md
	@$(BIN)/python -m pytest -m fault tests/e2e/faults --soak 50 --reliability docs/reliability.md $(ARGS)

format: .venv/.dev ## write the formatting
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $(NATIVE)

house: ## count the packages' files, functions, rooms and imports
	@$(PYTHON) -m docs.site.house

clean: ## remove .venv and caches; mlruns/ and recommendations/ stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
