"""BEGIN ... END blocks: statements in order, RETURN, RAISE, and EXCEPTION WHEN OTHER THEN.

Variables, conditions, loops and cursors of Snowflake Scripting are refused by name when a block is created or run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local_snowflake.errors import syntax, unsupported
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.statement import Statement

_REFUSED = {"LET", "IF", "FOR", "WHILE", "LOOP", "REPEAT", "DECLARE", "CASE", "OPEN", "FETCH", "CLOSE", "CURSOR",
            "AWAIT", "ASYNC", "NULL"}  # fmt: skip


@dataclass
class Block:
    """A block's statements, and those of its exception handler; None when it has none."""

    statements: list[str | Block] = field(default_factory=list)
    handler: list[str | Block] | None = None


def is_block(statement: Statement) -> bool:
    """Whether a statement is a block and not the BEGIN of a transaction."""
    match statement.first_word:
        case "DECLARE":
            return True
        case "BEGIN":
            return statement.cursor.at_block
    return False


def parse_block(statement: Statement) -> Block:
    """The parts of a block.

    Raises:
        SnowflakeError: what is not supported, by name; a syntax error.
    """
    cursor = statement.cursor
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


def check(text: str) -> None:
    """Refuse a task's body that could not run."""
    statement = Statement(text)
    if is_block(statement):
        parse_block(statement)
    elif not text.strip():
        raise syntax("syntax error: a task needs AS <statement>")
