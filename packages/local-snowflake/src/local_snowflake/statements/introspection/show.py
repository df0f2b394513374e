"""SHOW. Column names are in lower case, as Snowflake's are; docs.snowflake.com/en/sql-reference/sql/show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_snowflake.engine.access import Securable
from local_snowflake.engine.catalog import facts
from local_snowflake.engine.store import TEMPORARY
from local_snowflake.errors import unsupported
from local_snowflake.results import Result, table
from local_snowflake.session.session import Session
from local_snowflake.statements.introspection import (
    information_schema,
    show_account,
    show_columns,
    show_pipeline,
)
from local_snowflake.statements.introspection.column_specs import TIME, ColumnSpecs, Rows, owner, owner_of, sees
from local_snowflake.statements.introspection.show_filter import ShowFilter, read_filter
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name, literal


def run(session: Session, cursor: Cursor) -> Result:
    cursor.expect("SHOW")
    terse = cursor.accept("TERSE")
    for words, command in _COMMANDS.items():
        if cursor.accept(*words.split()):
            columns, rows = command(session, cursor)
            return table(*(_in_short(columns, rows) if terse else (columns, rows)))
    raise unsupported(f"SHOW {cursor.near()}")


_SHORT = ("created_on", "name", "kind", "database_name", "schema_name")


def _in_short(columns: ColumnSpecs, rows: Sequence[Sequence[Any]]) -> Rows:
    """The columns of SHOW TERSE; docs.snowflake.com/en/sql-reference/sql/show-tables."""
    names = [column if isinstance(column, str) else column[0] for column in columns]
    places = [names.index(name) if name in names else None for name in _SHORT]
    kept: ColumnSpecs = [name if at is None else columns[at] for name, at in zip(_SHORT, places, strict=True)]
    return kept, [[None if at is None else row[at] for at in places] for row in rows]


def _duckdb_rows(session: Session, function: str, found: ShowFilter, columns: str, name: str) -> list[tuple[Any, ...]]:
    rows = session.connection.execute(
        f"SELECT {information_schema.DATABASE}, {information_schema.SCHEMA}, {name}, {columns} "
        f"FROM {function}() WHERE {information_schema.OURS} ORDER BY 1, 2, 3"
    ).fetchall()
    own = {str(hidden): hidden for hidden in session.temporary}
    made = session.connection.execute(
        f"SELECT {name}, {columns} FROM {function}() WHERE schema_name = {literal(TEMPORARY + session.id)} ORDER BY 1"
    ).fetchall()
    temporary = [
        (hidden.database, hidden.schema, hidden.name, *rest) for key, *rest in made if (hidden := own.get(key))
    ]
    rows = [row for row in rows if Name(*row[:3]) not in session.temporary] + temporary
    kind = "TABLE" if name == "table_name" else "VIEW"
    kept = sorted(row for row in rows if found.has(Name(*row[:3])) and sees(session, kind, Name(*row[:3])))
    return kept if found.limit is None else kept[: found.limit]


def _databases(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    rows = session.engine.store.query("SELECT created, name, comment, transient FROM databases ORDER BY name")
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "is_default",
        "is_current",
        "origin",
        "owner",
        "comment",
        "options",
        "retention_time",
        "kind",
    ]
    return columns, [
        (created, name, "N", "Y" if name == session.database else "N", "", owner(session, "DATABASE", name), comment,
         "TRANSIENT" if transient else "", "1", "STANDARD")
        for created, name, comment, transient in rows
        if found.matches(name) and session.rights.sees(Securable("DATABASE", (name,)))
    ]  # fmt: skip


def _schemas(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor, of_databases=True)
    rows = session.engine.store.query(
        "SELECT created, name, database, comment, transient FROM schemas ORDER BY database, name"
    )
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "is_default",
        "is_current",
        "database_name",
        "owner",
        "comment",
        "options",
        "retention_time",
    ]
    shown: list[Sequence[Any]] = [
        (created, name, "N", "Y" if (database, name) == (session.database, session.schema) else "N", database,
         owner(session, "SCHEMA", database, name), comment, "TRANSIENT" if transient else "", "1")
        for created, name, database, comment, transient in rows
        if found.database in (None, database) and found.matches(name)
        and session.rights.sees(Securable("SCHEMA", (database, name)))
    ]  # fmt: skip
    databases = sorted({row[4] for row in shown})
    shown.extend(
        (None, "INFORMATION_SCHEMA", "N", "N", database, "", "Views describing the schemas of this database",
         "", "1")
        for database in databases
        if found.matches("INFORMATION_SCHEMA")
    )  # fmt: skip
    return columns, shown


def _tables(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    rows = _duckdb_rows(session, "duckdb_tables", found, "comment, estimated_size", "table_name")
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "database_name",
        "schema_name",
        "kind",
        "comment",
        "cluster_by",
        ("rows", "BIGINT"),
        ("bytes", "BIGINT"),
        "owner",
        "retention_time",
        "automatic_clustering",
        "change_tracking",
    ]
    shown: list[Sequence[Any]] = []
    for database, schema, name, comment, size in rows:
        about = facts(comment)
        created = dt.datetime.fromisoformat(about["created"]) if about.get("created") else None
        tracked = session.engine.change_logs.log_of(Name(database, schema, name)) is not None
        shown.append(
            (created, name, database, schema, _kind(session, Name(database, schema, name), about),
             about.get("comment", ""), about.get("cluster_by", ""), size, None,
             owner_of(session, "TABLE", Name(database, schema, name)),
             about.get("data_retention_time_in_days", "1"), "OFF", "ON" if tracked else "OFF")
        )  # fmt: skip
    return columns, shown


def _kind(session: Session, name: Name, about: Mapping[str, Any]) -> str:
    return "TEMPORARY" if name in session.temporary else str(about.get("kind", "TABLE"))


def _views(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    rows = _duckdb_rows(session, "duckdb_views", found, "comment", "view_name")
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "reserved",
        "database_name",
        "schema_name",
        "owner",
        "comment",
        "text",
        "is_secure",
        "is_materialized",
    ]
    return columns, [
        (None, name, "", database, schema, owner_of(session, "VIEW", Name(database, schema, name)),
         facts(c).get("comment", ""), facts(c).get("text", ""), "false", "false")
        for database, schema, name, c in rows
    ]  # fmt: skip


def _objects(session: Session, cursor: Cursor) -> Rows:
    at = cursor.at
    _, base = _tables(session, cursor)
    cursor.at = at
    _, views = _views(session, cursor)
    columns: ColumnSpecs = [
        ("created_on", TIME), "name", "database_name", "schema_name", "kind", "comment", "cluster_by",
        ("rows", "BIGINT"), ("bytes", "BIGINT"), "owner", "retention_time", "owner_role_type", "is_hybrid",
        "is_dynamic", "is_iceberg",
    ]  # fmt: skip
    rest = ("ROLE", "N", "N", "N")
    rows: list[Sequence[Any]] = [(*row[:11], *rest) for row in base]
    rows.extend((row[0], row[1], row[3], row[4], "VIEW", row[6], "", None, None, row[5], "1", *rest) for row in views)
    return columns, sorted(rows, key=lambda row: (row[2], row[3], row[1]))


def _stages(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    rows = session.engine.store.query(
        "SELECT created, name, database, schema, comment FROM stages ORDER BY database, schema, name"
    )
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "database_name",
        "schema_name",
        "url",
        "has_credentials",
        "has_encryption_key",
        "owner",
        "comment",
        "region",
        "type",
        "cloud",
    ]
    return columns, [
        (created, name, database, schema, "", "N", "N", owner(session, "STAGE", database, schema, name), comment, None,
         "INTERNAL", None)
        for created, name, database, schema, comment in rows
        if found.has(Name(database, schema, name)) and sees(session, "STAGE", Name(database, schema, name))
    ]  # fmt: skip


def _formats(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    rows = session.engine.store.query(
        "SELECT created, name, database, schema, type, comment, options FROM file_formats ORDER BY name"
    )
    columns: ColumnSpecs = [
        ("created_on", TIME),
        "name",
        "database_name",
        "schema_name",
        "type",
        "owner",
        "comment",
        "format_options",
    ]
    return columns, [
        (*row[:5], owner(session, "FILE FORMAT", row[2], row[3], row[1]), row[5], row[6])
        for row in rows
        if found.has(Name(row[2], row[3], row[1])) and sees(session, "FILE FORMAT", Name(row[2], row[3], row[1]))
    ]


def _sequences(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    rows = session.engine.store.query(
        "SELECT name, database, schema, start, increment, created, comment FROM sequences ORDER BY name"
    )
    columns: ColumnSpecs = [
        "name",
        "database_name",
        "schema_name",
        ("next_value", "BIGINT"),
        ("interval", "BIGINT"),
        ("created_on", TIME),
        "owner",
        "comment",
        "ordered",
    ]
    return columns, [
        (*row[:6], owner(session, "SEQUENCE", row[1], row[2], row[0]), row[6], "Y")
        for row in rows
        if found.has(Name(row[1], row[2], row[0])) and sees(session, "SEQUENCE", Name(row[1], row[2], row[0]))
    ]


def _nothing(session: Session, cursor: Cursor) -> Rows:
    read_filter(session, cursor)
    return [("created_on", TIME), "name", "schema_name"], []


_COMMANDS: dict[str, Callable[[Session, Cursor], Rows]] = {
    "DATABASES": _databases,
    "SCHEMAS": _schemas,
    "TABLES": _tables,
    "VIEWS": _views,
    "OBJECTS": _objects,
    "COLUMNS": show_columns.columns,
    "STREAMS": show_pipeline.streams,
    "TASKS": show_pipeline.tasks,
    "STAGES": _stages,
    "FILE FORMATS": _formats,
    "SEQUENCES": _sequences,
    "WAREHOUSES": show_account.warehouses,
    "ROLES": show_account.recorded("ROLE"),
    "USERS": show_account.recorded("USER"),
    "RESOURCE MONITORS": show_account.recorded("RESOURCE MONITOR"),
    "FUTURE GRANTS": show_account.future_grants,
    "GRANTS": show_account.grants,
    "PRIMARY KEYS": show_columns.keys("PRIMARY KEY"),
    "UNIQUE KEYS": show_columns.keys("UNIQUE"),
    "IMPORTED KEYS": show_columns.keys("FOREIGN KEY"),
    "PARAMETERS": show_account.parameters,
    "PROCEDURES": _nothing,
    "USER FUNCTIONS": _nothing,
    "USER PROCEDURES": _nothing,
}
