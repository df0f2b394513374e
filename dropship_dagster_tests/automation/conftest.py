"""The fixtures of the Dagster tests, and an instance as `dropship up` makes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.resources.fixtures import own_folders, platform

__all__ = ["own_folders", "platform"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A DAGSTER_HOME with the project's dagster.yaml."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", home)
    return home


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of that home, which outlives the process."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance
