"""Databases and pipelines for the tests of the warehouse."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.warehouse import connect
from dropship_dagster_tests.deployed import copy_deployed, running_warehouse
from dropship_dagster_tests.warehouse.emptied import Emptied
from dropship_dagster_tests.warehouse.pipeline import Pipeline

FORGETFUL = ("--idle-transaction-seconds", "10")
"""The transaction of a killed client is forgotten after ten seconds instead of minutes."""


@pytest.fixture(scope="session")
def warehouse(deployed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseEndpoint]:
    """A local warehouse that forgets the transaction of a killed client, with a deployed database."""
    folder = copy_deployed(deployed_folder, tmp_path_factory.mktemp("warehouse") / "data")
    with running_warehouse(folder, *FORGETFUL) as endpoint:
        yield _without_schedule(endpoint)


@pytest.fixture(scope="session")
def database(warehouse: WarehouseEndpoint) -> WarehouseEndpoint:
    """A deployed database. Tests share it, so each uses topics and identifiers of its own and leaves it sound."""
    return warehouse


@pytest.fixture(scope="session")
def empty_database(warehouse: WarehouseEndpoint) -> Callable[[], WarehouseEndpoint]:
    """Makes endpoints of databases that do not exist yet."""

    def make() -> WarehouseEndpoint:
        name = f"T{uuid.uuid4().hex[:10].upper()}"
        return dataclasses.replace(warehouse, database=name, warehouse=f"{name}_WH")

    return make


@pytest.fixture
def own_database(deployed_folder: Path, tmp_path: Path) -> Iterator[WarehouseEndpoint]:
    """A deployed database of the test's own, on a server of its own."""
    folder = copy_deployed(deployed_folder, tmp_path / "warehouse")
    with running_warehouse(folder, *FORGETFUL) as endpoint:
        yield _without_schedule(endpoint)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def emptied(deployed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emptied]:
    """Lends one deployed warehouse to one test after the other."""

    def start(running: ExitStack, folder: Path) -> WarehouseEndpoint:
        copy_deployed(deployed_folder, folder)
        return _without_schedule(running.enter_context(running_warehouse(folder, *FORGETFUL)))

    lent = Emptied(start, tmp_path_factory.mktemp("emptied"))
    yield lent
    lent.close()


@pytest.fixture
def emptied_database(emptied: Emptied) -> Iterator[WarehouseEndpoint]:
    """A deployed database without rows, for a test that writes whatever it likes and defines nothing."""
    yield emptied.borrow()
    emptied.give_back()


def _without_schedule(endpoint: WarehouseEndpoint) -> WarehouseEndpoint:
    """With the graph's schedule suspended: a run at the full minute meets whatever a test does to tables.

    The graph runs when a test asks for it; a test of the schedule resumes it.
    """
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


@pytest.fixture
def emptied_pipeline(kafka: KafkaEndpoint, emptied_database: WarehouseEndpoint) -> Pipeline:
    """Fresh topics into a database that has no row."""
    return Pipeline(kafka.client_config, emptied_database)
