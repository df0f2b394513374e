"""CREATE, ALTER and DROP of warehouses, roles, users and resource monitors.

Source: docs.snowflake.com/en/user-guide/security-access-control-privileges, .../sql-reference/sql/create-user.
"""

from __future__ import annotations

from local_snowflake.engine import users
from local_snowflake.engine.access import ACCOUNT, ADMINISTRATOR, OWNERSHIP, SYSTEM_ROLES, Securable
from local_snowflake.engine.account import KINDS
from local_snowflake.errors import exists, insufficient, missing, refuse, syntax
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
    if kind_ == "USER":
        properties = users.settled(properties)
    _require_create(session, kind_)
    session.commit()
    on = Securable(kind_, (name,))
    with session.engine.definitions:
        taken = name == session.engine.user if kind_ == "USER" else kind_ == "ROLE" and name in SYSTEM_ROLES
        if taken or objects.find(kind_, name) is not None:
            if if_not_exists:
                return status(f"{name} already exists, statement succeeded.")
            if taken or not replace:
                raise exists(name)
            session.rights.need(OWNERSHIP, on)
        with session.engine.store.control() as connection:
            session.engine.access.created(connection, on, session.role)
        session.engine.access.reload_if_changed()
        objects.put(kind_, name, properties)
    if kind_ == "WAREHOUSE":
        session.warehouse = name
    return status(f"{kind_.capitalize()} {name} successfully created.")


def _require_create(session: Session, kind_: str) -> None:
    """Resource monitors are made by account administrators alone (create-resource-monitor)."""
    if kind_ == "RESOURCE MONITOR" and ADMINISTRATOR not in session.rights.primary():
        raise insufficient("ACCOUNT", session.engine.account.upper())
    if kind_ == "DATABASE ROLE":
        session.rights.need("CREATE DATABASE ROLE", Securable("DATABASE", (session.require_database(),)))
    elif kind_ != "RESOURCE MONITOR":
        session.rights.need(f"CREATE {kind_}", ACCOUNT)


def _require_alter(session: Session, kind_: str, name: str, cursor: Cursor) -> None:
    on = Securable(kind_, (name,))
    if kind_ == "WAREHOUSE" and cursor.word() in ("RESUME", "SUSPEND"):
        session.rights.need("OPERATE", on)
    elif kind_ in ("WAREHOUSE", "RESOURCE MONITOR"):
        session.rights.need("MODIFY", on)
    else:
        session.rights.need(OWNERSHIP, on)


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
    if found is None and kind_ == "USER" and name == session.engine.user:
        found = {}
    if found is None:
        if if_exists:
            return status(DONE)
        raise missing(kind_.capitalize(), name)
    _require_alter(session, kind_, name, cursor)
    session.commit()
    if cursor.accept("SET"):
        changes = _properties(cursor)
        if kind_ == "USER":
            if "PASSWORD" in changes and name == session.engine.user:
                refuse("another password of the first user, which its folder's service.json tells")
            changes = users.settled(changes)
        monitor = changes.get("RESOURCE_MONITOR", "").strip('"')
        if kind_ == "WAREHOUSE" and monitor:
            session.rights.need("MODIFY", Securable("RESOURCE MONITOR", (monitor,)))
        objects.put(kind_, name, found | changes)
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
    on = Securable(kind_, (name,))
    if session.engine.objects.find(kind_, name) is None:
        if if_exists:
            return status(f"Drop statement executed successfully ({name} already dropped).")
        raise missing(kind_.capitalize(), name)
    session.rights.need(OWNERSHIP, on)
    session.commit()
    with session.engine.definitions:
        session.engine.objects.remove(kind_, name)
        with session.engine.store.control() as connection:
            session.engine.access.dropped(connection, on)
        session.engine.access.reload_if_changed()
    return status(f"{name} successfully dropped.")
