"""DESCRIBE TABLE, VIEW, STREAM, TASK and USER."""

from __future__ import annotations

from local_snowflake.engine.access import Securable, in_schema
from local_snowflake.engine.catalog import table_columns, table_facts
from local_snowflake.errors import missing, unsupported
from local_snowflake.results import Result, StatementType, table
from local_snowflake.session.session import Session
from local_snowflake.statements.introspection import show_pipeline
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name
from local_snowflake.translate.datatypes import from_duckdb


def run(session: Session, cursor: Cursor) -> Result:
    cursor.at += 1
    for kind in ("STREAM", "TASK"):
        if cursor.accept(kind):
            return _one(session, kind, session.qualify(cursor.name()))
    if cursor.accept("USER"):
        return _user(session, ".".join(cursor.name()))
    if cursor.word() in ("TABLE", "VIEW") and cursor.word(1) not in ("", ";"):
        cursor.at += 1
    elif cursor.word() in ("WAREHOUSE", "SCHEMA", "DATABASE", "STAGE", "FILE", "SEQUENCE", "RESULT"):
        raise unsupported(f"DESCRIBE {cursor.near()}; use SHOW")
    return _columns(session, session.qualify(cursor.name()))


def _one(session: Session, kind: str, name: Name) -> Result:
    rows = show_pipeline.stream_rows if kind == "STREAM" else show_pipeline.task_rows
    columns, found = rows(session, lambda other: other == name)
    if not found:
        raise missing(kind.capitalize(), name)
    result = table(columns, found)
    result.type = StatementType.DESCRIBE
    return result


def _columns(session: Session, name: Name) -> Result:
    stored = session.stored(name)
    if name not in session.temporary:
        session.rights.need(None, in_schema("TABLE", name))
    keys = table_facts(session.connection, stored).get("keys", [])
    primary = {column for key in keys if key["kind"] == "PRIMARY KEY" for column in key["columns"]}
    unique = {column for key in keys if key["kind"] == "UNIQUE" for column in key["columns"]}
    columns = ["name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression",
               "comment", "policy name", "privacy domain"]  # fmt: skip
    result = table(columns, [
        (column.name, column.facts.get("type") or from_duckdb(column.kind), "COLUMN", "Y" if column.nullable else "N",
         column.default, "Y" if column.name in primary else "N", "Y" if column.name in unique else "N", None, None,
         column.facts.get("comment"), None, None)
        for column in table_columns(session.connection, stored)
    ])  # fmt: skip
    result.type = StatementType.DESCRIBE
    return result


def _user(session: Session, name: str) -> Result:
    """DESCRIBE USER: properties without secrets; docs.snowflake.com/en/sql-reference/sql/desc-user."""
    found = session.engine.objects.find("USER", name)
    if found is None or not (name == session.user or session.rights.sees(Securable("USER", (name,)))):
        raise missing("User", name)
    rows = [("NAME", name, None, None), ("PASSWORD", "********" if found.get("PASSWORD") else None, None, None)]
    rows.extend((key, value, None, None) for key, value in sorted(found.items()) if key != "PASSWORD")
    result = table(["property", "value", "default", "description"], rows)
    result.type = StatementType.DESCRIBE
    return result
