"""SHOW of what belongs to the account or the session: warehouses, roles, users, monitors, grants, parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from local_snowflake.engine import account
from local_snowflake.session.session import Session
from local_snowflake.statements.introspection.column_specs import OWNER, TIME, ColumnSpecs, Rows
from local_snowflake.statements.introspection.show_filter import ShowFilter, read_filter
from local_snowflake.syntax.lexer import Cursor


def warehouses(session: Session, cursor: Cursor) -> Rows:
    found = read_filter(session, cursor)
    columns: ColumnSpecs = [
        "name",
        "state",
        "type",
        "size",
        ("auto_suspend", "BIGINT"),
        "auto_resume",
        "is_default",
        "is_current",
        ("created_on", TIME),
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


def recorded(kind: str) -> Callable[[Session, Cursor], Rows]:
    def rows(session: Session, cursor: Cursor) -> Rows:
        found = read_filter(session, cursor)
        columns: ColumnSpecs = [("created_on", TIME), "name", "owner", "comment"]
        shown: list[Sequence[Any]] = [
            (created, name, OWNER, properties.get("COMMENT", ""))
            for name, properties, created in session.engine.objects.all(kind, found.pattern)
        ]
        system = account.SYSTEM_ROLES if kind == "ROLE" else (session.engine.user,) if kind == "USER" else ()
        shown.extend((None, name, "", "") for name in system if found.matches(name))
        return columns, sorted(shown, key=lambda row: row[1])

    return rows


def grants(session: Session, cursor: Cursor) -> Rows:
    columns: ColumnSpecs = [
        ("created_on", TIME),
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


def parameters(session: Session, cursor: Cursor) -> Rows:
    pattern = cursor.value() if cursor.accept("LIKE") else None
    found = ShowFilter(pattern)
    columns: ColumnSpecs = ["key", "value", "default", "level", "description", "type"]
    return columns, [
        (key, value, "", "SESSION", "", "STRING")
        for key, value in sorted(session.parameters.items())
        if found.matches(key)
    ]
