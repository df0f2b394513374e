"""The one DuckDB file with all databases, and the server's own tables in it."""

from __future__ import annotations

import importlib.resources
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from .names import literal, quote

TEMPORARY = "_temporary."
"""DuckDB schemas that begin so hold the temporary tables of one session each."""


def first(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row; everything is fetched, or the connection stays busy with the rest."""
    rows = connection.execute(sql, list(parameters)).fetchall()
    return rows[0] if rows else None


class Store:
    """Opens the file, hands out connections, and reads and writes the control tables."""

    def __init__(self, folder: Path, memory_limit: str, threads: int) -> None:
        self.stages = folder / "stages"
        self.results = folder / "results"
        spill = folder / "spill"
        for leftover in (self.results, spill):
            shutil.rmtree(leftover, ignore_errors=True)
        for needed in (self.stages, self.results):
            needed.mkdir(mode=0o700, exist_ok=True)
        self._root = duckdb.connect(
            str(folder / "warehouse.duckdb"),
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(spill),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._control = threading.RLock()
        for script in ("control.sql", "macros.sql"):
            self._root.execute(importlib.resources.files(__package__).joinpath(script).read_text())
        self.drop_temporary("")
        self._root.execute("SET TimeZone = 'UTC'")

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for a session or a probe; macros are found without a schema."""
        connection = self._root.cursor()
        connection.execute("SET search_path = '_sf'; SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
        return connection

    @contextmanager
    def control(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction on the control tables, apart from any session's; one at a time."""
        with self._control, self._root.cursor() as connection:
            connection.execute("SET search_path = '_sf'; BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reads of the control tables, as committed."""
        with self._root.cursor() as connection:
            connection.execute("SET search_path = '_sf'; SET TimeZone = 'UTC'")
            yield connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read of the control tables, as committed."""
        with self.reading() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One write to the control tables."""
        with self.control() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def drop_temporary(self, session: str) -> None:
        """Drop the temporary tables of a session, or of all of them."""
        found = self._root.cursor().execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() "
            f"AND starts_with(schema_name, {literal(TEMPORARY + session)})"
        )
        for (schema,) in found.fetchall():
            self._root.cursor().execute(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE")

    def close(self) -> None:
        """Write everything into the file and let it go."""
        self._root.execute("CHECKPOINT")
        self._root.close()
