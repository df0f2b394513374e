"""Which names are those of common table expressions. Source: docs.snowflake.com/en/sql-reference/constructs/with."""

from __future__ import annotations

from sqlglot import exp

from local_snowflake.syntax.identifiers import identifier


def is_common_table(table: exp.Table) -> bool:
    """Whether a name without a schema is that of a common table expression.

    An expression sees those before it. It sees itself only as the recursive term of a UNION ALL, whether the word
    RECURSIVE is there or not; anywhere else in it its name is that of a table or stream. The clause of an expression
    that does see itself is marked RECURSIVE, as DuckDB wants it.
    """
    name = identifier(table.this).upper()
    below: exp.Expr = table
    node = table.parent
    while node is not None:
        if isinstance(node, exp.With):
            at = next(index for index, cte in enumerate(node.expressions) if cte is below)
            if any(cte.alias.upper() == name for cte in node.expressions[:at]):
                return True
            if below.alias.upper() == name and _is_recursive_term(below, table):
                node.set("recursive", True)
                return True
        else:
            with_ = node.args.get("with_")
            if with_ is not None and with_ is not below and any(c.alias.upper() == name for c in with_.expressions):
                return True
        below, node = node, node.parent
    return False


def _is_recursive_term(cte: exp.Expr, table: exp.Table) -> bool:
    """Whether a table is read in the second half of an expression that is a union."""
    body = cte.this
    while isinstance(body, exp.Subquery | exp.Paren):
        body = body.this
    node: exp.Expr | None = table
    while node is not None and node.parent is not body:
        node = node.parent
    return node is not None and isinstance(body, exp.Union) and node.arg_key == "expression"
