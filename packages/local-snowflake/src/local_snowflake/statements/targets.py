"""The tables that a statement writes to, and the streams that it reads."""

from __future__ import annotations

from sqlglot import exp

from local_snowflake.engine.streams import Stream
from local_snowflake.errors import syntax
from local_snowflake.session.session import Session
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.lexer import Cursor
from local_snowflake.syntax.names import Name
from local_snowflake.translate.scopes import is_common_table


def target_name(session: Session, table: exp.Expr) -> Name:
    """The name of a table as a statement's target gives it, also by IDENTIFIER('...') or IDENTIFIER(?)."""
    if isinstance(table, exp.Schema):
        table = table.this
    if not isinstance(table, exp.Table):
        raise syntax(f"syntax error: expected the name of a table, not {table.sql('snowflake')}")
    inner = table.this
    if isinstance(inner, exp.DynamicIdentifier) or (
        isinstance(inner, exp.Anonymous) and inner.name.upper() == "IDENTIFIER"
    ):
        argument = inner.this if isinstance(inner, exp.DynamicIdentifier) else inner.expressions[0]
        return session.qualify(Cursor(str(argument.name)).name())
    return session.qualify([identifier(part) for part in table.parts])


def streams_in(session: Session, tree: exp.Expr) -> list[Stream]:
    """The streams a parsed, untranslated statement reads."""
    found: dict[str, Stream] = {}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue
        parts = [identifier(part) for part in table.parts]
        if len(parts) == 1 and is_common_table(table):
            continue
        if len(parts) > 1 or (session.database and session.schema):
            stream = session.engine.streams.find(session.qualify(parts)) if len(parts) < 4 else None
            if stream is not None:
                found[stream.id] = stream
    return list(found.values())
