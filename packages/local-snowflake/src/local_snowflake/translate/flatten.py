"""FLATTEN. Source: docs.snowflake.com/en/sql-reference/functions/flatten.

Its column SEQ is left out: a query that uses it is refused instead of grouping by a wrong number.
"""

from __future__ import annotations

from sqlglot import exp

from local_snowflake.errors import invalid, refuse
from local_snowflake.translate.functions import path
from local_snowflake.translate.templates import fill


def _options(call: exp.Explode) -> dict[str, exp.Expr]:
    found: dict[str, exp.Expr] = {}
    for argument in [call.this, *call.expressions]:
        if isinstance(argument, exp.Kwarg | exp.PropertyEQ):
            found[argument.this.name.upper()] = argument.expression
        else:
            found.setdefault("INPUT", argument)
    return found


def _flag(options: dict[str, exp.Expr], name: str) -> bool:
    value = options.get(name)
    if value is None:
        return False
    if not isinstance(value, exp.Boolean):
        raise invalid(f"{name} of FLATTEN must be TRUE or FALSE")
    return bool(value.this)


def flatten(call: exp.Explode, alias: exp.TableAlias | None, *, lateral: bool) -> exp.Expr:
    """The rows of an array or object, as a (lateral) subquery with KEY, PATH, INDEX, VALUE and THIS.

    With OUTER => TRUE an input without elements gives one row with NULLs.
    """
    options = _options(call)
    if "INPUT" not in options:
        raise invalid("FLATTEN needs INPUT")
    if _flag(options, "RECURSIVE"):
        refuse("FLATTEN with RECURSIVE => TRUE")
    source = options["INPUT"]
    if "PATH" in options:
        steps: list[str | int] = list(options["PATH"].name.split("."))
        source = path(source, steps)
    elements = _elements(options)
    name = alias.this if alias is not None and alias.this is not None else exp.to_identifier("FLATTEN", quoted=True)
    table_alias = exp.TableAlias(this=name.copy())
    query = fill(_ROWS.format(elements=elements, this="{0}"), [source])
    if not lateral:
        return exp.Subquery(this=query, alias=table_alias)
    found = exp.Lateral(this=exp.Subquery(this=query), alias=table_alias)
    found.meta[_PARTS] = (elements, source)
    return found


_PARTS = "flatten"
"""Marks a lateral FLATTEN with the template of its elements and its input."""

_ROWS = (
    'SELECT _element."key" AS "KEY", sf_path_step(_element."key", _element."index") AS "PATH", '
    '_element."index" AS "INDEX", CAST(_element."value" AS JSON) AS "VALUE", {this} AS "THIS" '
    "FROM (SELECT unnest({elements}) AS _element)"
)


def _elements(options: dict[str, exp.Expr]) -> str:
    """The template of the list that is unnested."""
    elements = "sf_elements({0})"
    mode = options["MODE"].name.upper() if "MODE" in options else "BOTH"
    if mode in ("ARRAY", "OBJECT"):
        elements = f"sf_elements_of({{0}}, '{mode}')"
    elif mode != "BOTH":
        raise invalid(f"MODE of FLATTEN is ARRAY, OBJECT or BOTH, not {mode}")
    if _flag(options, "OUTER"):
        elements = f"sf_or_null({elements})"
    return elements


def share_inputs(select: exp.Select) -> exp.Select:
    """Let a relation of its own compute the elements of each FLATTEN of a SELECT.

    DuckDB unnests a list that is a column row by row; for one that is computed of a column it may join the rows with
    the elements by that column, with the whole document beside each of them. The relation stays out of SELECT *.
    """
    joins: list[exp.Expr] = []
    hidden: list[exp.Expr] = []
    for join in select.args.get("joins") or []:
        parts = join.this.meta.get(_PARTS) if isinstance(join.this, exp.Lateral) else None
        if parts and not join.args.get("side"):
            elements, source = parts
            relation = exp.to_identifier(f"{join.this.alias}.input", quoted=True)
            columns = [exp.to_identifier(f"{relation.name}.{part}", quoted=True) for part in ("elements", "this")]
            query = fill(f"SELECT {elements} AS _elements, {{0}} AS _this", [source.copy()])
            for projection, column in zip(query.expressions, columns, strict=True):
                projection.set("alias", column.copy())
            lateral = exp.Lateral(this=exp.Subquery(this=query), alias=exp.TableAlias(this=relation.copy()))
            joins.append(exp.Join(this=lateral, kind="CROSS" if join.args.get("kind") or join.args.get("on") else None))
            read = [exp.Column(this=column.copy(), table=relation.copy()) for column in columns]
            join.this.set("this", exp.Subquery(this=fill(_ROWS.format(elements="{0}", this="{1}"), read)))
            hidden.extend(exp.Column(this=column) for column in columns)
        joins.append(join)
    if hidden:
        select.set("joins", joins)
        for star in select.expressions:
            if isinstance(star, exp.Star):
                star.set("except_", [*(star.args.get("except_") or []), *(column.copy() for column in hidden)])
    return select
