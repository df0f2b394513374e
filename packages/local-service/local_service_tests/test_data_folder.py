"""Whose a data folder is: one process's at a time, one service's for ever, and never a user's own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ACQUIRE = """
import sys
from pathlib import Path
from local_service.service import DataDir, ServiceError, fail, owner
try:
    DataDir.acquire(Path(sys.argv[1]), sys.argv[2])
except ServiceError as error:
    sys.exit(fail(error))
print(owner(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""

FIX = "give the local broker a folder of its own with --data-dir.\n"


def starting(folder: Path, service: str) -> subprocess.Popen[str]:
    """A service that holds its folder until its input ends."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", ACQUIRE, str(folder), service], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def acquire(folder: Path, service: str = "local broker") -> tuple[int, str]:
    """A start that gives the folder back at once: its exit code and what it says of a failure."""
    with starting(folder, service) as process:
        said = process.communicate()[1]
    return process.returncode, said


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_is_held_names_the_one_that_holds_it(tmp_path: Path) -> None:
    with starting(tmp_path, "local warehouse") as holder:
        assert holder.stdout
        assert int(holder.stdout.readline()) == holder.pid
        for service in ("local warehouse", "local broker"):
            said = (
                f"A local warehouse (pid {holder.pid}) already serves the data folder {tmp_path}: "
                "use that one, or stop it first.\n"
            )
            assert acquire(tmp_path, service) == (3, said)
        holder.communicate()


def test_the_folder_of_another_service_stays_its_own(tmp_path: Path) -> None:
    assert acquire(tmp_path, "local warehouse") == (0, "")
    said = f"{tmp_path} is the data folder of a local warehouse: {FIX}"
    assert acquire(tmp_path, "local broker") == (3, said)
    assert acquire(tmp_path, "local warehouse") == (0, "")


@pytest.mark.parametrize("content", ["my keys\n", "12 monkeys, and what they ate\n", "7" * 100, " "])
def test_a_file_named_lock_that_is_no_lock_is_neither_written_nor_closed(tmp_path: Path, content: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "lock").write_text(content)
    (tmp_path / "lock").chmod(0o644)
    said = f"{tmp_path / 'lock'} is no lock of a service: {FIX}"
    assert acquire(tmp_path) == (3, said)
    assert (tmp_path / "lock").read_text() == content
    assert (mode(tmp_path), mode(tmp_path / "lock")) == (0o755, 0o644)


@pytest.mark.parametrize("content", ["", f"{os.getpid():<20}"], ids=["killed before it wrote", "an earlier version"])
def test_a_folder_that_a_service_began_is_taken_and_closed(tmp_path: Path, content: str) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "lock").write_text(content)
    assert acquire(tmp_path) == (0, "")
    assert mode(tmp_path) == 0o700


def test_a_folder_with_files_of_a_user_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "notes.txt").write_text("mine")
    assert acquire(tmp_path) == (0, "")
    assert mode(tmp_path) == 0o755
