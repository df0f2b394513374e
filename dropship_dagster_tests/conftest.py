"""Fixtures shared by every test: a hermetic environment and the embedded services, started once a test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.settings import Settings

# The tests must not meet a developer's account, broker or data, whatever the shell or .env says.
for _name in [name for name in os.environ if name.startswith(("DROPSHIP_", "KAFKA_", "SNOWFLAKE_", "DAGSTER_"))]:
    if not _name.startswith("DROPSHIP_TEST_"):
        del os.environ[_name]
os.environ["DROPSHIP_ENV_FILE"] = ""
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of an own home folder; whatever was started in it is stopped at the end."""
    root: Path = tmp_path_factory.mktemp("platform")
    settings = Settings.load(
        DROPSHIP_HOME=root / "home", DROPSHIP_DATA_DIR=root / "data", DROPSHIP_REPORTS_DIR=root / "reports"
    )
    yield settings
    for service in ("kafka", "snowflake"):
        supervisor(settings).stop(service)


@pytest.fixture(scope="session")
def kafka(settings: Settings) -> KafkaEndpoint:
    """The embedded broker. Tests share it, so each uses topics of its own."""
    return kafka_endpoint(settings)


@pytest.fixture(scope="session")
def warehouse(settings: Settings) -> WarehouseEndpoint:
    """The embedded warehouse. Tests share it, so each uses a database of its own."""
    return warehouse_endpoint(settings)
