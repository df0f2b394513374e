"""TIMESTAMP_TZ: an instant with an offset of its own, a DuckDB STRUCT of the time in UTC and the minutes beyond it.

Equality of such structs is not Snowflake's, which compares instants: whatever compares, groups or aggregates them is
rewritten to do so or refused. Source: docs.snowflake.com/en/sql-reference/data-types-datetime#timestamp-variations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from local_snowflake.errors import refuse
from local_snowflake.translate.casts import conversion
from local_snowflake.translate.datatypes import TIMESTAMP_TZ, is_instant, is_timestamp_tz
from local_snowflake.translate.templates import MARKS, fill

_EXACT_UNITS = {"MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND"}
"""Units whose boundaries are the same at every offset."""

REFUSED = (exp.Nullif, exp.Mode, exp.ApproxDistinct, exp.Median, exp.ArrayAgg, exp.Distinct)
"""What would tell values of one instant apart, or show the struct."""

_PLAIN = "cast it first, e.g. at::TIMESTAMP_NTZ or at::TIMESTAMP_LTZ"


def is_mark(node: exp.Expr) -> bool:
    """A call that stands for its operand, or for the wall clock or the instant of a TIMESTAMP_TZ."""
    return isinstance(node, exp.Anonymous) and node.name in MARKS


def unmarked(node: exp.Anonymous, kind: str | None) -> exp.Expr:
    """What a mark becomes; text is read as a timestamp."""
    operand: exp.Expr = node.expressions[0]
    if node.name == "sf_offset":
        if is_timestamp_tz(kind):
            return fill("struct_extract({0}, 'o')", [operand])
        if not is_instant(kind):
            refuse("the offset of what has no time zone in a format; cast it first, e.g. at::TIMESTAMP_LTZ")
        return fill("(date_part('timezone', {0}) // 60)", [operand])
    if kind == "VARCHAR":
        return fill("sf_timestamp({0})", [operand])
    return fill(f"{node.name}_of({{0}})", [operand]) if is_timestamp_tz(kind) else operand


def cast_into(operand: exp.Expr, kind: str | None, *, safe: bool) -> exp.Expr:
    """A value as a TIMESTAMP_TZ."""
    if is_timestamp_tz(kind):
        return operand
    template = conversion(kind, TIMESTAMP_TZ, safe=safe) if kind is not None else None
    if template is None:
        refuse("a cast to TIMESTAMP_TZ of other than text, dates and timestamps")
    return fill(template, [operand])


def cast_from(operand: exp.Expr, target: str) -> exp.Expr:
    """A TIMESTAMP_TZ as text, an instant, or what its own clock shows."""
    template = conversion(TIMESTAMP_TZ, target)
    if template is None:
        refuse(f"a cast of TIMESTAMP_TZ to {target}")
    return fill(template, [operand])


def compared(node: exp.Expr, operands: Sequence[exp.Expr], kinds: Sequence[str | None]) -> exp.Expr:
    """A comparison of instants."""
    if isinstance(node, exp.In) and node.args.get("query") is not None:
        refuse(f"TIMESTAMP_TZ in a subquery; {_PLAIN}")
    for operand, kind in zip(operands, kinds, strict=True):
        if kind not in ("NULL", '"NULL"'):
            operand.replace(fill("sf_instant_of({0})", [cast_into(operand.copy(), kind, safe=False)]))
    return node


def moved(node: exp.Expr) -> exp.Expr:
    """A date function of a TIMESTAMP_TZ works on its own clock, and the offset stays."""
    value = node.this.copy()
    if isinstance(node, exp.DateAdd | exp.DateTrunc | exp.TimestampTrunc | exp.AddMonths):
        node.set("this", fill("sf_wall_of({0})", [value]))
        return fill("sf_zoned_of_wall({0}, struct_extract({1}, 'o'))", [node.copy(), value.copy()])
    node.set("this", fill("CAST(sf_wall_of({0}) AS DATE)", [value]))
    return fill("CAST({0} AS DATE)", [node.copy()])


def difference(node: exp.DateDiff, kinds: Sequence[str | None]) -> exp.Expr:
    """DATEDIFF in units that do not depend on an offset."""
    unit = node.args.get("unit")
    name = unit.name.upper().rstrip("S") if unit is not None else ""
    if name not in _EXACT_UNITS:
        refuse(f"DATEDIFF of TIMESTAMP_TZ in a unit beyond MINUTE; {_PLAIN}")
    for operand, kind in zip((node.this, node.expression), kinds, strict=True):
        operand.replace(fill("struct_extract({0}, 't')", [cast_into(operand.copy(), kind, safe=False)]))
    return node


def other(node: exp.Expr) -> exp.Expr:
    """What a node with an operand of this type becomes, if it is none of the above."""
    if isinstance(node, exp.Ordered):
        node.this.replace(fill("struct_extract({0}, 't')", [node.this.copy()]))
        return node
    if isinstance(node, exp.Max | exp.Min | exp.Greatest | exp.Least):
        return node  # by instant first
    return refuse(f"{node.key.upper()} of a TIMESTAMP_TZ; {_PLAIN}")


def refuse_grouping(select: exp.Select, kinds: Callable[[list[exp.Expr]], list[str]]) -> None:
    """GROUP BY, PARTITION BY, DISTINCT and the set operations but UNION ALL compare values whole.

    Args:
        kinds: gives the types of expressions over the query's sources; a star is its columns.
    """
    group, projections = select.args.get("group"), select.expressions
    compared_whole: list[exp.Expr] = []
    if group is not None:
        compared_whole += projections if group.args.get("all") else group.expressions
    around = select.parent
    if select.args.get("distinct") is not None or (
        isinstance(around, exp.SetOperation) and (around.args.get("distinct") or not isinstance(around, exp.Union))
    ):
        compared_whole += projections
    for window in select.find_all(exp.Window):
        if window.find_ancestor(exp.Select) is select:
            compared_whole += window.args.get("partition_by") or []
    compared_whole += [
        exp.column(name.copy()) for join in select.args.get("joins") or [] for name in join.args.get("using") or []
    ]
    meant = [_at(projections, item) for item in compared_whole]
    if meant and any(
        is_timestamp_tz(kind) for kind in kinds([item for item in meant if not isinstance(item, exp.Literal)])
    ):
        refuse(f"grouping, joining USING or telling distinct by a TIMESTAMP_TZ; {_PLAIN}")


def order_by_instant(select: exp.Select, kinds: Callable[[list[exp.Expr]], list[str]]) -> None:
    """ORDER BY 1: a struct would order equal instants by offset."""
    order = select.args.get("order")
    if order is None or any(projection.is_star for projection in select.expressions):
        return
    for ordered in order.expressions:
        meant = _at(select.expressions, ordered.this)
        if meant is not ordered.this and any(is_timestamp_tz(kind) for kind in kinds([meant])):
            ordered.this.replace(fill("struct_extract({0}, 't')", [meant.copy()]))


def _at(projections: Sequence[exp.Expr], item: exp.Expr) -> exp.Expr:
    """The expression of GROUP BY 1."""
    if isinstance(item, exp.Literal) and item.is_int and 0 < int(item.this) <= len(projections):
        item = projections[int(item.this) - 1]
    return item.this if isinstance(item, exp.Alias) else item
