"""Databases and pipelines for the tests of the warehouse."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator

import pytest

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.warehouse import connect, deploy
from dropship_dagster_tests.warehouse.pipeline import Pipeline


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseEndpoint]:
    """An embedded warehouse that forgets the transaction of a killed client after ten seconds instead of minutes."""
    folder = tmp_path_factory.mktemp("warehouse")
    command = [sys.executable, "-m", "dropship_dagster.embedded.snowflake", "--data-dir", str(folder)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--idle-transaction-seconds", "10"], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert server.stdout
    assert server.stdout.readline().startswith("ready"), (folder / "log").read_text()
    state = json.loads((folder / "service.json").read_text())
    arguments = {key: state[key] for key in ("account", "user", "password", "host", "port", "protocol")}
    yield WarehouseEndpoint(state["account"], state["database"], "DROPSHIP_WH", None, arguments)
    server.terminate()
    server.wait(120)


@pytest.fixture(scope="session")
def empty_database(warehouse: WarehouseEndpoint) -> Callable[[], WarehouseEndpoint]:
    """Makes endpoints of databases that do not exist yet."""

    def make() -> WarehouseEndpoint:
        name = f"T{uuid.uuid4().hex[:10].upper()}"
        return dataclasses.replace(warehouse, database=name, warehouse=f"{name}_WH")

    return make


@pytest.fixture(scope="session")
def database(empty_database: Callable[[], WarehouseEndpoint]) -> WarehouseEndpoint:
    """A deployed database. Tests share it, so each uses topics and identifiers of its own and leaves it sound."""
    return _deployed(empty_database())


@pytest.fixture
def own_database(empty_database: Callable[[], WarehouseEndpoint]) -> WarehouseEndpoint:
    """A deployed database of the test's own."""
    return _deployed(empty_database())


def _deployed(endpoint: WarehouseEndpoint) -> WarehouseEndpoint:
    """The objects, with the graph's schedule suspended: a run at the full minute meets whatever a test does to tables.

    The graph runs when a test asks for it; a test of the schedule resumes it.
    """
    deploy(endpoint)
    with connect(endpoint) as connection:
        connection.cursor().execute("ALTER TASK OPS.REFRESH SUSPEND")
    return endpoint


@pytest.fixture
def pipeline(kafka: KafkaEndpoint, database: WarehouseEndpoint) -> Pipeline:
    """Fresh topics into the shared database."""
    return Pipeline(kafka.client_config, database)


@pytest.fixture
def own_pipeline(kafka: KafkaEndpoint, own_database: WarehouseEndpoint) -> Pipeline:
    """Fresh topics into a database of its own."""
    return Pipeline(kafka.client_config, own_database)
