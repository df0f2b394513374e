"""Fixtures shared by the tests of the platform: the local services, started once a test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.supervisor import SERVICES
from dropship_dagster_tests.deployed import copy_deployed, deployed_folder

__all__ = ["deployed_folder"]

# What takes longest begins first, so that no process of the run is left alone with it at the end.
_FIRST = (
    "test_pipeline.py", "automation/test_full_pipeline.py", "dashboard", "warehouse/test_deployment.py",
    "warehouse/test_graph.py", "warehouse/test_mending.py", "cli/test_datasets.py", "cli/test_up.py",
    "automation/test_sensors.py", "automation/test_graph_sensor.py", "cli/test_own_files.py",
)  # fmt: skip
_ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by `_FIRST`; those of the dashboard stay together, as they share a browser."""

    def place(item: pytest.Item) -> int:
        if not item.path.is_relative_to(_ROOT):
            return len(_FIRST)
        path = item.path.relative_to(_ROOT)
        name = "dashboard" if path.parts[0] == "dashboard" else path.as_posix()
        return _FIRST.index(name) if name in _FIRST else len(_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def settings(deployed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of an own home folder with a deployed warehouse; whatever was started in it is stopped at the end."""
    root: Path = tmp_path_factory.mktemp("platform")
    copy_deployed(deployed_folder, root / "home" / "snowflake")
    settings = Settings.load(
        DROPSHIP_HOME=root / "home", DROPSHIP_DATA_DIR=root / "data", DROPSHIP_REPORTS_DIR=root / "reports"
    )
    yield settings
    supervisor(settings).stop(*SERVICES)


@pytest.fixture(scope="session")
def kafka(settings: Settings) -> KafkaEndpoint:
    """The local broker. Tests share it, so each uses topics of its own."""
    return kafka_endpoint(settings)


@pytest.fixture(scope="session")
def warehouse(settings: Settings) -> WarehouseEndpoint:
    """The local warehouse, its database deployed. Tests share it, so each uses a database of its own."""
    return warehouse_endpoint(settings)
