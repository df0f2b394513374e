"""One statement as it was sent: its text, its first word, and its tokens."""

from __future__ import annotations

import re
from functools import cached_property

from dropship_dagster.embedded.snowflake.syntax.lexer import Cursor

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|//[^\n]*\n|/\*.*?\*/|\()*(\w+)?", re.DOTALL)
_WHOLE_RESULT = re.compile(r"\s*select \* from table\(result_scan\('([0-9a-f-]{36})'\)\)\s*", re.IGNORECASE)


class Statement:
    """A statement on its way. Its text is scanned once, by whoever first asks for its tokens.

    A statement with a cached plan is run without its tokens: only its beginning is looked at.

    Attributes:
        text: as it was sent.
        first_word: the first keyword, in upper case, after comments and parentheses; empty when there is none.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        found = _FIRST_WORD.match(text)
        self.first_word = (found[1] or "").upper() if found else ""

    @cached_property
    def cursor(self) -> Cursor:
        """The one reader of the statement's tokens, at the first of them until it is moved."""
        return Cursor(self.text)

    @property
    def rescanned_query(self) -> str | None:
        """The id of the query whose result this statement asks for as a whole, as connectors do for a detached one."""
        found = _WHOLE_RESULT.fullmatch(self.text) if self.first_word == "SELECT" else None
        return found[1] if found else None
