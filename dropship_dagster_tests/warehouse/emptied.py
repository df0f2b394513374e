"""A deployed warehouse that one test after the other has for itself, emptied in between.

A server remembers how it runs a statement, so the task graph runs several times as fast from the second test on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from snowflake.connector import SnowflakeConnection

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse import connect

_TABLES = "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY 1, 2"
_COLUMNS = (
    "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS "
    "WHERE TABLE_SCHEMA <> 'INFORMATION_SCHEMA' ORDER BY 1, 2, 3"
)
_CONSUME = "INSERT INTO PROD.CUSTOMER_FIRST_ORDERS (CUSTOMER_ID) SELECT 'nobody' FROM {} WHERE 1 = 0"


class Emptied:
    """Starts a server when one is asked for and none is there, and gives it up when it cannot be emptied.

    What a test may leave behind are rows, whichever it likes. After one that defined something or altered a task,
    or changed the rows that a deployment makes, the next gets a new server.
    """

    def __init__(self, start: Callable[[ExitStack, Path], WarehouseEndpoint], folder: Path) -> None:
        """`start` runs a deployed server on a folder for as long as the stack is open."""
        self._start, self._folder = start, folder
        self._running = ExitStack()
        self._endpoint: WarehouseEndpoint | None = None
        self._defined: object = None

    def borrow(self) -> WarehouseEndpoint:
        """A database as a deployment leaves it, but for the graph's schedule, which is suspended."""
        if self._endpoint is None:
            self._endpoint = self._start(self._running, self._folder / "data")
            with connect(self._endpoint) as connection:
                self._defined = _definitions(connection)
        return self._endpoint

    def give_back(self) -> None:
        """The test has ended."""
        assert self._endpoint is not None
        with connect(self._endpoint) as connection:
            reusable = _definitions(connection) == self._defined
            if reusable:
                _empty(connection)
        if not reusable:
            self.close()

    def close(self) -> None:
        """Stop the server and remove what it wrote."""
        self._running.close()
        if self._endpoint is not None:
            shutil.rmtree(self._folder / "data")
        self._endpoint = None


def _rows(connection: SnowflakeConnection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.cursor().execute(sql).fetchall()]


def _filled(connection: SnowflakeConnection) -> dict[str, int]:
    """The tables that have rows, and how many."""
    names = [f"{schema}.{table}" for schema, table in _rows(connection, _TABLES)]
    counts = " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {name}" for name in names)
    return {name: int(count) for name, count in _rows(connection, counts) if count}


def _definitions(connection: SnowflakeConnection) -> object:
    """What a test that only writes rows leaves as it was: objects, tasks, and the rows of a deployment."""
    tasks = connection.cursor().execute("SHOW TASKS IN DATABASE")
    told = [column.name for column in tasks.description]
    wanted = ("name", "schedule", "predecessors", "state", "definition", "condition", "config")
    return (
        _rows(connection, _COLUMNS),
        sorted(str([row[told.index(name)] for name in wanted]) for row in tasks.fetchall()),
        sorted(str(row[1:4]) for row in _rows(connection, "SHOW STREAMS IN DATABASE")),
        sorted(_rows(connection, "SELECT FILE, CHECKSUM FROM OPS.SCHEMA_MIGRATIONS")),
        [_rows(connection, f"SELECT COUNT(*) FROM OPS.{table}") for table in ("LOCKS", "DATA_SETS_LOCK")],
    )


def _empty(connection: SnowflakeConnection) -> None:
    """Delete every row that a test wrote, and let the streams know nothing of it."""
    kept = {"OPS.SCHEMA_MIGRATIONS", "OPS.LOCKS", "OPS.DATA_SETS_LOCK"}
    streams = [f"{row[3]}.{row[1]}" for row in _rows(connection, "SHOW STREAMS IN DATABASE")]
    for table in _filled(connection).keys() - kept:
        connection.cursor().execute(f"DELETE FROM {table}")
    for stream in streams:
        connection.cursor().execute(_CONSUME.format(stream))
    assert _filled(connection).keys() <= kept
