"""FLATTEN. Source: docs.snowflake.com/en/sql-reference/functions/flatten."""

from __future__ import annotations

import re

from sqlglot import exp

from local_snowflake.errors import invalid
from local_snowflake.syntax.names import literal
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


def flatten(call: exp.Explode, alias: exp.TableAlias | None, *, lateral: bool, seq: bool) -> exp.Expr:
    """The rows of an array or object, as a (lateral) subquery with KEY, PATH, INDEX, VALUE and THIS.

    With OUTER => TRUE an input without elements gives one row with NULLs.

    Args:
        seq: the column SEQ, which numbers the inputs, is wanted: DuckDB has more work with it.
    """
    options = _options(call)
    if "INPUT" not in options:
        raise invalid("FLATTEN needs INPUT")
    source = options["INPUT"]
    before = options["PATH"].name if "PATH" in options else ""
    steps = _steps(before)
    if steps:
        source = path(source, steps)
    elements = _elements(options)
    rows = _rows(before, recursive=_flag(options, "RECURSIVE"))
    name = alias.this if alias is not None and alias.this is not None else exp.to_identifier("FLATTEN", quoted=True)
    columns = [column.copy() for column in alias.columns] if alias is not None else []
    if [column.name.upper() for column in columns] == _COLUMNS:
        columns = []  # sqlglot names them so by itself
    table_alias = exp.TableAlias(this=name.copy(), columns=columns)
    number = "" if not seq and not columns else _NUMBER if lateral else "1"
    query = fill(_filled(rows, elements, "{0}", number), [source])
    if not lateral:
        return exp.Subquery(this=query, alias=table_alias)
    found = exp.Lateral(this=exp.Subquery(this=query), alias=table_alias)
    found.meta[_PARTS] = (elements, rows, number, source)
    return found


_COLUMNS = ["SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS"]

_PARTS = "flatten"
"""Marks a lateral FLATTEN with the templates of its elements and rows, that of SEQ or none, and its input."""

_NUMBER = "CAST(hash(uuid()) >> 1 AS BIGINT)"
"""A number of its own for each input, as SEQ is: "not guaranteed to be gap-free or ordered in any particular way"."""

_STEP = re.compile(r"""\.?(?:([^.\[\]"']+)|\[(\d+)\]|\[?'([^']*)'\]?|\[?"([^"]*)"\]?)""")


def _steps(text: str) -> list[str | int]:
    """The keys and indexes of a PATH."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise invalid(f"invalid PATH '{text}' of FLATTEN at '{text[at:]}'")
        steps.append(int(found[2]) if found[2] else found[1] or found[3] or found[4] or "")
        at = found.end()
    return steps


def _rows(before: str, *, recursive: bool) -> str:
    """The template of the rows of an input, with places for what is unnested, for the input, and for SEQ."""
    inner = literal(before).replace("{", "{{").replace("}", "}}")
    step = f"""sf_path_step({inner}, _element."key", _element."index")"""
    this = "{this}"
    if recursive:
        below = f"WHEN {inner} = '' OR left(_element.\"path\", 1) = '[' THEN {inner} || _element.\"path\""
        step = f"""CASE WHEN _element."path" IS NULL THEN {inner} {below} ELSE {inner} || '.' || _element."path" END"""
        this = """coalesce(_element."this", {this})"""
    return (
        f'SELECT {{seq}}_element."key" AS "KEY", {step} AS "PATH", _element."index" AS "INDEX", '
        f'CAST(_element."value" AS JSON) AS "VALUE", {this} AS "THIS" FROM ({{unnested}})'
    )


def _filled(rows: str, elements: str, this: str, number: str) -> str:
    """The template of the rows with its parts; `number` is SEQ's, made once for each input, or nothing."""
    if not number:
        return rows.format(seq="", this=this, unnested=f"SELECT unnest({elements}) AS _element")
    unnested = f"SELECT unnest(_list) AS _element, _seq FROM (SELECT {elements} AS _list, {number} AS _seq)"
    return rows.format(seq='_seq AS "SEQ", ', this=this, unnested=unnested)


def _elements(options: dict[str, exp.Expr]) -> str:
    """The template of the list that is unnested."""
    elements = "sf_elements({0})"
    mode = options["MODE"].name.upper() if "MODE" in options else "BOTH"
    if mode not in ("ARRAY", "OBJECT", "BOTH"):
        raise invalid(f"MODE of FLATTEN is ARRAY, OBJECT or BOTH, not {mode}")
    if _flag(options, "RECURSIVE"):
        elements = f"sf_elements_within({{0}}, '{mode}')"
    elif mode != "BOTH":
        elements = f"sf_elements_of({{0}}, '{mode}')"
    if _flag(options, "OUTER"):
        elements = f"sf_or_null({elements})"
    return elements


def wants_seq(node: exp.Expr, alias: exp.TableAlias | None) -> bool:
    """Whether a query may show the column SEQ of a FLATTEN in it."""
    select = node.find_ancestor(exp.Select)
    if select is None:
        return False
    name = alias.name.upper() if alias is not None else "FLATTEN"
    for projection in select.expressions:
        if isinstance(projection, exp.Star):
            return True
        if isinstance(projection, exp.Column) and projection.is_star and projection.table.upper() == name:
            return True
    return any(column.name.upper() == "SEQ" for column in select.find_all(exp.Column))


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
            elements, rows, number, source = parts
            relation = exp.to_identifier(f"{join.this.alias}.input", quoted=True)
            computed = {"elements": elements, "this": "{0}"} | ({"seq": number} if number else {})
            columns = [exp.to_identifier(f"{relation.name}.{part}", quoted=True) for part in computed]
            listed = ", ".join(f"{template} AS _{part}" for part, template in computed.items())
            query = fill(f"SELECT {listed}", [source.copy()])
            for projection, column in zip(query.expressions, columns, strict=True):
                projection.set("alias", column.copy())
            lateral = exp.Lateral(this=exp.Subquery(this=query), alias=exp.TableAlias(this=relation.copy()))
            joins.append(exp.Join(this=lateral, kind="CROSS" if join.args.get("kind") or join.args.get("on") else None))
            read = [exp.Column(this=column.copy(), table=relation.copy()) for column in columns]
            made = _filled(rows, "{0}", "{1}", "{2}" if number else "")
            join.this.set("this", exp.Subquery(this=fill(made, read)))
            hidden.extend(exp.Column(this=column) for column in columns)
        joins.append(join)
    if hidden:
        select.set("joins", joins)
        for star in select.expressions:
            if isinstance(star, exp.Star):
                star.set("except_", [*(star.args.get("except_") or []), *(column.copy() for column in hidden)])
    return select
