"""A server for the tests of a process, and a database of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_snowflake.testing import SnowflakeProcess
from local_snowflake_tests.server import Server, Session


@pytest.fixture(scope="session")
def server(local_snowflake_server: SnowflakeProcess) -> Server:
    """The server of the run, which the tests share."""
    return Server.of(local_snowflake_server)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A running server that the test may kill."""
    running = Server(tmp_path / "warehouse")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """A fresh database."""
    name = f"D{uuid.uuid4().hex[:10].upper()}"
    session = server.session()
    session.run(f"CREATE DATABASE {name}")
    yield name
    session.run(f"DROP DATABASE {name}")
    session.close()


@pytest.fixture
def session(server: Server, database: str) -> Iterator[Session]:
    """A session in the fresh database."""
    opened = server.session(database=database)
    yield opened
    opened.close()
