"""What another user of the machine can read of the platform's files: nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster.shop import ShopConfig, close_generated, generate
from dropship_dagster.supervisor import SERVICES, Supervisor
from local_service import privacy

AS_NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
SEVERAL = 30
"""Files that a run leaves at least: fewer, and the test looks at the wrong place."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="dropship-privacy-"))
    folder.chmod(0o755)
    yield folder
    Supervisor(folder / "home").stop(*SERVICES)
    shutil.rmtree(folder)


def dropship(place: Path, *arguments: str) -> None:
    """A command in an environment that would let everybody read and write."""
    ended = subprocess.run(
        [sys.executable, "-m", "dropship_dagster.cli", *arguments],
        env={
            **os.environ, "DROPSHIP_HOME": str(place / "home"), "DROPSHIP_DATA_DIR": str(place / "data"),
            "DROPSHIP_REPORTS_DIR": str(place / "reports"), "DROPSHIP_CUSTOMERS": "20", "DROPSHIP_PRODUCTS": "10",
            "DROPSHIP_ORDERS": "40",
        },
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, umask=0,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr


def open_to_others(folder: Path) -> list[str]:
    """What has a mode that another user could use."""
    found = [folder, *folder.rglob("*")]
    assert len(found) > 1
    return [f"{path} {path.lstat().st_mode & 0o777:o}" for path in found if path.lstat().st_mode & 0o077]


def read_by_nobody(folder: Path, files: list[Path]) -> list[Path]:
    """The files that the user nobody can read. Needs root to become that user."""
    if os.geteuid():
        pytest.skip("only root can become another user")
    assert subprocess.run([*AS_NOBODY, "ls", folder], capture_output=True, check=False).returncode == 0
    cat = {file: subprocess.run([*AS_NOBODY, "cat", file], capture_output=True, check=False) for file in files}
    return [file for file, ended in cat.items() if ended.returncode == 0]


def files_in(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def open_up(folder: Path) -> None:
    """The modes that an earlier version left under the usual umask of 022."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


WRITTEN = {"warehouse.duckdb", "metadata.db", "live.state", "customers.csv", "kafka.log"}
STEP_BY_STEP = ("generate", "produce replay", "deploy", "consume")


@pytest.mark.parametrize(
    ("commands", "written"),
    [
        (STEP_BY_STEP, WRITTEN),
        pytest.param(("demo",), WRITTEN | {"validation.json", "runs.db"}, marks=pytest.mark.slow),
    ],
)
def test_another_user_can_read_nothing_that_the_platform_writes_whatever_the_umask(
    place: Path, commands: Sequence[str], written: set[str]
) -> None:
    for command in (*commands, "produce stream --duration 1"):
        dropship(place, *command.split())
    folders = [folder for name in ("home", "data", "reports") if (folder := place / name).exists()]
    for folder in folders:
        assert open_to_others(folder) == []
    files = files_in(*folders)
    names = {file.name for file in files}
    assert written <= names
    assert any(file.suffix == ".log" and "kafka" in file.parts for file in files), "a segment of a topic"
    assert len(files) > SEVERAL
    assert read_by_nobody(place, files) == []


def test_a_home_that_an_earlier_version_left_open_is_closed_at_the_next_start(place: Path) -> None:
    dropship(place, "services", "up")
    dropship(place, "services", "down")
    open_up(place / "home")
    files = files_in(place / "home")
    assert read_by_nobody(place, files) == files
    dropship(place, "services", "status")
    assert open_to_others(place / "home") == []
    assert read_by_nobody(place, files) == []


def test_a_service_started_by_hand_closes_its_own_folder(place: Path) -> None:
    supervisor = Supervisor(place / "home")
    supervisor.ensure("kafka")
    supervisor.stop("kafka")
    open_up(place / "home")
    supervisor.ensure("kafka")
    assert open_to_others(place / "home" / "kafka") == []


def test_a_folder_of_somebodys_own_keeps_its_mode_and_only_what_is_ours_in_it_is_closed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "kafka" / "orders-0").mkdir(parents=True)
    (home / "kafka" / "orders-0" / "0.log").touch()
    (home / "notes.txt").touch()
    elsewhere.mkdir()
    (home / "logs").symlink_to(elsewhere)
    open_up(home)
    Settings.load(DROPSHIP_HOME=home, DROPSHIP_REPORTS_DIR=tmp_path / "reports").keep_private()
    modes = {str(path.relative_to(home)): stat.S_IMODE(path.stat().st_mode) for path in (home, *home.rglob("*"))}
    assert modes == {
        ".": 0o755, "notes.txt": 0o644, "kafka": 0o700, "kafka/orders-0": 0o700, "kafka/orders-0/0.log": 0o600,
        "logs": 0o755,
    }  # fmt: skip
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_a_closed_folder_is_not_walked_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "kafka").mkdir(parents=True)
    (home / "kafka" / "later").touch(0o644)
    (home / "kafka").chmod(0o700)
    home.chmod(0o755)
    privacy.keep_private(home, {"kafka"})
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "kafka" / "later").stat().st_mode) == 0o644, "nobody gets there"


@pytest.mark.parametrize("command", ["generate", pytest.param("demo", marks=pytest.mark.slow)])
def test_a_generated_data_folder_that_an_earlier_version_left_open_is_closed(place: Path, command: str) -> None:
    dropship(place, "generate")
    open_up(place / "data")
    files = files_in(place / "data")
    assert read_by_nobody(place, files) == files
    dropship(place, command)
    assert open_to_others(place / "data") == []
    assert read_by_nobody(place, files) == []


def test_of_an_open_data_folder_with_foreign_files_those_of_the_generator_are_closed(tmp_path: Path) -> None:
    config = ShopConfig(customers=5, products=5, orders=5, seed=1)
    for name, foreign in {"edited": "orders.csv", "beside": "notes.txt"}.items():
        folder = tmp_path / name
        generate(config, folder)
        with (folder / foreign).open("a", encoding="utf-8") as file:
            file.write("my own\n")
        open_up(folder)
        close_generated(folder)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
        assert {each for each, mode in modes.items() if mode & 0o077} == {name, foreign}
        assert modes["customers.csv"] == 0o600


def test_a_data_folder_that_was_there_keeps_its_mode_and_the_files_in_it_are_closed(
    tmp_path: Path,
) -> None:
    (tmp_path / "shared").mkdir(0o755)
    config = ShopConfig(customers=5, products=5, orders=5, seed=1)
    for name, mode in {"shared": 0o755, "new/data": 0o700}.items():
        generate(config, tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
        assert [path for path in (tmp_path / name).iterdir() if path.stat().st_mode & 0o077] == []
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
