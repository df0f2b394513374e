"""FLATTEN. Source: docs.snowflake.com/en/sql-reference/functions/flatten.

Its column SEQ is left out: a query that uses it is refused instead of grouping by a wrong number.
"""

from __future__ import annotations

from sqlglot import exp

from ..errors import invalid, refuse
from .functions import path
from .templates import fill


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
    elements = "sf_elements({0})"
    mode = options["MODE"].name.upper() if "MODE" in options else "BOTH"
    if mode in ("ARRAY", "OBJECT"):
        elements = f"CASE WHEN json_type({{0}}) = '{mode}' THEN {elements} END"
    elif mode != "BOTH":
        raise invalid(f"MODE of FLATTEN is ARRAY, OBJECT or BOTH, not {mode}")
    if _flag(options, "OUTER"):
        elements = f"CASE WHEN len({elements}) > 0 THEN {elements} ELSE [NULL] END"
    query = fill(
        'SELECT _element."key" AS "KEY", sf_path_step(_element."key", _element."index") AS "PATH", '
        '_element."index" AS "INDEX", '
        f'CAST(_element."value" AS JSON) AS "VALUE", {{0}} AS "THIS" FROM (SELECT unnest({elements}) AS _element)',
        [source],
    )
    name = alias.this if alias is not None and alias.this is not None else exp.to_identifier("FLATTEN", quoted=True)
    subquery = exp.Subquery(this=query)
    table_alias = exp.TableAlias(this=name.copy())
    if not lateral:
        subquery.set("alias", table_alias)
        return subquery
    return exp.Lateral(this=subquery, alias=table_alias)
