"""SHOW COLUMNS, PRIMARY KEYS, UNIQUE KEYS and IMPORTED KEYS."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from local_snowflake.engine.catalog import facts
from local_snowflake.session.session import Session
from local_snowflake.statements.introspection import information_schema
from local_snowflake.statements.introspection.column_specs import TIME, ColumnSpecs, Rows, sees
from local_snowflake.statements.introspection.show_filter import read_filter
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name


def columns(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor, of_tables=True)
    rows = session.connection.execute(
        f"SELECT {information_schema.DATABASE}, {information_schema.SCHEMA}, table_name, column_name, "
        f"{information_schema.DECLARED}, is_nullable, column_default, comment FROM duckdb_columns() "
        f"WHERE {information_schema.OURS} ORDER BY 1, 2, 3, column_index"
    ).fetchall()
    columns: ColumnSpecs = [
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
        "schema_evolution_record",
    ]
    shown: list[Sequence[Any]] = []
    for database, schema, owner, name, kind, nullable, default, comment in rows:
        inside = found.database in (None, database) and found.schema in (None, schema)
        if not inside or found.table not in (None, owner) or not found.matches(name):
            continue
        if not sees(session, "TABLE", Name(database, schema, owner)):
            continue
        data_type = json.dumps(_wire_type(kind, nullable=nullable))
        shown.append(
            (owner, schema, name, data_type, "true" if nullable else "NOT_NULL", default, "COLUMN", None,
             facts(comment).get("comment"), database, None, None)
        )  # fmt: skip
    return columns, shown


def _wire_type(kind: str, *, nullable: bool) -> dict[str, Any]:
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


def keys(kind: str) -> Callable[[Session, Cursor], Rows]:
    def rows(session: Session, cursor: Cursor) -> Rows:
        found = read_filter(session, cursor, of_tables=True)
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


_PRIMARY: ColumnSpecs = [("created_on", TIME), "database_name", "schema_name", "table_name", "column_name",
            ("key_sequence", "BIGINT"), "constraint_name", "rely", "comment"]  # fmt: skip
_FOREIGN: ColumnSpecs = [("created_on", TIME), "pk_database_name", "pk_schema_name", "pk_table_name", "pk_column_name",
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
