"""Identifiers in a syntax tree."""

from __future__ import annotations

from sqlglot import exp

from local_snowflake.errors import syntax


def identifier(node: exp.Expr) -> str:
    """A column's or object's name as Snowflake stores it: in upper case unless quoted.

    Raises:
        SnowflakeError: the node holds no identifier.
    """
    found = node if isinstance(node, exp.Identifier) else node.find(exp.Identifier)
    if found is None:
        raise syntax(f"syntax error: expected a name, not {node.sql('snowflake')}")
    return found.name if found.args.get("quoted") else found.name.upper()
