"""SHOW of what belongs to the account or the session: warehouses, roles, users, monitors, grants, parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from local_snowflake.engine.access import ACCOUNT, ACCOUNT_KINDS, OWNERSHIP, PRIVILEGES, SYSTEM_ROLES, Securable
from local_snowflake.errors import missing
from local_snowflake.session.session import Session
from local_snowflake.statements.introspection.column_specs import TIME, ColumnSpecs, Rows, owner
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
         "Y" if name == session.warehouse else "N", created, owner(session, "WAREHOUSE", name), p.get("COMMENT", ""),
         p.get("RESOURCE_MONITOR", "null"))
        for name, p, created in session.engine.objects.all("WAREHOUSE", found.pattern)
        if session.rights.sees(Securable("WAREHOUSE", (name,)))
    ]  # fmt: skip


def recorded(kind: str) -> Callable[[Session, Cursor], Rows]:
    def rows(session: Session, cursor: Cursor) -> Rows:
        found = read_filter(session, cursor)
        columns: ColumnSpecs = [("created_on", TIME), "name", "owner", "comment"]
        shown: list[Sequence[Any]] = [
            (created, name, owner(session, kind, name), properties.get("COMMENT", ""))
            for name, properties, created in session.engine.objects.all(kind, found.pattern)
            if kind == "ROLE" or _sees(session, kind, name)
        ]
        system = SYSTEM_ROLES if kind == "ROLE" else (session.engine.user,) if kind == "USER" else ()
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
    now = session.engine.access.now
    if cursor.accept("TO"):
        kind = next((k for k in ("DATABASE ROLE", "ROLE", "USER") if cursor.accept(*k.split())), "ROLE")
        where, arguments = "granted_to = ? AND grantee = ?", [kind, ".".join(cursor.name())]
    elif cursor.accept("OF"):
        cursor.accept("ROLE")
        where, arguments = "granted_on = 'ROLE' AND privilege = 'USAGE' AND name = ?", [".".join(cursor.name())]
    elif cursor.accept("ON"):
        return columns, _grants_on(session, cursor)
    else:
        where, arguments = "granted_to = 'USER' AND grantee = ?", [session.user]
    rows = session.engine.access.shown(where, arguments)
    if where.startswith("granted_to = 'USER'") and session.user == session.engine.user:
        rows = [(None, "USAGE", "ROLE", "ACCOUNTADMIN", "USER", session.user, False, ""), *rows]
    return columns, [
        (*row[:6], "true" if row[6] else "false", row[7] or now.owner(Securable(row[2], (row[3],)))) for row in rows
    ]


def _grants_on(session: Session, cursor: Cursor) -> list[Sequence[Any]]:
    """The grants on one object, its ownership first; what nobody has recorded belongs to ACCOUNTADMIN."""
    kinds = sorted(PRIVILEGES, key=len, reverse=True)
    kind = next((k for k in kinds if cursor.accept(*k.split())), "") or cursor.identifier()
    if kind == "ACCOUNT":
        on = ACCOUNT
    else:
        parts = cursor.name()
        if kind == "SCHEMA":
            parts = [parts[-2] if len(parts) > 1 else session.require_database(), parts[-1]]
        elif kind not in ACCOUNT_KINDS:
            name = session.qualify(parts)
            parts = [name.database, name.schema, name.name]
        on = Securable(kind, tuple(parts))
        if not session.rights.sees(on):
            raise missing(kind.capitalize(), on.text)
    rows = session.engine.access.shown("granted_on = ? AND name = ?", [kind, on.text])
    owning = session.engine.access.now.owner(on)
    shown: list[Sequence[Any]] = [(*row[:6], "true" if row[6] else "false", row[7] or owning) for row in rows]
    if kind != "ACCOUNT" and not any(row[1] == OWNERSHIP for row in rows):
        shown.insert(0, (None, OWNERSHIP, kind, on.text, "ROLE", owning, "true", owning))
    return shown


def future_grants(session: Session, cursor: Cursor) -> Rows:
    """SHOW FUTURE GRANTS IN SCHEMA | IN DATABASE | TO ROLE."""
    columns: ColumnSpecs = ["privilege", "grant_on", "name", "grant_to", "grantee_name", "grant_option"]
    rows = session.engine.access.now.future
    if cursor.accept("TO"):
        cursor.accept("ROLE")
        role = ".".join(cursor.name())
        rows = [grant for grant in rows if grant.role == role]
    elif cursor.accept("IN", "DATABASE"):
        database = cursor.name()[-1]
        rows = [grant for grant in rows if (grant.database, grant.schema) == (database, None)]
    else:
        cursor.expect("IN", "SCHEMA")
        parts = cursor.name()
        place = (parts[-2] if len(parts) > 1 else session.require_database(), parts[-1])
        rows = [grant for grant in rows if (grant.database, grant.schema) == place]
    cursor.end()
    return columns, [
        (grant.privilege, grant.kind,
         ".".join([grant.database, *([grant.schema] if grant.schema else []), f"<{grant.kind}>"]),
         "ROLE", grant.role, "true" if grant.option else "false")
        for grant in rows
    ]  # fmt: skip


def _sees(session: Session, kind: str, name: str) -> bool:
    return name == session.user or session.rights.sees(Securable(kind, (name,)))


def parameters(session: Session, cursor: Cursor) -> Rows:
    pattern = cursor.value() if cursor.accept("LIKE") else None
    found = ShowFilter(pattern)
    columns: ColumnSpecs = ["key", "value", "default", "level", "description", "type"]
    return columns, [
        (key, value, "", "SESSION", "", "STRING")
        for key, value in sorted(session.parameters.items())
        if found.matches(key)
    ]
