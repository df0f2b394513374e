"""One statement as it was sent: its text, its first word, and its tokens."""

from __future__ import annotations

import re
from functools import cached_property

from sqlglot.tokenizer_core import Token

from local_snowflake.syntax.lexer import Cursor, tokenize

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|//[^\n]*\n|/\*.*?\*/|\()*(\w+)?", re.DOTALL)
_WHOLE_RESULT = re.compile(r"\s*select \* from table\(result_scan\('([0-9a-f-]{36})'\)\)\s*", re.IGNORECASE)


class Statement:
    """A statement. Its text is scanned once, when its tokens are first needed.

    A statement with a cached plan runs without them: only the beginning of its text is matched.

    Attributes:
        text: as it was sent.
        first_word: the first keyword, in upper case, after comments and parentheses; empty when there is none.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        found = _FIRST_WORD.match(text)
        self.first_word = (found[1] or "").upper() if found else ""

    @cached_property
    def tokens(self) -> list[Token]:
        """The statement's tokens, scanned when they are first looked at."""
        return tokenize(self.text)

    @property
    def cursor(self) -> Cursor:
        """A reader at the statement's first token."""
        return Cursor(self.text, self.tokens)

    @property
    def rescanned_query(self) -> str | None:
        """The id of the query whose result this statement asks for as a whole, as connectors do for a detached one."""
        found = _WHOLE_RESULT.fullmatch(self.text) if self.first_word == "SELECT" else None
        return found[1] if found else None
