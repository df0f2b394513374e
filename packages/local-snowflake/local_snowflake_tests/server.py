"""Starting, killing and talking to a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import snowflake.connector
from snowflake.connector.errors import Error

from local_snowflake.testing import SnowflakeProcess

PATIENCE_SECONDS = 300.0


def eventually(check: Callable[[], Any], what: str) -> Any:
    """Wait until `check` gives something true, and give it back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE_SECONDS} s: {what}")


class Session:
    """A connection, with statements in a line."""

    def __init__(self, connection: snowflake.connector.SnowflakeConnection) -> None:
        self.connection = connection

    def run(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; its rows."""
        with self.connection.cursor() as cursor:
            return list(cursor.execute(sql, parameters).fetchall())

    def value(self, sql: str) -> Any:
        """The one cell of a query."""
        rows = self.run(sql)
        assert len(rows) == 1, rows
        return rows[0][0]

    def fails(self, sql: str) -> Error:
        """The error of a statement that must fail."""
        try:
            rows = self.run(sql)
        except Error as error:
            return error
        raise AssertionError(f"{sql} gave {rows}")

    def script(self, text: str) -> None:
        """Statements parted by lines that hold a semicolon at their end."""
        for statement in text.split(";\n"):
            if statement.strip():
                self.run(statement)

    def close(self) -> None:
        self.connection.close()


class Server(SnowflakeProcess):
    """The server as a process on a data folder."""

    @classmethod
    def of(cls, started: SnowflakeProcess) -> Server:
        """The server of the run, with what these tests ask of it."""
        server = cls(started.data_dir)
        server.process = started.process
        return server

    @property
    def folder(self) -> Path:
        return self.data_dir

    def session(self, **options: Any) -> Session:
        return Session(self.connect(**options))
