"""Bound parameters in a statement's text: `?` becomes `:1`, because the order of a tree is not that of its text."""

from __future__ import annotations

from functools import lru_cache

from local_snowflake.session.session import Session
from local_snowflake.syntax.lexer import Cursor, tokenize
from local_snowflake.syntax.names import quote
from local_snowflake.syntax.statement import Statement


class Unbound(dict):  # type: ignore[type-arg]
    """Every parameter as NULL, for descriptions."""

    def get(self, key: object, default: object = None) -> object:
        return {"type": "TEXT", "value": None}


def number_placeholders(session: Session, statement: Statement) -> Statement:
    """The statement with `?` as `:1`, `:2` ..., and IDENTIFIER(?) as the bound name."""
    sql, out, at = statement.text, [], 0
    for number, (start, end, is_name) in enumerate(_placeholders(sql), 1):
        out.append(sql[at:start])
        if is_name:
            name = Cursor(session.bound(str(number)).name).name()
            out.append(".".join(quote(part) for part in name))
        else:
            out.append(f":{number}")
        at = end
    return Statement("".join([*out, sql[at:]])) if out else statement


@lru_cache(maxsize=512)
def _placeholders(sql: str) -> tuple[tuple[int, int, bool], ...]:
    """Where each `?` begins and ends; for IDENTIFIER(?) that call does, and the third is true."""
    tokens = tokenize(sql)
    found = []
    for index, token in enumerate(tokens):
        if token.text != "?" or sql[token.start] != "?":
            continue
        if [item.text.upper() for item in tokens[max(index - 2, 0) : index]] == ["IDENTIFIER", "("]:
            found.append((tokens[index - 2].start, tokens[index + 1].end + 1, True))
        else:
            found.append((token.start, token.end + 1, False))
    return tuple(found)
