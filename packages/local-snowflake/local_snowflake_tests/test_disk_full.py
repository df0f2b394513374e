"""A full disk: a clear error, nothing corrupted, and everything works again once there is room."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import Error

from local_snowflake_tests.server import Server, Session, eventually

INSERT = "INSERT INTO T SELECT {}, UUID_STRING() FROM TABLE(GENERATOR(ROWCOUNT => {}))"
ROWS_FOR_THE_LOG = 10_000
"""Fewer than fill a row group: they wait in the write-ahead log for a checkpoint."""
COUNTS = "SELECT COUNT(*), COUNT(DISTINCT A), MAX(A) FROM T"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 MB of the test's own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=120m", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def prepared(server: Server) -> Session:
    session = server.session(database="LOCAL")
    session.run("CREATE TABLE T (A NUMBER, B VARCHAR)")
    session.run("CREATE STREAM S ON TABLE T APPEND_ONLY = TRUE")
    return session


def fill(session: Session, rows: int) -> tuple[int, Error]:
    """Insert until it fails: how many inserts were acknowledged, and the error."""
    for number in range(1, 200):
        try:
            session.run(INSERT.format(number, rows))
        except Error as error:
            return number - 1, error
    raise AssertionError("the disk was never full")


def again(server: Server, work: Callable[[Session], Any]) -> Any:
    """Do something in a new session, once the server has started again."""

    def attempt() -> list[Any] | None:
        try:
            session = server.session(database="LOCAL", login_timeout=5, network_timeout=5)
            found = work(session)
            session.close()
        except (Error, OSError):
            return None
        return [found]

    return eventually(attempt, f"an answer; {server.log()[-2000:]}")[0]


def assert_whole(server: Server, inserts: int, rows: int) -> None:
    """Every acknowledged insert is there as a whole, in the table and in its stream, and so it stays after a kill."""
    assert again(server, lambda session: session.run(COUNTS)) == [(inserts * rows, inserts, inserts)]
    server.kill()
    server.start()
    session = server.session(database="LOCAL")
    assert session.run(COUNTS) == [(inserts * rows, inserts, inserts)]
    assert session.value("SELECT COUNT(*) FROM S") == inserts * rows
    session.close()


@pytest.mark.slow
def test_a_nearly_full_disk_refuses_what_grows_and_goes_on_with_room(small_disk: Path) -> None:
    server = Server(small_disk / "warehouse")
    server.start()
    try:
        session = prepared(server)
        session.run("CREATE TABLE OLD AS SELECT 1 AS A")
        done, error = fill(session, 40_000)
        assert (error.errno, error.sqlstate) == (604, "53100")
        assert "disk of the local warehouse is full" in str(error)
        assert done > 0
        room = os.statvfs(small_disk)
        assert room.f_bavail * room.f_frsize < 64 << 20, "the disk was not full"
        assert session.run(COUNTS) == [(done * 40_000, done, done)]
        session.run("DROP TABLE OLD")
        subprocess.run(["mount", "-o", "remount,size=500m", str(small_disk)], check=True)
        session.run(INSERT.format(done + 1, 40_000))
        assert_whole(server, done + 1, 40_000)
    finally:
        server.stop()


@pytest.mark.slow
def test_a_statement_that_fills_the_disk_is_undone(small_disk: Path) -> None:
    server = Server(small_disk / "warehouse")
    server.start()
    try:
        session = prepared(server)
        session.run(INSERT.format(1, 1000))
        large = "INSERT INTO T SELECT 2, REPEAT(UUID_STRING(), 20) FROM TABLE(GENERATOR(ROWCOUNT => 400000))"
        error = session.fails(large)
        assert "disk of the local warehouse is full" in str(error)
        assert "No space left on device" in str(error)
        assert session.run(COUNTS) == [(1000, 1, 1)]
        subprocess.run(["mount", "-o", "remount,size=900m", str(small_disk)], check=True)
        session.run(INSERT.format(2, 1000))
        assert_whole(server, 2, 1000)
    finally:
        server.stop()


def limit_files(server: Server, size: int) -> None:
    """No file of the server may grow beyond a size: writes fail as on a full disk, in the part that does not fit."""
    assert server.process is not None
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_log_that_cannot_grow_fails_the_commit_and_nothing_else(own_server: Server) -> None:
    session = prepared(own_server)
    session.run(INSERT.format(1, 1000))
    limit_files(own_server, 300_000)
    session.run("BEGIN")
    session.run(INSERT.format(2, 20_000))
    error = session.fails("COMMIT")
    assert (error.errno, error.sqlstate) == (604, "53100")
    assert "File too large" in str(error)
    assert session.run(COUNTS) == [(1000, 1, 1)]
    limit_files(own_server, resource.RLIM_INFINITY)
    session.run(INSERT.format(2, 1000))
    assert_whole(own_server, 2, 1000)


def test_a_checkpoint_that_fails_starts_the_server_again_with_everything_acknowledged(own_server: Server) -> None:
    session = prepared(own_server)
    assert own_server.process is not None
    pid, port = own_server.process.pid, own_server.state["port"]
    limit_files(own_server, 20_000_000)
    done, error = fill(session, ROWS_FOR_THE_LOG)
    assert error.errno == 604, error
    session.connection.close(retry=False)
    found = again(own_server, lambda session: session.run(COUNTS))[0]
    assert "starting again" in own_server.log(), "the checkpoint did not fail"
    assert (own_server.process.pid, own_server.process.poll(), own_server.state["port"]) == (pid, None, port)
    # a commit that is in the log when the checkpoint fails is a commit, though its client was told of the failure
    assert found[1] in (done, done + 1)
    assert found == (found[1] * ROWS_FOR_THE_LOG, found[1], found[1])
    limit_files(own_server, resource.RLIM_INFINITY)
    own_server.arguments = ("--port", str(port))
    again(own_server, lambda session: session.run(INSERT.format(found[1] + 1, ROWS_FOR_THE_LOG)))
    assert_whole(own_server, found[1] + 1, ROWS_FOR_THE_LOG)
