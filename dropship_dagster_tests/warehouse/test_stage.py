"""Files on their way into RAW, ahead of their commits."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator

import pytest
from snowflake.connector import SnowflakeConnection

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import close_quietly, connect, open_connection
from dropship_dagster.warehouse.stage import STAGE, Stager


@pytest.fixture
def reader(database: WarehouseEndpoint) -> Iterator[SnowflakeConnection]:
    """A session that sees what is staged."""
    with connect(database) as connection:
        yield connection


def staged(connection: SnowflakeConnection, folder: str) -> set[str]:
    rows = connection.cursor().execute(f"LIST {STAGE}/{folder}").fetchall()
    return {str(row[0]).split("/", 1)[1] for row in rows}


def test_each_upload_is_a_file_of_its_own(database: WarehouseEndpoint, reader: SnowflakeConnection) -> None:
    folder = f"t{uuid.uuid4().hex[:8]}"
    with Stager(lambda: open_connection(database)) as stager:
        files = [stager.submit(folder, "batch", b"content").result(300) for _ in range(2)]
    assert staged(reader, folder) == {file.path for file in files if file}
    assert len({file.path for file in files if file}) == 2


def test_what_cannot_be_uploaded_is_left_to_the_commit_and_the_next_file_gets_a_new_session(
    database: WarehouseEndpoint, reader: SnowflakeConnection
) -> None:
    nobody = dataclasses.replace(database, connect_args={**database.connect_args, "password": "wrong"})
    endpoints = [database, nobody, database]
    opened: list[SnowflakeConnection] = []

    def open_next() -> SnowflakeConnection:
        opened.append(open_connection(endpoints.pop(0)))
        return opened[-1]

    folder = f"t{uuid.uuid4().hex[:8]}"
    with Stager(open_next) as stager:
        first = stager.submit(folder, "first", b"1").result(300)
        close_quietly(opened[0])
        assert stager.submit(folder, "second", b"2").result(300) is None, "its session was gone"
        assert stager.submit(folder, "third", b"3").result(300) is None, "the login was refused"
        fourth = stager.submit(folder, "fourth", b"4").result(300)
    assert first is not None
    assert fourth is not None
    assert staged(reader, folder) == {first.path, fourth.path}
    assert all(connection.is_closed() for connection in opened)
