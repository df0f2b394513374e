"""SHOW. Column names are in lower case, as Snowflake's are; docs.snowflake.com/en/sql-reference/sql/show."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import account, information_schema, scope
from .catalog import facts
from .errors import unsupported
from .lexer import Cursor
from .names import Name
from .results import Result, table
from .streams import RETENTION

if TYPE_CHECKING:
    from .session import Session

Heading = Sequence[str | tuple[str, str]]
Rows = tuple[Heading, list[Sequence[Any]]]
_TIME = "TIMESTAMP WITH TIME ZONE"
OWNER = "ACCOUNTADMIN"


def run(session: Session, cursor: Cursor) -> Result:
    cursor.expect("SHOW")
    cursor.accept("TERSE")
    for words, command in _COMMANDS.items():
        if cursor.accept(*words.split()):
            columns, rows = command(session, cursor)
            return table(columns, rows)
    raise unsupported(f"SHOW {cursor.near()}")


def _duckdb_rows(session: Session, function: str, found: scope.Scope, columns: str, name: str) -> list[tuple[Any, ...]]:
    rows = session.connection.execute(
        f"SELECT {information_schema.DATABASE}, {information_schema.SCHEMA}, {name}, {columns} "
        f"FROM {function}() WHERE {information_schema.OURS} ORDER BY 1, 2, 3"
    ).fetchall()
    kept = [row for row in rows if found.has(Name(*row[:3]))]
    return kept if found.limit is None else kept[: found.limit]


def _databases(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    rows = session.engine.store.query("SELECT created, name, comment, transient FROM databases ORDER BY name")
    columns: Heading = [
        ("created_on", _TIME),
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
        (created, name, "N", "Y" if name == session.database else "N", "", OWNER, comment,
         "TRANSIENT" if transient else "", "1", "STANDARD")
        for created, name, comment, transient in rows
        if found.matches(name)
    ]  # fmt: skip


def _schemas(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor, of_databases=True)
    rows = session.engine.store.query(
        "SELECT created, name, database, comment, transient FROM schemas ORDER BY database, name"
    )
    columns: Heading = [
        ("created_on", _TIME),
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
        (created, name, "N", "Y" if (database, name) == (session.database, session.schema) else "N", database, OWNER,
         comment, "TRANSIENT" if transient else "", "1")
        for created, name, database, comment, transient in rows
        if found.database in (None, database) and found.matches(name)
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
    found = scope.read(session, cursor)
    rows = _duckdb_rows(session, "duckdb_tables", found, "comment, estimated_size", "table_name")
    columns: Heading = [
        ("created_on", _TIME),
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
        tracked = session.engine.streams.log_of(Name(database, schema, name)) is not None
        shown.append(
            (created, name, database, schema, about.get("kind", "TABLE"), about.get("comment", ""),
             about.get("cluster_by", ""), size, None, OWNER, about.get("data_retention_time_in_days", "1"), "OFF",
             "ON" if tracked else "OFF")
        )  # fmt: skip
    return columns, shown


def _views(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    rows = _duckdb_rows(session, "duckdb_views", found, "comment", "view_name")
    columns: Heading = [
        ("created_on", _TIME),
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
        (None, name, "", database, schema, OWNER, facts(c).get("comment", ""), facts(c).get("text", ""), "false",
         "false")
        for database, schema, name, c in rows
    ]  # fmt: skip


def _objects(session: Session, cursor: Cursor) -> Rows:
    at = cursor.at
    _, base = _tables(session, cursor)
    cursor.at = at
    _, views = _views(session, cursor)
    columns: Heading = [("created_on", _TIME), "name", "database_name", "schema_name", "kind", "comment"]
    rows: list[Sequence[Any]] = [row[:6] for row in base]
    rows.extend((row[0], row[1], row[3], row[4], "VIEW", row[6]) for row in views)
    return columns, sorted(rows, key=lambda row: (row[2], row[3], row[1]))


def _columns(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    rows = session.connection.execute(
        f"SELECT {information_schema.DATABASE}, {information_schema.SCHEMA}, table_name, column_name, "
        f"{information_schema.DECLARED}, is_nullable, column_default, comment FROM duckdb_columns() "
        f"WHERE {information_schema.OURS} ORDER BY 1, 2, 3, column_index"
    ).fetchall()
    columns: Heading = [
        "table_name",
        "schema_name",
        "column_name",
        "data_type",
        "null?",
        "default",
        "kind",
        "expression",
        "comment",
        "database_name",
        "autoincrement",
    ]
    shown: list[Sequence[Any]] = []
    for database, schema, owner, name, kind, nullable, default, comment in rows:
        inside = found.database in (None, database) and found.schema in (None, schema)
        if not inside or found.table not in (None, owner) or not found.matches(name):
            continue
        data_type = json.dumps(wire_type(kind, nullable=nullable))
        shown.append(
            (owner, schema, name, data_type, "true" if nullable else "NOT_NULL", default, "COLUMN", None,
             facts(comment).get("comment"), database, None)
        )  # fmt: skip
    return columns, shown


def wire_type(kind: str, *, nullable: bool) -> dict[str, Any]:
    """A data type as SHOW COLUMNS writes it."""
    base, _, rest = kind.partition("(")
    sizes = [int(size) for size in rest.rstrip(")").split(",") if size]
    if base == "NUMBER":
        return {"type": "FIXED", "precision": sizes[0], "scale": sizes[1], "nullable": nullable}
    if base == "VARCHAR":
        return {"type": "TEXT", "length": sizes[0], "byteLength": min(sizes[0] * 4, 16_777_216), "nullable": nullable,
                "fixed": False}  # fmt: skip
    if base == "FLOAT":
        return {"type": "REAL", "nullable": nullable}
    if base == "BINARY":
        return {"type": "BINARY", "length": sizes[0], "byteLength": sizes[0], "nullable": nullable, "fixed": True}
    if base.startswith("TIME"):
        return {"type": base, "precision": 0, "scale": sizes[0], "nullable": nullable}
    return {"type": base, "nullable": nullable}


def _streams(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    return stream_rows(session, lambda name: found.has(name))


def stream_rows(session: Session, wanted: Callable[[Name], bool]) -> Rows:
    """SHOW STREAMS and DESCRIBE STREAM; docs.snowflake.com/en/sql-reference/sql/show-streams."""
    advanced = dict(session.engine.store.query("SELECT stream_id, advanced FROM stream_offsets"))
    columns: Heading = [
        ("created_on", _TIME),
        "name",
        "database_name",
        "schema_name",
        "owner",
        "comment",
        "table_name",
        "source_type",
        "base_tables",
        "type",
        "stale",
        "mode",
        ("stale_after", _TIME),
        "invalid_reason",
        "owner_role_type",
    ]
    return columns, [
        (s.created, s.name.name, s.name.database, s.name.schema, OWNER, s.comment, str(s.table), "Table", str(s.table),
         "DELTA", "true" if s.stale else "false", s.mode, advanced.get(s.id, s.created) + RETENTION,
         "Base table dropped" if s.stale else "N/A", "ROLE")
        for s in session.engine.streams.all()
        if wanted(s.name)
    ]  # fmt: skip


def _tasks(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    return task_rows(session, lambda name: found.has(name))


def task_rows(session: Session, wanted: Callable[[Name], bool]) -> Rows:
    """SHOW TASKS and DESCRIBE TASK; docs.snowflake.com/en/sql-reference/sql/show-tasks."""
    columns: Heading = [
        ("created_on", _TIME),
        "name",
        "id",
        "database_name",
        "schema_name",
        "owner",
        "comment",
        "warehouse",
        "schedule",
        "predecessors",
        "state",
        "definition",
        "condition",
        "allow_overlapping_execution",
        "error_integration",
        ("last_committed_on", _TIME),
        ("last_suspended_on", _TIME),
        "owner_role_type",
        "config",
        "budget",
        "task_relations",
        "last_suspended_reason",
    ]
    return columns, [
        (t.created, t.name.name, t.id, t.name.database, t.name.schema, OWNER, t.comment, t.warehouse, t.schedule,
         json.dumps([str(p) for p in t.predecessors]), t.state, t.definition, t.condition,
         "true" if t.overlap else "false", None, t.resumed, t.suspended, "ROLE", t.config, None,
         json.dumps({"Predecessors": [str(p) for p in t.predecessors],
                     **({"FinalizedRootTask": str(t.finalizes)} if t.finalizes else {})}), t.suspended_reason)
        for t in session.engine.tasks.all()
        if wanted(t.name)
    ]  # fmt: skip


def _stages(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    rows = session.engine.store.query(
        "SELECT created, name, database, schema, comment FROM stages ORDER BY database, schema, name"
    )
    columns: Heading = [
        ("created_on", _TIME),
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
        (created, name, database, schema, "", "N", "N", OWNER, comment, None, "INTERNAL", None)
        for created, name, database, schema, comment in rows
        if found.has(Name(database, schema, name))
    ]


def _formats(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    rows = session.engine.store.query(
        "SELECT created, name, database, schema, type, comment, options FROM file_formats ORDER BY name"
    )
    columns: Heading = [
        ("created_on", _TIME),
        "name",
        "database_name",
        "schema_name",
        "type",
        "owner",
        "comment",
        "format_options",
    ]
    return columns, [(*row[:5], OWNER, row[5], row[6]) for row in rows if found.has(Name(row[2], row[3], row[1]))]


def _sequences(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    rows = session.engine.store.query(
        "SELECT name, database, schema, start, increment, created, comment FROM sequences ORDER BY name"
    )
    columns: Heading = [
        "name",
        "database_name",
        "schema_name",
        ("next_value", "BIGINT"),
        ("interval", "BIGINT"),
        ("created_on", _TIME),
        "owner",
        "comment",
        "ordered",
    ]
    return columns, [(*row[:6], OWNER, row[6], "Y") for row in rows if found.has(Name(row[1], row[2], row[0]))]


def _warehouses(session: Session, cursor: Cursor) -> Rows:
    found = scope.read(session, cursor)
    columns: Heading = [
        "name",
        "state",
        "type",
        "size",
        ("auto_suspend", "BIGINT"),
        "auto_resume",
        "is_default",
        "is_current",
        ("created_on", _TIME),
        "owner",
        "comment",
        "resource_monitor",
    ]
    return columns, [
        (name, "STARTED", p.get("WAREHOUSE_TYPE", "STANDARD"), p.get("WAREHOUSE_SIZE", "X-Small"),
         int(p.get("AUTO_SUSPEND", 600)), p.get("AUTO_RESUME", "true").lower(), "N",
         "Y" if name == session.warehouse else "N", created, OWNER, p.get("COMMENT", ""),
         p.get("RESOURCE_MONITOR", "null"))
        for name, p, created in session.engine.objects.all("WAREHOUSE", found.pattern)
    ]  # fmt: skip


def _recorded(kind: str) -> Callable[[Session, Cursor], Rows]:
    def rows(session: Session, cursor: Cursor) -> Rows:
        found = scope.read(session, cursor)
        columns: Heading = [("created_on", _TIME), "name", "owner", "comment"]
        shown: list[Sequence[Any]] = [
            (created, name, OWNER, properties.get("COMMENT", ""))
            for name, properties, created in session.engine.objects.all(kind, found.pattern)
        ]
        system = account.SYSTEM_ROLES if kind == "ROLE" else (session.engine.user,) if kind == "USER" else ()
        shown.extend((None, name, "", "") for name in system if found.matches(name))
        return columns, sorted(shown, key=lambda row: row[1])

    return rows


def _grants(session: Session, cursor: Cursor) -> Rows:
    columns: Heading = [
        ("created_on", _TIME),
        "privilege",
        "granted_on",
        "name",
        "granted_to",
        "grantee_name",
        "grant_option",
        "granted_by",
    ]
    if cursor.accept("TO"):
        kind = next((k for k in ("DATABASE ROLE", "ROLE", "USER") if cursor.accept(*k.split())), "ROLE")
        where, arguments = "granted_to = ? AND grantee = ?", [kind, ".".join(cursor.name())]
    elif cursor.accept("OF"):
        cursor.accept("ROLE")
        where, arguments = "granted_on = 'ROLE' AND name = ?", [".".join(cursor.name())]
    elif cursor.accept("ON"):
        kind = cursor.identifier()
        parts = cursor.name() if not cursor.done else [session.engine.account.upper()]
        name = str(session.qualify(parts)) if kind in ("TABLE", "VIEW", "STREAM", "TASK", "STAGE") else ".".join(parts)
        where, arguments = "granted_on = ? AND name = ?", [kind, name]
    else:
        where, arguments = "granted_to = 'USER' AND grantee = ?", [session.engine.user]
    rows = session.engine.objects.grants(where, arguments)
    return columns, [(*row[:6], "true" if row[6] else "false", OWNER) for row in rows]


def _keys(kind: str) -> Callable[[Session, Cursor], Rows]:
    def rows(session: Session, cursor: Cursor) -> Rows:
        found = scope.read(session, cursor)
        tables = session.connection.execute(
            f"SELECT {information_schema.DATABASE}, {information_schema.SCHEMA}, table_name, comment "
            f"FROM duckdb_tables() WHERE {information_schema.OURS} ORDER BY 1, 2, 3"
        ).fetchall()
        columns = _FOREIGN if kind == "FOREIGN KEY" else _PRIMARY
        shown: list[Sequence[Any]] = []
        for database, schema, name, comment in tables:
            inside = found.database in (None, database) and found.schema in (None, schema)
            if inside and found.table in (None, name):
                for key in facts(comment).get("keys", []):
                    if key["kind"] == kind:
                        shown.extend(_key_rows(Name(database, schema, name), key))
        return columns, shown

    return rows


_PRIMARY: Heading = [("created_on", _TIME), "database_name", "schema_name", "table_name", "column_name",
            ("key_sequence", "BIGINT"), "constraint_name", "rely", "comment"]  # fmt: skip
_FOREIGN: Heading = [("created_on", _TIME), "pk_database_name", "pk_schema_name", "pk_table_name", "pk_column_name",
            "fk_database_name", "fk_schema_name", "fk_table_name", "fk_column_name", ("key_sequence", "BIGINT"),
            "update_rule", "delete_rule", "fk_name", "pk_name", "deferrability", "rely", "comment"]  # fmt: skip


def _key_rows(owner: Name, key: dict[str, Any]) -> list[Sequence[Any]]:
    constraint = key["name"] or f"SYS_CONSTRAINT_{owner.name}_{'_'.join(key['columns'])}"
    if key["kind"] != "FOREIGN KEY":
        return [
            (None, owner.database, owner.schema, owner.name, column, index + 1, constraint, "false", None)
            for index, column in enumerate(key["columns"])
        ]
    target, referenced = key["references"]["table"], key["references"]["columns"]
    return [
        (None, *target, referenced[index] if index < len(referenced) else None, owner.database, owner.schema,
         owner.name, column, index + 1, "NO ACTION", "NO ACTION", constraint, None, "NOT DEFERRABLE", "false", None)
        for index, column in enumerate(key["columns"])
    ]  # fmt: skip


def _parameters(session: Session, cursor: Cursor) -> Rows:
    pattern = cursor.value() if cursor.accept("LIKE") else None
    found = scope.Scope(pattern)
    columns: Heading = ["key", "value", "default", "level", "description", "type"]
    return columns, [
        (key, value, "", "SESSION", "", "STRING")
        for key, value in sorted(session.parameters.items())
        if found.matches(key)
    ]


def _nothing(session: Session, cursor: Cursor) -> Rows:
    scope.read(session, cursor)
    return [("created_on", _TIME), "name", "schema_name"], []


_COMMANDS: dict[str, Callable[[Session, Cursor], Rows]] = {
    "DATABASES": _databases,
    "SCHEMAS": _schemas,
    "TABLES": _tables,
    "VIEWS": _views,
    "OBJECTS": _objects,
    "COLUMNS": _columns,
    "STREAMS": _streams,
    "TASKS": _tasks,
    "STAGES": _stages,
    "FILE FORMATS": _formats,
    "SEQUENCES": _sequences,
    "WAREHOUSES": _warehouses,
    "ROLES": _recorded("ROLE"),
    "USERS": _recorded("USER"),
    "RESOURCE MONITORS": _recorded("RESOURCE MONITOR"),
    "GRANTS": _grants,
    "PRIMARY KEYS": _keys("PRIMARY KEY"),
    "UNIQUE KEYS": _keys("UNIQUE"),
    "IMPORTED KEYS": _keys("FOREIGN KEY"),
    "PARAMETERS": _parameters,
    "PROCEDURES": _nothing,
    "USER FUNCTIONS": _nothing,
    "USER PROCEDURES": _nothing,
}
