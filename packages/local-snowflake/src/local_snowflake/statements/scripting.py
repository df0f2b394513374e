"""Runs BEGIN ... END blocks, statement by statement."""

from __future__ import annotations

from collections.abc import Callable

from local_snowflake.errors import SnowflakeError, unsupported
from local_snowflake.results import Result, table
from local_snowflake.session.session import Session
from local_snowflake.statements.query import evaluate
from local_snowflake.syntax.blocks import Block, is_block, parse_block
from local_snowflake.syntax.statement import Statement

Execute = Callable[[Session, Statement], Result]
"""execution.execute, which runs a statement of a block as it runs any other."""


class _Return(Exception):  # noqa: N818
    def __init__(self, value: str | None) -> None:
        super().__init__(value)
        self.value = value


def run(session: Session, statement: Statement, execute: Execute) -> Result:
    """Run a block, or a single statement, as EXECUTE IMMEDIATE and a task may have one."""
    if not is_block(statement):
        return execute(session, statement)
    value: str | None = None
    try:
        _run(session, parse_block(statement), execute)
    except _Return as returned:
        value = returned.value
    return table([("anonymous block", "VARCHAR")], [(value,)])


def _run(session: Session, block: Block, execute: Execute) -> None:
    try:
        _run_all(session, block.statements, None, execute)
    except SnowflakeError as error:
        if block.handler is None:
            raise
        _run_all(session, block.handler, error, execute)


def _run_all(session: Session, statements: list[str | Block], caught: SnowflakeError | None, execute: Execute) -> None:
    for statement in statements:
        if isinstance(statement, Block):
            _run(session, statement, execute)
            continue
        word = statement.split(None, 1)[0].upper()
        if word == "RAISE":
            if caught is None or statement.upper() != "RAISE":
                raise unsupported("RAISE other than of the caught exception")
            raise caught
        if word == "RETURN":
            raise _Return(_value(session, statement[len("RETURN") :]))
        execute(session, Statement(statement)).drain()


def _value(session: Session, expression: str) -> str | None:
    rows = evaluate(session, expression).rows()
    return None if rows[0][0] is None else str(rows[0][0])
