"""CREATE, ALTER and DROP STREAM."""

from __future__ import annotations

from local_snowflake.engine.access import OWNERSHIP, SELECT, Securable, in_schema
from local_snowflake.engine.streams import Request
from local_snowflake.errors import invalid, missing, refuse, unsupported
from local_snowflake.results import DONE, Result, status
from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name


def _flag(properties: dict[str, str], name: str) -> bool:
    value = properties.pop(name, "FALSE").upper()
    if value not in ("TRUE", "FALSE"):
        raise invalid(f"invalid value '{value}' for property '{name}'")
    return value == "TRUE"


def create(session: Session, cursor: Cursor, replace: bool) -> Result:
    """CREATE STREAM s ON TABLE t [AT (STREAM => 's')] [APPEND_ONLY | SHOW_INITIAL_ROWS | COMMENT = ...]."""
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = session.qualify(cursor.name())
    copy_grants = cursor.accept("COPY", "GRANTS")
    cursor.expect("ON")
    if not cursor.accept("TABLE"):
        refuse(f"a stream ON {cursor.near()}; only streams ON TABLE")
    table = session.qualify(cursor.name())
    at_stream = _at(session, cursor)
    properties = cursor.properties()
    request = Request(
        name, table, replace, if_not_exists,
        append_only=_flag(properties, "APPEND_ONLY"), initial=_flag(properties, "SHOW_INITIAL_ROWS"),
        at_stream=at_stream, comment=properties.pop("COMMENT", ""),
    )  # fmt: skip
    if properties:
        raise unsupported(f"the stream property {next(iter(properties))}")
    session.engine.catalog.require_schema(name.database, name.schema)
    if table in session.temporary:
        refuse("a stream on a temporary table")
    _require(session, request)
    with session.define(name, table) as connection:
        present = session.engine.streams.find(name) is not None
        message = session.engine.streams.create(connection, request)
        if replace or not present:
            access = session.engine.access
            access.created(connection, in_schema("STREAM", name), session.role, copy_grants=copy_grants)
    return status(message)


def _require(session: Session, request: Request) -> None:
    """The first stream on a table turns change tracking on, which its owner alone may (create-stream)."""
    rights, name = session.rights, request.name
    rights.need("CREATE STREAM", Securable("SCHEMA", (name.database, name.schema)))
    table = in_schema("TABLE", request.table)
    rights.need(SELECT, table)
    if session.engine.change_logs.log_of(request.table) is None:
        rights.need(OWNERSHIP, table)
    if request.replace and session.engine.streams.find(name) is not None:
        rights.need(OWNERSHIP, in_schema("STREAM", name))


def _at(session: Session, cursor: Cursor) -> Name | None:
    if cursor.accept("BEFORE"):
        refuse("a stream BEFORE a point in time")
    if not cursor.accept("AT"):
        return None
    cursor.expect("(")
    if not cursor.accept("STREAM"):
        refuse("a stream AT a point in time; only AT (STREAM => 'name')")
    _ = cursor.accept("=>") or (cursor.accept("=") and cursor.accept(">"))
    other = session.qualify(Cursor(cursor.value()).name())
    cursor.expect(")")
    return other


def alter(session: Session, cursor: Cursor) -> Result:
    """ALTER STREAM s SET COMMENT = '...'."""
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    stream = session.engine.streams.find(name)
    if stream is None:
        if if_exists:
            return status(DONE)
        raise missing("Stream", name)
    session.rights.need(OWNERSHIP, in_schema("STREAM", name))
    cursor.expect("SET")
    properties = cursor.properties()
    if set(properties) - {"COMMENT"}:
        refuse(f"ALTER STREAM ... SET {next(iter(set(properties) - {'COMMENT'}))}")
    with session.define() as connection:
        session.engine.streams.set_comment(connection, stream, properties["COMMENT"])
    return status(DONE)


def drop(session: Session, cursor: Cursor) -> Result:
    if_exists = cursor.accept("IF", "EXISTS")
    name = session.qualify(cursor.name())
    cursor.end()
    stream = session.engine.streams.find(name)
    if stream is None:
        if if_exists:
            return status(f"Drop statement executed successfully ({name.name} already dropped).")
        raise missing("Stream", name)
    session.rights.need(OWNERSHIP, in_schema("STREAM", name))
    with session.define(name, stream.table) as connection:
        session.engine.streams.drop(connection, stream)
        session.engine.access.dropped(connection, in_schema("STREAM", name))
    return status(f"{name.name} successfully dropped.")
