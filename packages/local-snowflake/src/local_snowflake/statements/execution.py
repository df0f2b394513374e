"""The way in: runs or describes one statement in a session."""

from __future__ import annotations

import datetime as dt

import duckdb

from local_snowflake.errors import SnowflakeError, from_duckdb
from local_snowflake.results import DELETED, INSERTED, UPDATED, Column, Result, StatementType
from local_snowflake.session.bindings import Values
from local_snowflake.session.session import Session
from local_snowflake.statements import dispatch
from local_snowflake.statements.placeholders import Unbound, number_placeholders
from local_snowflake.statements.query import columns_of
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.dialect import parse_statement

_COUNTS = {
    "INSERT": (INSERTED, StatementType.INSERT),
    "UPDATE": (UPDATED, StatementType.UPDATE),
    "DELETE": (DELETED, StatementType.DELETE),
    "MERGE": ("number of rows merged", StatementType.MERGE),
}
"""How a statement that changes rows is described, by its first word."""


def execute(session: Session, statement: Statement, bound: Values | None = None, query_id: str | None = None) -> Result:
    """Run one statement. The result has to be read to its end before the next one.

    Raises:
        SnowflakeError: whatever the user can be told.
    """
    session.begin_statement(query_id)
    session.bindings = bound or {}
    own_id = session.query_id
    session.statement_timestamp = f"CAST('{dt.datetime.now(dt.UTC).isoformat(sep=' ')}' AS TIMESTAMPTZ)"
    try:
        result = dispatch.run(session, statement, execute)
    except SnowflakeError as error:
        session.undo_statement(error)
        raise
    except duckdb.Error as error:
        session.undo_statement(error)
        raise from_duckdb(error) from error
    session.results.keep(own_id, result)
    return result


def describe(session: Session, statement: Statement, bound: Values | None = None) -> Result:
    """The columns that a statement would give, without running it.

    Statements other than queries are described by their status or counts.
    """
    session.bindings = bound or {}
    if "?" in statement.text:
        statement = number_placeholders(session, statement)
        session.bindings = session.bindings or Unbound()
    if statement.first_word in ("SELECT", "WITH", "VALUES"):
        try:
            return columns_of(session, parse_statement(statement))
        except duckdb.Error as error:
            raise from_duckdb(error) from error
    if statement.first_word in _COUNTS:
        label, kind = _COUNTS[statement.first_word]
        return Result([Column(label, "BIGINT")], type=kind)
    return Result([Column("status", "VARCHAR")], type=StatementType.DDL)
