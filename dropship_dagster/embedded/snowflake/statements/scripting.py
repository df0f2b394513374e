"""BEGIN ... END blocks: statements in order, RETURN, RAISE, and EXCEPTION WHEN OTHER THEN.

Variables, conditions, loops and cursors of Snowflake Scripting are refused by name when a block is created or run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dropship_dagster.embedded.snowflake.errors import SnowflakeError, syntax, unsupported
from dropship_dagster.embedded.snowflake.results import Result, table
from dropship_dagster.embedded.snowflake.session.session import Session
from dropship_dagster.embedded.snowflake.statements.query import evaluate
from dropship_dagster.embedded.snowflake.syntax.lexer import Cursor
from dropship_dagster.embedded.snowflake.syntax.statement import Statement

_REFUSED = {"LET", "IF", "FOR", "WHILE", "LOOP", "REPEAT", "DECLARE", "CASE", "OPEN", "FETCH", "CLOSE", "CURSOR",
            "AWAIT", "ASYNC", "NULL"}  # fmt: skip


Execute = Callable[[Session, Statement], Result]
"""execution.execute, which runs a statement of a block as it runs any other."""


@dataclass
class Block:
    """A block's statements, and those of its exception handler; None when it has none."""

    statements: list[str | Block] = field(default_factory=list)
    handler: list[str | Block] | None = None


class _Return(Exception):  # noqa: N818
    def __init__(self, value: str | None) -> None:
        super().__init__(value)
        self.value = value


def is_block(text: str) -> bool:
    """Whether a statement is a block and not the BEGIN of a transaction."""
    cursor = Cursor(text)
    return cursor.word() == "DECLARE" or cursor.at_block


def parse_block(text: str) -> Block:
    """A block by its text.

    Raises:
        SnowflakeError: what is not supported, by name; a syntax error.
    """
    cursor = Cursor(text)
    block = _block(cursor)
    cursor.accept(";")
    cursor.end()
    return block


def _block(cursor: Cursor) -> Block:
    if cursor.word() == "DECLARE":
        raise unsupported("DECLARE in a block")
    cursor.expect("BEGIN")
    block = Block()
    current = block.statements
    while True:
        if cursor.at >= len(cursor.tokens):
            raise syntax("syntax error: BEGIN without END")
        if cursor.accept("END"):
            return block
        if cursor.accept("EXCEPTION"):
            cursor.expect("WHEN")
            if not cursor.accept("OTHER"):
                raise unsupported(f"EXCEPTION WHEN {cursor.near()}; only WHEN OTHER")
            cursor.expect("THEN")
            block.handler = current = []
            continue
        if cursor.word() == "WHEN":
            raise unsupported("more than one handler of a block")
        current.append(_statement(cursor))


def _statement(cursor: Cursor) -> str | Block:
    word = cursor.word()
    if word in _REFUSED:
        raise unsupported(f"{word} in a block")
    if cursor.at_block:
        inner = _block(cursor)
        cursor.expect(";")
        return inner
    if cursor.word(1) == ":=" or (cursor.word(1) == ":" and cursor.word(2) == "="):
        raise unsupported(f"the assignment to {word} in a block")
    start, first = cursor.at, cursor.tokens[cursor.at]
    while cursor.word() != ";":
        if cursor.at >= len(cursor.tokens):
            raise syntax(f"syntax error: '{first.text}' is not ended by a semicolon")
        cursor.at += 1
    if cursor.at == start:
        raise syntax("syntax error: empty statement in a block")
    text = cursor.sql[first.start : cursor.tokens[cursor.at].start].strip()
    cursor.at += 1
    return text


def run(session: Session, text: str, execute: Execute) -> Result:
    """Run a block (or a single statement, as EXECUTE IMMEDIATE may have one)."""
    if not is_block(text):
        return execute(session, Statement(text))
    value: str | None = None
    try:
        _run(session, parse_block(text), execute)
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


def check(text: str) -> None:
    """Refuse a task's body that could not run."""
    if is_block(text):
        parse_block(text)
    elif not text.strip():
        raise syntax("syntax error: a task needs AS <statement>")
