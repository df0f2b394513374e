"""Fixtures for tests that need Snowflake: a server for the run, and a connection in a database of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from local_snowflake.testing import SnowflakeProcess

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection


@pytest.fixture(scope="session")
def local_snowflake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnowflakeProcess]:
    """The server of this test process, which under pytest-xdist is each worker."""
    server = SnowflakeProcess(tmp_path_factory.mktemp("local-snowflake") / "data")
    try:
        yield server.start()
        server.stop()
    finally:
        server.end()


@pytest.fixture
def local_snowflake(local_snowflake_server: SnowflakeProcess) -> Iterator[SnowflakeConnection]:
    """A connection in the schema PUBLIC of a database that is made for the test and dropped after it."""
    database = f"TEST_{uuid.uuid4().hex[:12].upper()}"
    with local_snowflake_server.connect() as connection:
        connection.cursor().execute(f"CREATE DATABASE {database}")
        try:
            yield connection
        finally:
            if not connection.is_closed():
                connection.cursor().execute("ROLLBACK")
            with local_snowflake_server.connect() as other:
                other.cursor().execute(f"DROP DATABASE {database}")
