# Everything runs from .venv, which `make install` makes from the lock; nothing else has to be activated.
# `make` alone prints what there is.

PY := .venv/bin/python
DROPSHIP := $(PY) -m dropship_dagster.cli
ARGS ?=
PARALLEL = -n 2 --dist loadfile --no-loadscope-reorder
SCHEMA = $(PY) -m check_jsonschema --quiet --builtin-schema
LOCK = $(PY) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --quiet \
	$(addprefix --no-emit-package ,local-service local-kafka local-snowflake)

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo all generate-data deploy produce consume refresh validate verify monitor up down \
	docker-up docker-down test test-long test-kafka test-snowflake test-containers bench chaos captures docs lint lint-github format lock clean

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "; print "Dropship: a streaming data platform for a drop-shipping clothing shop\n"} \
		/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

install: ## Make .venv and install the locked packages (again only when the lock changed)
	@sh scripts/install.sh requirements.txt

install-dev: ## The same with what the tests and linters need
	@sh scripts/install.sh requirements-dev.txt

demo: install ## The whole pipeline on this machine, once, with a summary; exits 1 if a step or a critical check fails
	@$(DROPSHIP) demo $(ARGS)

all: demo ## The same as demo

generate-data: install ## Write the shop's CSV files to data/
	@$(DROPSHIP) generate $(ARGS)

deploy: install ## Create or migrate the warehouse's objects
	@$(DROPSHIP) deploy $(ARGS)

produce: install ## Replay the CSV files into the Kafka topics
	@$(DROPSHIP) produce replay $(ARGS)

consume: install ## Load what the topics hold into RAW
	@$(DROPSHIP) consume $(ARGS)

refresh: install ## Run the warehouse's task graph once: RAW -> STAGING -> PROD
	@$(DROPSHIP) refresh $(ARGS)

validate: install ## Run every check and write reports/validation.json
	@$(DROPSHIP) validate $(ARGS)

verify: install ## Decide whether every acknowledged event arrived exactly once
	@$(DROPSHIP) verify $(ARGS)

up: install ## Everything live: services, Dagster UI and daemon, dashboard; Ctrl-C stops it
	@$(DROPSHIP) up $(ARGS)

down: install ## Stop everything that runs for this checkout
	@$(DROPSHIP) down

monitor: install ## The dashboard alone
	@$(DROPSHIP) monitor $(ARGS)

docker-up: ## The platform in containers, on the account of .env or a local warehouse
	@docker compose version >/dev/null 2>&1 || { echo "This needs Docker with its compose plugin; make up needs neither." >&2; exit 1; }
	@sh deploy/compose.sh up --build --detach --wait $(ARGS)

docker-down: ## Stop the containers
	@sh deploy/compose.sh --profile '*' down $(ARGS)

test: install-dev ## The test suite
	@$(PY) -m pytest $(PARALLEL) -m "not slow and not apache_kafka" $(ARGS)

test-long: install-dev ## The long form of every suite
	@$(PY) -m pytest $(PARALLEL) --hypothesis-profile thorough -m "not apache_kafka" $(ARGS)

test-kafka: install-dev ## Contract, stream, loader and faults on Apache Kafka (needs Java 17 and Maven)
	@DROPSHIP_TEST_REQUIRE_KAFKA=1 $(PY) -m pytest -m "apache_kafka and not slow" --timeout 600 $(ARGS)

test-snowflake: install-dev ## The contract and an end-to-end slice on the account of .env; says so when there is none
	@$(PY) -m dropship_dagster_tests.deploy.account $(ARGS)

test-containers: install-dev ## Every service of docker-compose.yml run as its image would (needs Debian's postgresql)
	@$(PY) -m pytest -m slow dropship_dagster_tests/deploy/test_containers.py $(ARGS)

bench: install-dev ## The benchmarks, one after the other, on a quiet machine (minutes; docs/benchmarks.md)
	@for suite in kafka_broker snowflake_server "shop_generate --peers" replay "load_refresh --peers" sensor_ticks \
		dashboard_queries dashboard_pages; do \
		echo "== $$suite"; $(PY) -m dropship_dagster_tests.benchmarks.$$suite || exit 1; done

captures: install-dev ## Every picture of docs/CAPTURE_CHECKLIST.md, from the running platform or one started for it
	@$(PY) -m dropship_dagster_tests.dashboard.captures $(ARGS)

chaos: install-dev ## Kills at random moments, under load, in their long form
	@$(PY) -m pytest -m slow dropship_dagster_tests/warehouse packages dropship_dagster_tests/real_kafka $(ARGS)

lint: install-dev ## Format, lint, types, layers, the workflows and forms of .github
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@for project in . packages/*; do \
		$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()" --config $$project/pyproject.toml || exit 1; done
	@$(MAKE) --silent lint-github

lint-github: install-dev ## The workflows and forms of .github alone
	@$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	@$(SCHEMA) vendor.dependabot .github/dependabot.yml
	@$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	@.venv/bin/zizmor --offline --quiet .github

docs: ## The documentation as a site in site/; fails on a link that leads nowhere
	@sh scripts/install.sh requirements-docs.txt
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

format: install-dev ## Format the code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: install-dev ## Resolve the dependencies of pyproject.toml anew into the three lock files
	@$(LOCK) --group build pyproject.toml -o requirements.txt
	@$(LOCK) --group dev --group build -c requirements.txt pyproject.toml -o requirements-dev.txt
	@$(LOCK) --group docs --group build -c requirements-dev.txt -o requirements-docs.txt

clean: ## Remove what the platform wrote (services' data, CSV files, reports); .venv and your own CSV files stay
	@if [ -x $(PY) ]; then $(DROPSHIP) down; $(PY) -m dropship_dagster.shop.removal data; fi
	rm -rf .dropship .data.lock reports site
