"""A cursor over Snowflake's tokens, for the statements that have no grammar in sqlglot."""

from __future__ import annotations

from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from local_snowflake.errors import syntax

_DIALECT = Snowflake()
OF_A_TRANSACTION = ("TRANSACTION", "WORK", "NAME")
"""What may follow the BEGIN of a transaction, beside its end."""


def tokenize(sql: str) -> list[Token]:
    """The statement's tokens.

    Raises:
        SnowflakeError: an unclosed string or comment.
    """
    try:
        return _DIALECT.tokenize(sql)
    except TokenError as error:
        raise syntax(f"syntax error: {error}") from None


class Cursor:
    """Reads one statement from left to right. Keywords are compared in upper case; strings are never keywords."""

    def __init__(self, sql: str, tokens: list[Token] | None = None) -> None:
        self.sql = sql
        self.tokens = tokenize(sql) if tokens is None else tokens
        self.at = 0

    def word(self, ahead: int = 0) -> str:
        """The keyword or symbol `ahead` tokens on; empty at the end, and never equal to a keyword for a string."""
        index = self.at + ahead
        if index >= len(self.tokens):
            return ""
        token = self.tokens[index]
        if token.token_type in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.RAW_STRING):
            return f"\0{token.text}"
        return token.text.upper()

    @property
    def done(self) -> bool:
        return self.at >= len(self.tokens) or self.word() == ";"

    @property
    def at_block(self) -> bool:
        """Whether BEGIN comes next as the beginning of a block, and not of a transaction."""
        return self.word() == "BEGIN" and self.word(1) not in ("", ";", *OF_A_TRANSACTION)

    def accept(self, *words: str) -> bool:
        """Step over the words if they come next. A token may hold several of them (`GROUP BY`)."""
        wanted, ahead, have = " ".join(words), 0, ""
        while len(have) < len(wanted):
            word = self.word(ahead)
            if not word:
                return False
            have = f"{have} {word}".strip()
            ahead += 1
        if have != wanted:
            return False
        self.at += ahead
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise syntax(f"syntax error: expected {' '.join(words)} near '{self.near()}'")

    def near(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else "<end of statement>"

    def end(self) -> None:
        """Refuse anything that is left."""
        if not self.done:
            raise syntax(f"syntax error: unexpected '{self.near()}'")

    def identifier(self) -> str:
        """One identifier as Snowflake stores it: in upper case unless quoted."""
        token = self._next()
        return token.text if token.token_type is TokenType.IDENTIFIER else token.text.upper()

    def name(self) -> list[str]:
        """A dotted name of one to three parts; also IDENTIFIER('a.b')."""
        if self.word() == "IDENTIFIER" and self.word(1) == "(":
            self.at += 2
            inner = Cursor(self._next().text).name()
            self.expect(")")
            return inner
        parts = [self.identifier()]
        while self.accept("."):
            parts.append(self.identifier())
        return parts

    def value(self) -> str:
        """A property's value: a word, a string without its quotes, a signed number, or a parenthesis as written."""
        token = self._next()
        if token.text in ("-", "+") and token.token_type is not TokenType.STRING:
            return token.text + self.value()
        if token.text == "(" and token.token_type is not TokenType.STRING:
            start, depth = token.start, 1
            while depth:
                token = self._next()
                depth += (token.text == "(") - (token.text == ")")
            return self.sql[start : token.end + 1]
        return token.text

    def properties(self, *stop: str) -> dict[str, str]:
        """`KEY = value` pairs up to one of the stop words or the end."""
        found: dict[str, str] = {}
        while not self.done and self.word() not in stop:
            if self.accept("WITH") or self.accept(","):
                continue
            key = self.identifier()
            if not self.accept("="):
                raise syntax(f"syntax error: unexpected '{key}', expected a property")
            found[key] = self.value()
        return found

    def rest(self) -> str:
        """The text from here to the end of the statement, without its semicolon."""
        return "" if self.at >= len(self.tokens) else self.sql[self.tokens[self.at].start :].rstrip().rstrip(";")

    def _next(self) -> Token:
        if self.at >= len(self.tokens):
            raise syntax("syntax error: unexpected end of statement")
        self.at += 1
        return self.tokens[self.at - 1]
