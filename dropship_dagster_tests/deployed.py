"""Warehouses that are deployed already: a data folder made once a test run and copied for whoever needs one.

Deploying sql/ takes seconds of a processor; to copy a stopped server's folder and to start on it, much less.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.supervisor import OPTIONS
from dropship_dagster.warehouse import deploy
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from local_kafka_tests.process import running_broker
from local_snowflake.testing import SnowflakeProcess

DATABASE = "DROPSHIP"
WAREHOUSE = "DROPSHIP_WH"
"""The names that the settings have when nobody sets them."""


def made_once(factory: pytest.TempPathFactory, name: str) -> tuple[Path, Path]:
    """A folder for all processes of a test run, and the lock under which the first of them fills it."""
    root = factory.getbasetemp()
    if root.name.startswith("popen-"):  # a worker's own; a variable would also be that of a test run inside a test
        root = root.parent
    return root / name, root / f"{name}.lock"


@pytest.fixture(scope="session")
def deployed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a stopped server with the database of the settings, deployed. To be copied only."""
    folder, lock = made_once(tmp_path_factory, "deployed-warehouse")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not folder.exists():
            making = folder.with_suffix(".making")
            with running_warehouse(making) as endpoint:
                deploy(endpoint)
            _keep_plans(making, folder.with_suffix(".run"))
            making.rename(folder)
    return folder


def _keep_plans(deployed: Path, scratch: Path) -> None:
    """Put into a deployed folder what a server has translated that ran the task graph and `verify` on a copy of it.

    The copy and its rows are thrown away: whoever starts on the folder finds it as the deployment left it.
    """
    copy_deployed(deployed, scratch / "warehouse")
    with running_warehouse(scratch / "warehouse") as endpoint, running_broker(scratch / "kafka") as broker:
        pipeline = Pipeline({"bootstrap.servers": broker.bootstrap}, endpoint)
        for turn in (1, 2):  # plans are kept of what was run again
            order = Order(pipeline.id(turn))
            pipeline.send(pipeline.customers, [customer(order.customer_id, turn)])
            pipeline.send(pipeline.products, [product("P00001", turn)])
            pipeline.send(pipeline.orders, [order.placed(), order.paid(), order.shipped(), b"no event"])
            pipeline.load()
            pipeline.refresh()
            pipeline.verify()
    shutil.copy(scratch / "warehouse" / "plans.json", deployed)
    shutil.rmtree(scratch)


def copy_deployed(deployed_folder: Path, folder: Path) -> Path:
    """A copy in `folder` for a server of its own."""
    return Path(shutil.copytree(deployed_folder, folder, ignore=shutil.ignore_patterns("lock", "service.json")))


@contextmanager
def running_warehouse(folder: Path, *arguments: str) -> Iterator[WarehouseEndpoint]:
    """A server on the folder and the database of the settings in it; it ends with the block."""
    server = SnowflakeProcess(folder, *OPTIONS["snowflake"], *arguments)
    server.start()
    try:
        login = server.login
        yield WarehouseEndpoint(login["account"], DATABASE, WAREHOUSE, None, login)
    finally:
        server.stop()
