"""Questions about types, asked of DuckDB without running anything."""

from __future__ import annotations

import contextlib

import duckdb
import pyarrow as pa

from local_snowflake.engine.catalog import table_columns
from local_snowflake.engine.engine import Engine
from local_snowflake.errors import missing
from local_snowflake.syntax.names import Name, literal
from local_snowflake.translate.datatypes import limited


class Probe:
    """A connection beside the session's own: an error of it ends no transaction. Not thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection = engine.store.connect()

    def columns_of(self, stored: Name) -> list[tuple[str, str]]:
        """Name and DuckDB type of a table's columns, texts and binaries with their declared length: VARCHAR(20).

        Raises:
            SnowflakeError: 002003, it does not exist.
        """
        version = self._engine.version
        known = self._engine.columns.get(stored, version)
        if known is None:
            columns = table_columns(self._connection, stored)
            if not columns:
                raise missing("Table", stored)
            known = [(column.name, limited(column.kind, column.facts.get("type"))) for column in columns]
            self._engine.columns.put(stored, version, known)
        return known

    def describe(self, query: str) -> list[tuple[str, str]]:
        """Name and type of the columns of a DuckDB query; raises DuckDB's error when it cannot be bound."""
        described = self._connection.execute(f"DESCRIBE {query}").fetchall()
        return [(str(row[0]), str(row[1])) for row in described]

    def columns_of_query(self, select: str) -> list[tuple[str, str]] | None:
        """The same; None when it cannot be bound by itself."""
        try:
            return self.describe(select)
        except duckdb.Error:
            return None

    def types_of(self, select: str) -> list[str] | None:
        """The types alone."""
        columns = self.columns_of_query(select)
        return None if columns is None else [kind for _, kind in columns]

    def register(self, name: str, rows: pa.Table) -> None:
        """Let queries read a relation by this name."""
        self._connection.register(name, rows)

    def unregister(self, name: str) -> None:
        with contextlib.suppress(duckdb.Error):  # it may be gone already
            self._connection.unregister(name)

    def set_time_zone(self, name: str) -> None:
        self._connection.execute(f"SET TimeZone = {literal(name)}")

    def close(self) -> None:
        self._connection.close()
