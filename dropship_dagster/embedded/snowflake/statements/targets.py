"""The tables a statement writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from dropship_dagster.embedded.snowflake.errors import syntax
from dropship_dagster.embedded.snowflake.syntax.lexer import Cursor
from dropship_dagster.embedded.snowflake.syntax.names import Name

if TYPE_CHECKING:
    from dropship_dagster.embedded.snowflake.session.session import Session


def identifier(node: exp.Expr) -> str:
    """A column's or object's name as Snowflake stores it: in upper case unless quoted.

    Raises:
        SnowflakeError: the node holds no identifier.
    """
    found = node if isinstance(node, exp.Identifier) else node.find(exp.Identifier)
    if found is None:
        raise syntax(f"syntax error: expected a name, not {node.sql('snowflake')}")
    return found.name if found.args.get("quoted") else found.name.upper()


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
