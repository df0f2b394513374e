"""Snowflake SQL files cut into statements.

The connector's own `execute_string` cuts a BEGIN ... END body at its semicolons, so the files are cut here.
Rules: docs.snowflake.com/en/sql-reference/literals-table (quotes, $$), .../sql-reference/snowflake-scripting/begin.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--[^\n]*|//[^\n]*|/\*.*?\*/)
  | (?P<text>'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|\$\$.*?\$\$)
  | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<end>;)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

# Words that open and close a block of Snowflake Scripting. CASE is closed by END too, in expressions and in scripts.
_OPENS = frozenset({"BEGIN", "CASE"})
_CLOSED_BY_TWO_WORDS = frozenset({"IF", "FOR", "WHILE", "LOOP", "REPEAT", "CASE"})
# BEGIN followed by one of these, or by nothing, starts a transaction and no block.
_TRANSACTION = frozenset({"TRANSACTION", "WORK", "NAME", ";", ""})


def split_statements(sql: str) -> list[str]:
    """The statements of a file in order, without their semicolons, comments before them and empty ones left out."""
    statements: list[str] = []
    tokens = [(match.lastgroup or "other", match.group()) for match in _TOKEN.finditer(sql)]
    parts: list[str] = []
    depth = 0
    for position, (kind, text) in enumerate(tokens):
        if kind == "word":
            depth = _depth_after(tokens, position, depth)
        if kind == "end" and depth == 0:
            _finish(statements, parts)
        elif parts or kind not in {"space", "comment"}:
            parts.append(text)
    _finish(statements, parts)
    return statements


def _depth_after(tokens: list[tuple[str, str]], position: int, depth: int) -> int:
    word = tokens[position][1].upper()
    if word in _OPENS and not (word == "BEGIN" and _next(tokens, position) in _TRANSACTION):
        # END CASE closes the CASE that is already counted.
        return depth if _previous(tokens, position) == "END" else depth + 1
    if word == "END" and depth and _next(tokens, position) not in _CLOSED_BY_TWO_WORDS - {"CASE"}:
        return depth - 1
    return depth


def _next(tokens: list[tuple[str, str]], position: int) -> str:
    for kind, text in tokens[position + 1 :]:
        if kind not in {"space", "comment"}:
            return text.upper()
    return ""


def _previous(tokens: list[tuple[str, str]], position: int) -> str:
    for kind, text in reversed(tokens[:position]):
        if kind not in {"space", "comment"}:
            return text.upper()
    return ""


def _finish(statements: list[str], parts: list[str]) -> None:
    statement = "".join(parts).strip()
    parts.clear()
    if statement:
        statements.append(statement)
