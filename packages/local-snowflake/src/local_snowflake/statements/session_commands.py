"""Transactions, USE, session variables and ALTER SESSION."""

from __future__ import annotations

import datetime as dt

from sqlglot import exp

from local_snowflake.engine.access import USAGE, Securable
from local_snowflake.errors import invalid, refuse, unsupported, unusable
from local_snowflake.results import DONE, Result, StatementType, status
from local_snowflake.session.rights import ALL
from local_snowflake.session.session import Session
from local_snowflake.statements.query import evaluate
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.translate.templates import fill

# parameters that may be set because they change nothing here, or are honoured (session.set_parameter)
_PARAMETERS = {
    "ABORT_DETACHED_QUERY",
    "AUTOCOMMIT",
    "BINARY_INPUT_FORMAT",
    "BINARY_OUTPUT_FORMAT",
    "ERROR_ON_NONDETERMINISTIC_MERGE",
    "ERROR_ON_NONDETERMINISTIC_UPDATE",
    "LOCK_TIMEOUT",
    "MULTI_STATEMENT_COUNT",
    "QUERY_TAG",
    "ROWS_PER_RESULTSET",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "STRICT_JSON_OUTPUT",
    "TIMEZONE",
    "TIMESTAMP_TYPE_MAPPING",
    "TRANSACTION_ABORT_ON_ERROR",
    "USE_CACHED_RESULT",
    "WEEK_START",
    "QUOTED_IDENTIFIERS_IGNORE_CASE",
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
    "JDBC_QUERY_RESULT_FORMAT",
    "QUERY_RESULT_FORMAT",
    "DATE_OUTPUT_FORMAT",
    "TIMESTAMP_OUTPUT_FORMAT",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT",
}
_ONLY = {
    "QUERY_RESULT_FORMAT": {"ARROW", "JSON"},
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": {"ARROW", "JSON"},
    "JDBC_QUERY_RESULT_FORMAT": {"ARROW", "JSON"},
    "TIMESTAMP_TYPE_MAPPING": {"TIMESTAMP_NTZ"},
    "WEEK_START": {"0"},
    "QUOTED_IDENTIFIERS_IGNORE_CASE": {"FALSE"},
    "ROWS_PER_RESULTSET": {"0"},
    "ERROR_ON_NONDETERMINISTIC_MERGE": {"TRUE"},
    "TIMESTAMP_OUTPUT_FORMAT": {""},
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": {"", "YYYY-MM-DD HH24:MI:SS.FF3"},
    "DATE_OUTPUT_FORMAT": {"", "YYYY-MM-DD"},
    "BINARY_INPUT_FORMAT": {"HEX"},
    "BINARY_OUTPUT_FORMAT": {"HEX"},
}


def begin(session: Session, cursor: Cursor) -> Result:
    session.begin()
    return status(DONE, StatementType.TRANSACTION)


def end(session: Session, cursor: Cursor) -> Result:
    if cursor.word() == "COMMIT":
        session.commit()
    else:
        session.rollback()
    return status(DONE, StatementType.TRANSACTION)


def use(session: Session, cursor: Cursor) -> Result:
    cursor.expect("USE")
    if cursor.accept("WAREHOUSE"):
        session.warehouse = _usable_warehouse(session, cursor.identifier())
    elif cursor.accept("ROLE"):
        session.rights.use(cursor.identifier())
    elif cursor.accept("SECONDARY"):
        _use_secondary_roles(session, cursor)
    elif cursor.accept("SCHEMA"):
        parts = cursor.name()
        database = parts[-2] if len(parts) > 1 else session.database
        if database is None:
            raise invalid("there is no current database; name it: USE SCHEMA database.schema")
        if not session.engine.catalog.has_schema(database, parts[-1]) or not _sees(session, database, parts[-1]):
            raise unusable()
        session.database, session.schema = database, parts[-1]
    else:
        cursor.accept("DATABASE")
        parts = cursor.name()
        schema = parts[1] if len(parts) > 1 else "PUBLIC"
        known = session.engine.catalog
        if not known.has_database(parts[0]) or not _sees(session, parts[0]):
            raise unusable()
        usable = known.has_schema(parts[0], schema) and _sees(session, parts[0], schema)
        if len(parts) > 1 and not usable:
            raise unusable()
        session.database, session.schema = parts[0], schema if usable else None
    return status(DONE, StatementType.USE)


def _sees(session: Session, *parts: str) -> bool:
    return session.rights.sees(Securable("SCHEMA" if len(parts) > 1 else "DATABASE", parts))


def _usable_warehouse(session: Session, name: str) -> str:
    """The name of a warehouse, if there is one of it that the session's roles may use.

    Raises:
        SnowflakeError: 002043, there is none.
    """
    found = session.engine.objects.find("WAREHOUSE", name)
    if found is None or not session.rights.may(USAGE, Securable("WAREHOUSE", (name,))):
        raise unusable()
    return name


def _use_secondary_roles(session: Session, cursor: Cursor) -> None:
    cursor.expect("ROLES")
    if cursor.accept("NONE"):
        session.rights.use_secondary([])
    elif cursor.accept("ALL"):
        session.rights.use_secondary([ALL])
    else:
        roles = [cursor.identifier()]
        while cursor.accept(","):
            roles.append(cursor.identifier())
        session.rights.use_secondary(roles)
    cursor.end()


def set_variable(session: Session, cursor: Cursor) -> Result:
    cursor.expect("SET")
    name = cursor.identifier()
    cursor.expect("=")
    rows = evaluate(session, cursor.rest()).rows()
    session.variables[name] = _constant(rows[0][0])
    return status(DONE)


def unset_variable(session: Session, cursor: Cursor) -> Result:
    cursor.expect("UNSET")
    session.variables.pop(cursor.identifier(), None)
    return status(DONE)


def _constant(value: object) -> exp.Expr:
    if value is None:
        return exp.null()
    if isinstance(value, dict):
        refuse("a session variable of the type TIMESTAMP_TZ; cast it to VARCHAR")
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int | float) or type(value).__name__ == "Decimal":
        number = exp.Literal.number(str(abs(value)))  # type: ignore[arg-type]
        return exp.Paren(this=exp.Neg(this=number)) if str(value).startswith("-") else number
    text = exp.Literal.string(value.isoformat(sep=" ") if isinstance(value, dt.datetime) else str(value))
    match value:
        case dt.datetime():
            kind = "TIMESTAMPTZ" if value.tzinfo else "TIMESTAMP"
        case dt.date():
            kind = "DATE"
        case dt.time():
            kind = "TIME"
        case bytes():
            return fill(f"from_hex('{value.hex()}')", [])
        case _:
            return text
    return exp.Cast(this=text, to=exp.DataType.build(kind, dialect="duckdb"))


def alter_session(session: Session, cursor: Cursor) -> Result:
    if cursor.accept("UNSET"):
        while not cursor.done:
            session.parameters.pop(cursor.identifier(), None)
            cursor.accept(",")
        return status(DONE)
    cursor.expect("SET")
    for key, value in cursor.properties().items():
        if key not in _PARAMETERS:
            raise unsupported(f"the session parameter {key}")
        allowed = _ONLY.get(key)
        if allowed and value.upper() not in {item.upper() for item in allowed}:
            raise unsupported(f"{key} = {value}")
        session.set_parameter(key, value)
    return status(DONE)
