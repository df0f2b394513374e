"""Fixtures for tests of what Dagster runs: the settings of the tests, told by the environment as for any process."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropship_dagster.endpoints import KafkaEndpoint
from dropship_dagster.settings import Settings
from dropship_dagster.supervisor import Supervisor
from dropship_dagster_tests.deployed import copy_deployed


@pytest.fixture
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Home, data and reports of this test alone; starts no service by itself."""
    for name in ("home", "data", "reports"):
        monkeypatch.setenv({"home": "DROPSHIP_HOME"}.get(name, f"DROPSHIP_{name.upper()}_DIR"), str(tmp_path / name))
    return tmp_path


def environment_of(settings: Settings, folder: Path, suffix: str) -> dict[str, str]:
    """The session's services, with data, reports, topics and a database of their own, and a small shop."""
    return {
        "DROPSHIP_HOME": str(settings.home),
        "DROPSHIP_DATA_DIR": str(folder / "data"),
        "DROPSHIP_REPORTS_DIR": str(folder / "reports"),
        "DROPSHIP_TOPIC_CUSTOMERS": f"customers_{suffix}",
        "DROPSHIP_TOPIC_PRODUCTS": f"products_{suffix}",
        "DROPSHIP_TOPIC_ORDERS_EVENTS": f"orders_events_{suffix}",
        "DROPSHIP_TOPIC_PARTITIONS": "2",
        "SNOWFLAKE_DATABASE": f"DAGSTER_{suffix}",
        "DROPSHIP_CUSTOMERS": "50",
        "DROPSHIP_PRODUCTS": "20",
        "DROPSHIP_ORDERS": "100",
    }


@pytest.fixture
def platform(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    kafka: KafkaEndpoint,
    deployed_folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Settings]:
    """A deployed warehouse, topics, files and reports of this test alone, on the session's broker; in the environment.

    The home is the test's own: its warehouse is a copy that was deployed before, its broker's folder the session's.
    """
    suffix = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:8].upper()
    home = tmp_path / "home"
    copy_deployed(deployed_folder, home / "snowflake")
    (home / "kafka").symlink_to(settings.home / "kafka")
    for name, value in environment_of(settings, tmp_path, suffix).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DROPSHIP_HOME", str(home))
    monkeypatch.delenv("SNOWFLAKE_DATABASE")
    yield Settings.load()
    Supervisor(home).stop("snowflake")
    shutil.rmtree(home)
