"""Databases and schemas, and what DuckDB does not know of a table.

The facts about a table or column that DuckDB has no place for (declared type, comment, keys) are JSON in its DuckDB
comment, so that they are renamed, dropped and rolled back with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb

from local_snowflake.engine.store import Store, first
from local_snowflake.errors import missing
from local_snowflake.syntax.names import Name, literal, quote


class Catalog:
    """The databases and schemas, cached from the control tables."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._databases: set[str] = set()
        self._schemas: set[tuple[str, str]] = set()
        self.reload()

    def reload(self) -> None:
        self._databases = {row[0] for row in self._store.query("SELECT name FROM databases")}
        self._schemas = {(row[0], row[1]) for row in self._store.query("SELECT database, name FROM schemas")}

    def definitions(self) -> str:
        """The state of all definitions: another text after each change."""
        return str(self._store.query("SELECT state FROM definitions")[0][0])

    def changed(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Give the definitions another state, in the transaction that changes them."""
        connection.execute("UPDATE _sf.definitions SET state = uuid()")

    def has_database(self, name: str) -> bool:
        return name in self._databases

    def has_schema(self, database: str, schema: str) -> bool:
        return (database, schema) in self._schemas

    def create_database(
        self, connection: duckdb.DuckDBPyConnection, name: str, *, comment: str = "", transient: bool = False
    ) -> None:
        """A database with its schema PUBLIC, in the connection's transaction."""
        connection.execute("INSERT INTO _sf.databases VALUES (?, ?, now(), ?)", [name, comment, transient])
        self.create_schema(connection, name, "PUBLIC", transient=transient)

    def create_schema(
        self, connection: duckdb.DuckDBPyConnection, database: str, name: str, *, comment: str = "",
        transient: bool = False,
    ) -> None:  # fmt: skip
        connection.execute("INSERT INTO _sf.schemas VALUES (?, ?, ?, now(), ?)", [database, name, comment, transient])
        connection.execute(f"CREATE SCHEMA {quote(f'{database}.{name}')}")

    def schemas(self) -> list[tuple[str, str]]:
        """The schemas of all databases, each after its database."""
        return sorted(self._schemas)

    def schemas_of(self, database: str) -> list[str]:
        return sorted(schema for owner, schema in self._schemas if owner == database)

    def require_schema(self, database: str, schema: str) -> None:
        if not self.has_database(database):
            raise missing("Database", database)
        if not self.has_schema(database, schema):
            raise missing("Schema", f"{database}.{schema}")


def facts(comment: str | None) -> dict[str, Any]:
    """What a DuckDB comment of ours holds."""
    if not comment:
        return {}
    found = json.loads(comment)
    return found if isinstance(found, dict) else {}


def kind_of(connection: duckdb.DuckDBPyConnection, name: Name) -> str | None:
    """TABLE, VIEW, or None when there is neither."""
    arguments = [name.schema_key, name.name]
    where = "database_name = current_database() AND schema_name = ?"
    if first(connection, f"SELECT 1 FROM duckdb_tables() WHERE {where} AND table_name = ?", arguments):
        return "TABLE"
    if first(connection, f"SELECT 1 FROM duckdb_views() WHERE {where} AND view_name = ?", arguments):
        return "VIEW"
    return None


def table_facts(connection: duckdb.DuckDBPyConnection, name: Name) -> dict[str, Any]:
    """What is recorded of a table or view."""
    row = first(
        connection,
        "SELECT comment FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? "
        "AND table_name = ? UNION ALL SELECT comment FROM duckdb_views() "
        "WHERE database_name = current_database() AND schema_name = ? AND view_name = ?",
        [name.schema_key, name.name, name.schema_key, name.name],
    )
    if row is None:
        raise missing("Object", name)
    return facts(row[0])


def set_table_facts(connection: duckdb.DuckDBPyConnection, name: Name, found: dict[str, Any], kind: str) -> None:
    connection.execute(f"COMMENT ON {kind} {name.sql} IS {literal(json.dumps(found))}")


@dataclass(frozen=True)
class TableColumn:
    """A column of a table or view, with its DuckDB type and what is recorded of it."""

    name: str
    kind: str
    default: str | None
    nullable: bool
    facts: dict[str, Any]


def table_columns(connection: duckdb.DuckDBPyConnection, table: Name) -> list[TableColumn]:
    """The columns of a table or view, in order; empty when there is none."""
    rows = connection.execute(
        "SELECT column_name, data_type, column_default, is_nullable, comment FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [table.schema_key, table.name],
    ).fetchall()
    return [
        TableColumn(name, kind, default, nullable, facts(comment)) for name, kind, default, nullable, comment in rows
    ]


def column_facts(connection: duckdb.DuckDBPyConnection, name: Name) -> dict[str, dict[str, Any]]:
    """What is recorded of a table's columns."""
    return {column.name: column.facts for column in table_columns(connection, name)}


def set_column_facts(connection: duckdb.DuckDBPyConnection, name: Name, column: str, found: dict[str, Any]) -> None:
    if found:
        connection.execute(f"COMMENT ON COLUMN {name.sql}.{quote(column)} IS {literal(json.dumps(found))}")


def forget_loads(name: Name) -> str:
    """The statement after which a table's files may be loaded again. It can be repeated with its transaction."""
    return (
        f"DELETE FROM load_history WHERE database = {literal(name.database)} AND schema = {literal(name.schema)} "
        f"AND name = {literal(name.name)}"
    )
