"""Trees of DuckDB SQL, made from templates, and the marks that tell the passes how to treat them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from sqlglot import exp, parse_one

Arguments = Sequence[exp.Expr]

USER_CAST = "user_cast"
"""Marks a cast that Snowflake's rules apply to; other casts are DuckDB's own."""

KEEPS_BINARY = "keeps_binary"
"""Marks a cast to text that leaves a BINARY what it is; with the value ENCODED it gives a BINARY of a text, too."""
ENCODED = "encoded"

OF_COLUMN = "of_column"
"""Marks a cast to the type of a column that is written, with the column's name."""

INTERNAL = "internal"
"""Marks a tree that is DuckDB's already."""

MARKS = ("sf_wall", "sf_instant", "sf_offset", "sf_numeric")
"""Calls that stand for their operand: for the clock or instant of a TIMESTAMP_TZ, or for the number of a text."""


@lru_cache(maxsize=1024)
def _template(sql: str) -> exp.Expr:
    return parse_one(sql, read="duckdb")


def fill(template: str, arguments: Arguments) -> exp.Expr:
    """The tree of a template with the arguments in place of its {0}, {1} ..."""
    numbered = template.format(*(f"__ARGUMENT_{index}" for index in range(len(arguments))))
    tree = _template(numbered).copy()
    used: set[int] = set()

    def place(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name.startswith("__ARGUMENT_"):
            index = int(node.name.removeprefix("__ARGUMENT_"))
            argument = arguments[index].copy() if index in used else arguments[index]
            used.add(index)
            return exp.Paren(this=argument) if isinstance(argument, exp.Binary | exp.Unary | exp.Between) else argument
        return node

    return _replaced(tree, place)


def _replaced(node: exp.Expr, place: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """A template's tree with its placeholders replaced, without a look into what replaces them."""
    found = place(node)
    if found is not node:
        return found
    for key, value in list(node.args.items()):
        if isinstance(value, exp.Expr):
            node.set(key, _replaced(value, place))
        elif isinstance(value, list):
            node.set(key, [_replaced(item, place) if isinstance(item, exp.Expr) else item for item in value])
    return node


def internal(sql: str) -> exp.Expr:
    """DuckDB SQL as a tree that the passes leave alone."""
    tree = parse_one(sql, read="duckdb")
    tree.meta[INTERNAL] = True
    return tree


def cast_to(operand: exp.Expr, kind: str, *, safe: bool = False) -> exp.Expr:
    """A cast by Snowflake's rules to a DuckDB type."""
    node = (exp.TryCast if safe else exp.Cast)(this=operand, to=exp.DataType.build(kind, dialect="duckdb"))
    node.meta[USER_CAST] = True
    return node
