"""An account answers as the local warehouse does, and the pipeline runs on it. Run by `make test-snowflake`."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Iterator

import pytest
import snowflake.connector

from dropship_dagster.cli.doctor.account import account as examine
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import deploy
from dropship_dagster_tests.deploy.account import KEPT, VARIABLE
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from local_snowflake_tests import test_contracts
from local_snowflake_tests.server import Session

if VARIABLE not in os.environ:
    pytest.skip("make test-snowflake runs these on the account of the settings", allow_module_level=True)

test_every_statement_of_a_contract_answers_as_documented = (
    test_contracts.test_every_statement_of_a_contract_answers_as_documented
)


@pytest.fixture(scope="module")
def account_settings() -> Settings:
    """The settings of who called `make test-snowflake`; the other tests never see them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(f"{KEPT}SNOWFLAKE_") and name != VARIABLE]:
            patch.setenv(name.removeprefix(KEPT), os.environ[name])
        patch.setenv("DROPSHIP_ENV_FILE", os.environ[VARIABLE])
        return Settings.load()


@pytest.fixture(scope="module")
def scratch(account_settings: Settings) -> Iterator[WarehouseEndpoint]:
    """A deployed database with warehouse and roles of its own, dropped at the end whatever happened."""
    name = f"DROPSHIP_TEST_{uuid.uuid4().hex[:8].upper()}"
    endpoint = dataclasses.replace(warehouse_endpoint(account_settings), database=name, warehouse=f"{name}_WH")
    try:
        deploy(endpoint)
        yield endpoint
    finally:
        with snowflake.connector.connect(**endpoint.connect_args) as connection:
            for what in (
                f"DATABASE IF EXISTS {name}",
                *(f"ROLE IF EXISTS {name}_{role}" for role in ("LOADER", "TRANSFORMER", "READER", "ORCHESTRATOR")),
                f"WAREHOUSE IF EXISTS {name}_WH",
                f"RESOURCE MONITOR IF EXISTS {name}_WH_MONITOR",
            ):
                connection.cursor().execute(f"DROP {what}")


@pytest.fixture
def session(scratch: WarehouseEndpoint) -> Iterator[Session]:
    """As the contract files want it: in a fresh database, with the connector's own defaults."""
    database = f"{scratch.database}_{uuid.uuid4().hex[:6].upper()}"
    opened = Session(snowflake.connector.connect(**scratch.connect_args, warehouse=scratch.warehouse))
    try:
        opened.run(f"CREATE DATABASE {database}")
        opened.run("USE SCHEMA PUBLIC")
        yield opened
    finally:
        opened.run(f"DROP DATABASE IF EXISTS {database}")
        opened.close()


def test_the_pipeline_runs_end_to_end_on_the_account(kafka: KafkaEndpoint, scratch: WarehouseEndpoint) -> None:
    pipeline = Pipeline(kafka.client_config, scratch)
    orders = [Order(pipeline.id(number)) for number in range(50)]
    pipeline.send(pipeline.orders, [order.placed() for order in orders])
    pipeline.send(pipeline.orders, [b"no JSON"])
    assert pipeline.load(batch_events=20).events == 51
    assert pipeline.load().events == 0
    pipeline.refresh()
    pipeline.send(pipeline.orders, [order.paid() for order in orders[:10]])
    pipeline.load()
    pipeline.refresh()
    report = pipeline.assert_sound(events=61)
    assert (report.staging.accepted, report.staging.rejected) == (60, 1)
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDERS") == 50
    assert pipeline.order(orders[0].order_id)["STATUS"] == "PAID"
    assert pipeline.order(orders[-1].order_id)["STATUS"] == "PLACED"


def test_deploying_again_changes_nothing(scratch: WarehouseEndpoint) -> None:
    assert deploy(scratch).applied == ()


def test_the_doctor_finds_the_deployed_account_well(account_settings: Settings, scratch: WarehouseEndpoint) -> None:
    changed = {"snowflake_database": scratch.database, "snowflake_warehouse": scratch.warehouse}
    findings = list(examine(account_settings.model_copy(update=changed)))
    assert [finding for finding in findings if not finding.ok] == []
    assert findings[-1].subject == "objects"
