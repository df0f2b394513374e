"""Implicit casts between whole relations: the halves of UNION and its like, VALUES, IN (SELECT ...), JOIN USING."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast as cast_type

from sqlglot import exp

from local_snowflake.errors import refuse
from local_snowflake.translate.implicit import Family, family, of_text, wanted_beside

Columns = list[tuple[str, str]]
Describe = Callable[[exp.Expr], Columns | None]
"""Gives name and type of the columns of a query; None when it cannot be described by itself."""


def align_union(union: exp.SetOperation, describe: Describe) -> None:
    """Give the columns of both halves one type, where one is a text."""
    name = union.key.upper()
    first, second = describe(union.this), describe(union.expression)
    if first is None or second is None or len(first) != len(second):
        return
    wanted: list[str | None] = []
    for (_, left), (_, right) in zip(first, second, strict=True):
        if {family(left), family(right)} == {Family.TEXT, Family.VARIANT}:
            refuse(f"a VARIANT beside text in {name}; cast one, e.g. value::VARCHAR or 'x'::VARIANT")
        wanted.append(wanted_beside([left, right], name))
    for side, columns in ((union.this, first), (union.expression, second)):
        if any(kind and family(of) is Family.TEXT for kind, (_, of) in zip(wanted, columns, strict=True)):
            side.replace(_converted(side.copy(), columns, wanted))


def _converted(query: exp.Expr, columns: Columns, wanted: Sequence[str | None], *, compared: bool = False) -> exp.Expr:
    """A query with its texts as other types: constants in place, or around the whole of it."""
    inner = query.this if isinstance(query, exp.Subquery) and query.args.get("alias") is None else query
    texts = {
        index: kind for index, (kind, (_, of)) in enumerate(zip(wanted, columns, strict=True))
        if kind and family(of) is Family.TEXT
    }  # fmt: skip
    projections = inner.expressions if isinstance(inner, exp.Select) else []
    if len(projections) == len(columns) and all(_is_constant(projections[index]) for index in texts):
        for index, kind in texts.items():
            constant = projections[index].unalias()
            constant.replace(of_text(constant.copy(), kind))
        return query
    names = [exp.to_identifier(f"c{index}", quoted=True) for index in range(len(columns))]
    around = exp.Select()
    for index, (name, _) in enumerate(columns):
        value: exp.Expr = exp.column(names[index].copy(), table="v")
        if index in texts:
            value = of_text(value, texts[index], compared=compared)
        around.append("expressions", exp.alias_(value, name, quoted=True))
    source = exp.Subquery(this=inner.copy(), alias=exp.TableAlias(this=exp.to_identifier("v"), columns=names))
    around.set("from_", exp.From(this=source))
    return exp.Subquery(this=around) if isinstance(query, exp.Subquery) else around


def _is_constant(projection: exp.Expr) -> bool:
    return isinstance(projection.unalias(), exp.Literal)


def align_subquery(value: exp.Expr, kind: str | None, query: exp.Expr, describe: Describe) -> None:
    """`value IN (query)` and `value = ANY (query)`, where one is a text and the other is not."""
    columns = describe(query)
    if kind is None or columns is None or len(columns) != 1:
        return
    wanted = wanted_beside([kind, columns[0][1]], "a comparison with a subquery")
    if wanted is None:
        return
    if family(kind) is Family.TEXT:
        value.replace(of_text(value.copy(), wanted, compared=True))
    else:
        query.replace(_converted(query.copy(), columns, [wanted], compared=True))


def refuse_using(join: exp.Join, before: Columns, joined: Columns) -> None:
    """JOIN USING of a text with another type, which DuckDB would compare in a way of its own."""
    kinds = dict(before)
    for name in join.args.get("using") or []:
        left, right = family(kinds.get(name.name)), family(dict(joined).get(name.name))
        if left is not right and Family.TEXT in (left, right) and not {left, right} & {Family.UNTYPED, Family.OTHER}:
            refuse(f"JOIN USING ({name.name}) of {left.value} and {right.value}; write ON with a cast")


def align_values(values: exp.Values) -> None:
    """Rows of constants: a text in a column of numbers, or of another type, takes it."""
    rows = [row.expressions for row in values.expressions if isinstance(row, exp.Tuple)]
    if len(rows) < 2 or len({len(row) for row in rows}) != 1:
        return
    for column in zip(*rows, strict=True):
        texts = [value for value in column if isinstance(value, exp.Literal) and value.is_string]
        numbers = [value for value in column if _is_number(value)]
        if texts and numbers:
            for value in texts:
                value.replace(of_text(value.copy(), "DECIMAL"))


def _is_number(value: exp.Expr) -> bool:
    while isinstance(value, exp.Neg | exp.Paren):
        value = value.this
    return isinstance(value, exp.Literal) and not value.is_string


def subquery_of(node: exp.Expr) -> exp.Expr | None:
    """The query that a comparison compares its left side with."""
    if isinstance(node, exp.In):
        return cast_type("exp.Expr | None", node.args.get("query"))
    other = node.args.get("expression")
    return cast_type("exp.Expr", other.this) if isinstance(other, exp.Any | exp.All) else None
