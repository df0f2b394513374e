"""CREATE, ALTER and DROP of warehouses, roles, users and resource monitors; GRANT and REVOKE."""

from __future__ import annotations

from local_snowflake.engine.account import KINDS
from local_snowflake.errors import exists, missing, syntax
from local_snowflake.results import DONE, Result, status
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor


def kind(cursor: Cursor) -> str | None:
    """Step over the kind of an account object, if one comes next."""
    return next((name for name in KINDS if cursor.accept(*name.split())), None)


def create(session: Session, kind_: str, cursor: Cursor, replace: bool) -> Result:
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = ".".join(cursor.name())
    objects = session.engine.objects
    properties = _properties(cursor)
    properties.pop("PASSWORD", None)
    session.commit()
    with session.engine.definitions:
        if objects.find(kind_, name) is not None:
            if if_not_exists:
                return status(f"{name} already exists, statement succeeded.")
            if not replace:
                raise exists(name)
        objects.put(kind_, name, properties)
    if kind_ == "WAREHOUSE":
        session.warehouse = name
    return status(f"{kind_.capitalize()} {name} successfully created.")


def _properties(cursor: Cursor) -> dict[str, str]:
    """KEY = value pairs; what follows TRIGGERS is kept as text."""
    properties = cursor.properties("TRIGGERS")
    if cursor.accept("TRIGGERS"):
        properties["TRIGGERS"] = cursor.rest()
        cursor.at = len(cursor.tokens)
    cursor.end()
    return properties


def alter(session: Session, kind_: str, cursor: Cursor) -> Result:
    if_exists = cursor.accept("IF", "EXISTS")
    if kind_ == "WAREHOUSE" and cursor.word() in ("SET", "RESUME", "SUSPEND", "UNSET") and session.warehouse:
        name = session.warehouse
    else:
        name = ".".join(cursor.name())
    objects = session.engine.objects
    found = objects.find(kind_, name)
    if found is None:
        if if_exists:
            return status(DONE)
        raise missing(kind_.capitalize(), name)
    session.commit()
    if cursor.accept("SET"):
        objects.put(kind_, name, found | {k: v for k, v in _properties(cursor).items() if k != "PASSWORD"})
    elif cursor.accept("UNSET"):
        while not cursor.done:
            found.pop(cursor.identifier(), None)
            cursor.accept(",")
        objects.put(kind_, name, found)
    elif kind_ == "WAREHOUSE" and (cursor.accept("RESUME") or cursor.accept("SUSPEND")):
        cursor.accept("IF", "SUSPENDED")
        cursor.end()
    else:
        raise syntax(f"syntax error: unexpected '{cursor.near()}'")
    return status(DONE)


def drop(session: Session, kind_: str, cursor: Cursor) -> Result:
    if_exists = cursor.accept("IF", "EXISTS")
    name = ".".join(cursor.name())
    cursor.end()
    if session.engine.objects.find(kind_, name) is None and not if_exists:
        raise missing(kind_.capitalize(), name)
    session.commit()
    session.engine.objects.remove(kind_, name)
    return status(f"{name} successfully dropped.")


def grant(session: Session, cursor: Cursor) -> Result:
    """GRANT and REVOKE, of privileges, ownership and roles."""
    revoke = cursor.accept("REVOKE")
    if not revoke:
        cursor.expect("GRANT")
    words: list[str] = []
    privileges: list[str] = []
    while cursor.word() not in ("ON", "TO", "FROM"):
        if cursor.done:
            raise syntax("syntax error: expected ON, TO or FROM")
        if cursor.word() == ",":
            privileges.append(" ".join(words))
            words = []
            cursor.at += 1
            continue
        words.append(cursor.value().upper())
    privileges.append(" ".join(words))
    granted_on, name = _granted_object(session, cursor, privileges)
    to = "FROM" if revoke else "TO"
    cursor.expect(to)
    granted_to = next((k for k in ("DATABASE ROLE", "ROLE", "USER", "SHARE") if cursor.accept(*k.split())), "ROLE")
    grantee = ".".join(cursor.name())
    option = cursor.accept("WITH", "GRANT", "OPTION")
    session.commit()
    for privilege in privileges:
        session.engine.objects.record_grant((privilege, granted_on, name, granted_to, grantee, option), revoke=revoke)
    return status(DONE)


def _granted_object(session: Session, cursor: Cursor, privileges: list[str]) -> tuple[str, str]:
    """What is granted on: its kind and its name in full. A granted role is the privilege USAGE on it."""
    if not cursor.accept("ON"):
        role = privileges[0].removeprefix("DATABASE ROLE ").removeprefix("ROLE ").strip()
        privileges[:] = ["USAGE"]
        return "ROLE", role
    words: list[str] = []
    while cursor.word(1) not in ("TO", "FROM", ".", "(", "") and cursor.word() != "":
        words.append(cursor.value().upper())
    if words == [] and cursor.word() == "ACCOUNT":
        cursor.at += 1
        return "ACCOUNT", session.engine.account.upper()
    parts = cursor.name()
    if cursor.accept("("):
        while not cursor.accept(")"):
            cursor.at += 1
    kind_ = " ".join(words) or "TABLE"
    if kind_ in ("TABLE", "VIEW", "STREAM", "TASK", "STAGE", "FILE FORMAT", "SEQUENCE"):
        return kind_, str(session.qualify(parts))
    if kind_ == "SCHEMA" and len(parts) == 1 and session.database:
        parts = [session.database, *parts]
    return kind_, ".".join(parts)
