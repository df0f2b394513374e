"""Outer joins that are written otherwise than LEFT JOIN: by (+) in WHERE, and ASOF JOIN.

Sources: docs.snowflake.com/en/sql-reference/constructs/where (joins in the WHERE clause), .../constructs/asof-join.
"""

from __future__ import annotations

import re

from sqlglot import exp

from local_snowflake.errors import refuse, syntax
from local_snowflake.syntax.identifiers import identifier

_MARK = re.compile(r"\(\s*\+\s*\)")


def with_outer_joins(tree: exp.Expr, sql: str) -> exp.Expr:
    """The tree with its `a.x = b.x(+)` as LEFT JOINs, changed in place.

    Raises:
        SnowflakeError: 000002, a (+) that is not in a condition of a WHERE over tables that commas part.
    """
    if _MARK.search(sql) and _marked(tree):
        for select in list(tree.find_all(exp.Select)):
            where = select.args.get("where")
            if where is not None and _marked(where):
                _join(select, where)
        if _marked(tree):
            refuse("(+) here; write LEFT OUTER JOIN ... ON")
    return tree


def _marked(node: exp.Expr) -> list[exp.Column]:
    return [column for column in node.find_all(exp.Column) if column.args.get("join_mark")]


def _join(select: exp.Select, where: exp.Expr) -> None:
    """Let the tables whose columns bear a mark follow the others, each joined by the conditions that mark it."""
    sources = _sources(select)
    conditions: dict[str, list[exp.Expr]] = {}
    kept: list[exp.Expr] = []
    for condition in _conjuncts(where.this):
        tables = {_table_of(column) for column in _marked(condition)}
        if not tables:
            kept.append(condition)
            continue
        name = tables.pop()
        if tables or name not in sources or condition.find(exp.Or, exp.Select):
            refuse("a (+) of several tables, beside OR or beside a subquery; write LEFT OUTER JOIN ... ON")
        conditions.setdefault(name, []).append(condition)
    joined = [name for name in sources if name not in conditions]
    if not joined:
        refuse("(+) of every table; write FULL OUTER JOIN ... ON")
    joins = [exp.Join(this=sources[name], kind="CROSS") for name in joined[1:]]
    waiting = [name for name in sources if name in conditions]
    while waiting:
        ready = next((name for name in waiting if _needs(conditions[name]) <= {name, *joined}), None)
        if ready is None:
            refuse("(+) of tables that are joined in a circle; write LEFT OUTER JOIN ... ON")
        waiting.remove(ready)
        joined.append(ready)
        joins.append(exp.Join(this=sources[ready], side="LEFT", on=exp.and_(*conditions[ready], copy=False)))
    if joined != list(sources):
        _spell_out_star(select, list(sources))
    for condition in (condition for some in conditions.values() for condition in some):
        for column in _marked(condition):
            column.set("join_mark", False)
    select.set("from_", exp.From(this=sources[joined[0]]))
    select.set("joins", joins)
    select.set("where", exp.Where(this=exp.and_(*kept, copy=False)) if kept else None)


def _sources(select: exp.Select) -> dict[str, exp.Expr]:
    """The tables of FROM by their names, in their order."""
    listed = [select.args["from_"].this] if select.args.get("from_") else []
    for join in select.args.get("joins") or []:
        if any(join.args.get(key) for key in ("on", "using", "side", "method")) or join.args.get("kind") == "INNER":
            refuse("(+) beside JOIN; write LEFT OUTER JOIN ... ON")
        listed.append(join.this)
    if select.args.get("laterals") or any(isinstance(source, exp.Lateral | exp.TableFromRows) for source in listed):
        refuse("(+) beside a table function; write LEFT OUTER JOIN ... ON")
    return {_name_of(source): source for source in listed}


def _name_of(source: exp.Expr) -> str:
    alias = source.args.get("alias")
    return identifier(alias.this) if alias is not None and alias.this is not None else identifier(source.this)


def _conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    if isinstance(condition, exp.Paren):
        return _conjuncts(condition.this)
    if isinstance(condition, exp.And):
        return [*_conjuncts(condition.this), *_conjuncts(condition.expression)]
    return [condition]


def _table_of(column: exp.Column) -> str:
    if column.args.get("table") is None:
        refuse(f"the column {column.name} without its table in a condition with (+)")
    return identifier(column.args["table"])


def _needs(conditions: list[exp.Expr]) -> set[str]:
    return {_table_of(column) for condition in conditions for column in condition.find_all(exp.Column)}


def _spell_out_star(select: exp.Select, names: list[str]) -> None:
    """SELECT * gives the columns in the order of FROM, whatever the order of the joins."""
    spelt: list[exp.Expr] = []
    for projection in select.expressions:
        if isinstance(projection, exp.Star):
            if any(projection.args.get(key) for key in ("except_", "replace", "rename")):
                refuse("SELECT * EXCLUDE, REPLACE or RENAME beside (+); name the columns")
            spelt += [exp.Column(this=exp.Star(), table=exp.to_identifier(name, quoted=True)) for name in names]
        else:
            spelt.append(projection)
    select.set("expressions", spelt)


def asof(join: exp.Join) -> exp.Join:
    """ASOF JOIN, which keeps the rows without a match; changed in place.

    Raises:
        SnowflakeError: 001003, another comparison than the documented ones; 000002, USING.
    """
    closest, on = join.args.get("match_condition"), join.args.get("on")
    if join.args.get("using"):
        refuse("ASOF JOIN ... USING; write ON")
    if not isinstance(closest, exp.GTE | exp.GT | exp.LTE | exp.LT):
        raise syntax("ASOF JOIN needs a MATCH_CONDITION that compares by >=, >, <= or <")
    conditions = on.flatten() if isinstance(on, exp.And) else [on] if on else []
    if not all(isinstance(condition.unnest(), exp.EQ) for condition in conditions):
        raise syntax("ON of an ASOF JOIN compares by = alone, in conditions joined by AND")
    join.set("match_condition", None)
    join.set("side", "LEFT")
    join.set("on", exp.and_(on, closest, copy=False))
    return join
