"""The rules of the second pass: a node and the DuckDB types of its operands give what replaces it.

Covers casts, division and AVG (NUMBER stays NUMBER), dates that stay dates, text made of other values, and VARIANTs in
places that need a plain value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast as cast_type

from sqlglot import exp

from local_snowflake.errors import invalid_cast, refuse, type_mismatch
from local_snowflake.translate import implicit, relations, timestamp_tz
from local_snowflake.translate.casts import conversion, epoch, is_shown, shortened, text_of
from local_snowflake.translate.datatypes import (
    from_duckdb,
    is_float,
    is_instant,
    is_text,
    is_timestamp_tz,
    scale_of,
)
from local_snowflake.translate.paths import EXTRACT, EXTRACT_TEXT
from local_snowflake.translate.templates import (
    ENCODED,
    KEEPS_BINARY,
    OF_COLUMN,
    USER_CAST,
    cast_to,
    fill,
)

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.EqualNull)
_TEXT_FUNCTIONS = (
    exp.Upper, exp.Lower, exp.Length, exp.Substring, exp.Left, exp.Right, exp.Replace, exp.Pad, exp.StrPosition,
    exp.StartsWith, exp.EndsWith, exp.Contains, exp.DPipe, exp.Concat, exp.ConcatWs, exp.Like, exp.ILike,
    exp.RegexpLike, exp.RegexpILike, exp.RegexpReplace, exp.RegexpExtract, exp.RegexpCount, exp.Reverse, exp.Repeat,
    exp.Translate, exp.GroupConcat,
)  # fmt: skip
_JOINING = (exp.DPipe, exp.Concat, exp.ConcatWs)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs, exp.Round, exp.Ceil, exp.Floor, exp.Sign)
_OF_FLOATS = (
    exp.Sqrt, exp.Pow, exp.Exp, exp.Ln, exp.Log, exp.Sum, exp.Avg, exp.Median, exp.PercentileCont, exp.Stddev,
    exp.StddevPop, exp.Variance, exp.VariancePop, exp.Corr,
)  # fmt: skip
"""Functions that make a FLOAT of a text (docs.snowflake.com/en/sql-reference/functions/sum and avg)."""
_CHOOSING = (exp.Case, exp.If, exp.Coalesce, exp.Nvl2, exp.Greatest, exp.Least, exp.Nullif, exp.Lag, exp.Lead)
"""What gives one of its operands, which are of one type."""
_ORDERING = (exp.Ordered, exp.Max, exp.Min, exp.Sum, exp.Median, exp.PercentileCont, exp.Greatest, exp.Least)
_DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}
INTERESTING = (
    exp.Div, exp.Avg, exp.DateTrunc, exp.TimestampTrunc, exp.DateAdd, exp.DateDiff, exp.In, exp.Between, exp.LastDay,
    exp.AddMonths, *_CHOOSING, *timestamp_tz.REFUSED, *_COMPARISONS, *_TEXT_FUNCTIONS, *_ARITHMETIC, *_ORDERING,
    *_OF_FLOATS,
)  # fmt: skip
_TEXT_CALLS = {"sf_text", "sf_bound"}
_JSON_CALLS = {"json_extract", "sf_get", "sf_get_key", "sf_parse_json", "sf_try_parse_json",
               "sf_try_parse_json_column", "json_array", "sf_object_compact", "sf_object_all", "to_json"}  # fmt: skip
_DOUBLED = exp.DataType.build("DOUBLE", dialect="duckdb")


def operands_of(node: exp.Expr) -> list[exp.Expr]:
    """The arguments whose types matter."""
    if isinstance(node, exp.In):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.Lag | exp.Lead):
        return [node.this, *_default(node)]
    if isinstance(node, exp.Nvl2):
        return [node.args["true"], *_default(node, "false")]
    if isinstance(node, exp.Round) and node.args.get("decimals"):
        return [node.this, node.args["decimals"]]
    if isinstance(node, exp.Binary | exp.EqualNull | exp.DateDiff | exp.DateAdd | exp.AddMonths):
        return [node.this, node.expression]
    if isinstance(node, exp.Concat | exp.ConcatWs):
        return list(node.expressions)
    if timestamp_tz.is_mark(node):
        return node.expressions[:1]
    if isinstance(node, exp.Distinct):
        return list(node.expressions)
    if isinstance(node, exp.Case):
        return [
            *([node.this] if node.this else []),
            *(branch.args["true"] for branch in node.args["ifs"]),
            *_default(node),
        ]
    if isinstance(node, exp.If):
        return [] if isinstance(node.parent, exp.Case) else [node.args["true"], *_default(node, "false")]
    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    if isinstance(node, exp.Nullif):
        return [node.this, node.expression]
    if isinstance(node, exp.GroupConcat | exp.ArrayAgg):
        value = node.this.this if isinstance(node.this, exp.Order) else node.this
        return list(value.expressions) if isinstance(value, exp.Distinct) else [value]
    if isinstance(node, exp.Greatest | exp.Least):
        return [node.this, *node.expressions]
    return [node.this] if isinstance(node.this, exp.Expr) else []


def _default(node: exp.Expr, key: str = "default") -> list[exp.Expr]:
    found = node.args.get(key)
    return [found] if found is not None else []


def static_type(node: exp.Expr) -> str | None:
    """A type that can be told from the node itself."""
    if isinstance(node, exp.Paren | exp.Neg):
        return static_type(node.this)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return "VARCHAR"
        if "e" in node.this.lower():
            return "DOUBLE"
        digits, _, fraction = node.this.partition(".")
        return f"DECIMAL({max(len(digits) + len(fraction), 1)},{len(fraction)})" if fraction else "BIGINT"
    if isinstance(node, exp.Null):
        return "NULL"
    if isinstance(node, exp.Boolean):
        return "BOOLEAN"
    if isinstance(node, exp.Cast):
        return node.to.sql("duckdb").replace(", ", ",").replace("TEXT", "VARCHAR")
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return "JSON" if name in _JSON_CALLS else "VARCHAR" if name in _TEXT_CALLS else None
    if isinstance(node, exp.Count | exp.Grouping | exp.GroupingId):
        return "BIGINT"
    return None


def _is_json(kind: str | None) -> bool:
    return kind == "JSON"


def _text(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous) and node.name == EXTRACT:
        return exp.Anonymous(this=EXTRACT_TEXT, expressions=[part.copy() for part in node.expressions])
    return exp.Anonymous(this="sf_text", expressions=[node.copy()])


def retyped(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """What a node of INTERESTING, a user's cast or a mark becomes; the node itself for no change."""
    if isinstance(node, exp.Cast):
        return _cast(node, kinds[0]) if node.meta.get(USER_CAST) else node
    if isinstance(node, exp.Anonymous) and node.name == "sf_numeric":
        return _number(node, kinds)
    if isinstance(node, exp.Anonymous):
        return timestamp_tz.unmarked(node, kinds[0])
    if isinstance(node, (exp.Div, *_ARITHMETIC, *_OF_FLOATS)) and not _is_json(kinds[0]):
        kinds = _numbers(node, kinds)
    if isinstance(node, exp.Div):
        return divide(node.this, node.expression, kinds[0], kinds[1])
    if isinstance(node, exp.Avg):
        return _average(node, kinds[0])
    if isinstance(node, exp.DateTrunc | exp.TimestampTrunc | exp.LastDay | exp.AddMonths | exp.DateAdd):
        return _date(node, kinds)
    if isinstance(node, exp.DateDiff):
        return _difference(node, kinds)
    if isinstance(node, (*_COMPARISONS, exp.In, exp.Between)):
        return _comparison(node, kinds)
    if isinstance(node, _TEXT_FUNCTIONS):
        return _of_text(node, kinds)
    if isinstance(node, exp.Case | exp.If | exp.Coalesce):
        return _branches(node, kinds)
    families = set(map(implicit.family, kinds))
    if isinstance(node, _CHOOSING) and {implicit.Family.VARIANT, implicit.Family.TEXT} <= families:
        refuse(f"a VARIANT beside text in {_sign(node)}; cast one, e.g. value::VARCHAR or 'x'::VARIANT")
    if isinstance(node, _CHOOSING) and implicit.made_alike(operands_of(node), kinds, _sign(node)):
        return node
    if any(is_timestamp_tz(kind) for kind in kinds):
        return timestamp_tz.other(node)
    if isinstance(node, exp.ArrayAgg) and kinds and kinds[0] is not None and is_shown(kinds[0]):
        (operand,) = operands_of(node)
        operand.replace(_to_text(operand.copy(), kinds[0]))
        return node
    if isinstance(node, timestamp_tz.REFUSED) and not isinstance(node, exp.Median):
        return node
    if not any(_is_json(kind) for kind in kinds):
        if isinstance(node, exp.Ceil | exp.Floor | exp.Round) and is_float(kinds[0]):
            return fill("sf_unsigned_zero({0})", [node.copy()])
        if isinstance(node, exp.Ceil | exp.Floor):
            return _scaled(node, kinds)
        if isinstance(node, exp.Add | exp.Sub) and "DATE" in kinds:
            for operand, kind in zip(operands_of(node), kinds, strict=True):
                if scale_of(kind) is not None:  # days
                    operand.replace(fill("CAST(round({0}) AS INTEGER)", [operand.copy()]))
        if isinstance(node, exp.Add | exp.Sub) and kinds[0] == "DATE" and isinstance(node.expression, exp.Interval):
            unit = str(node.expression.args.get("unit") or "").upper().rstrip("S")
            return fill("CAST({0} AS DATE)", [node.copy()]) if unit in _DATE_UNITS else node
        return _exact(node, kinds) if isinstance(node, exp.Add | exp.Sub | exp.Mul) else node
    what = "ordering or aggregating by a VARIANT" if isinstance(node, _ORDERING) else "arithmetic on a VARIANT"
    return refuse(f"{what}; cast it first, e.g. value::NUMBER(12,2) or value::VARCHAR")


def _of_text(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """A function of text makes text of its operands as a cast does: 2::FLOAT || 'x' is '2x'."""
    joined = {kind == "BLOB" for kind in kinds if kind not in (None, "NULL", '"NULL"')}
    if True in joined and (isinstance(node, exp.GroupConcat) or (len(joined) > 1 and isinstance(node, _JOINING))):
        refuse("BINARY joined to text; cast it first, e.g. key::VARCHAR")
    for operand, kind in zip(operands_of(node), kinds, strict=True):
        if _is_json(kind):
            operand.replace(_text(operand))
        elif kind in (None, "BLOB") or is_text(kind):
            continue
        elif isinstance(operand.parent, exp.Distinct) and scale_of(kind) is not None:
            continue  # DuckDB orders distinct values by themselves only, and writes numbers alike
        else:
            operand.replace(_to_text(operand.copy(), kind))
    return node


def _branches(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """CASE, IFF and COALESCE: DuckDB would parse a text beside a VARIANT, which is a string there."""
    if isinstance(node, exp.Case) and node.this is not None:
        if is_timestamp_tz(kinds[0]):
            timestamp_tz.other(node)
        kinds = kinds[1:]
    if any(_is_json(kind) for kind in kinds) and any(
        kind is not None and (kind == "VARCHAR" or kind.startswith(("DATE", "TIME", "STRUCT"))) for kind in kinds
    ):
        refuse(
            "a VARIANT beside text or a time in CASE, IFF or COALESCE; cast one, e.g. value::VARCHAR or 'x'::VARIANT"
        )
    implicit.made_alike(operands_of(node), kinds, "CASE, IFF or COALESCE")
    return node


def _numbers(node: exp.Expr, kinds: list[str | None]) -> list[str | None]:
    """The operands of a function of numbers, as numbers; of a date or time there are other rules."""
    if isinstance(node, exp.Sum | exp.Avg | exp.Median) and isinstance(node.this, exp.Distinct):
        return kinds
    families = {implicit.family(kind) for kind in kinds}
    if families <= {*implicit.NUMERIC, *_UNKNOWN} or any(_is_json(kind) or is_timestamp_tz(kind) for kind in kinds):
        return kinds
    if isinstance(node, exp.Add | exp.Sub):
        if isinstance(node.expression, exp.Interval):
            return kinds
        if families & _DAYS:
            if implicit.Family.TEXT in families and families & {implicit.Family.DATE}:
                implicit.as_numbers(*_texts(node, kinds), _sign(node))
            return kinds
    wanted = "DOUBLE" if isinstance(node, _OF_FLOATS) else "DECIMAL"
    return implicit.as_numbers(operands_of(node), kinds, _sign(node), wanted=wanted)


def _number(mark: exp.Anonymous, kinds: list[str | None]) -> exp.Expr:
    """What is marked as a number; `name` is the function that wants it."""
    if _is_json(kinds[0]):
        refuse("arithmetic on a VARIANT; cast it first, e.g. value::NUMBER(12,2)")
    implicit.as_numbers(mark.expressions[:1], kinds[:1], mark.expressions[1].name)
    return cast_type("exp.Expr", mark.expressions[0])


def _texts(node: exp.Expr, kinds: list[str | None]) -> tuple[list[exp.Expr], list[str | None]]:
    pairs = [pair for pair in zip(operands_of(node), kinds, strict=True) if is_text(pair[1])]
    return [operand for operand, _ in pairs], [kind for _, kind in pairs]


def _sign(node: exp.Expr) -> str:
    """A function or operator as an error names it."""
    signs: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Neg: "-"}
    return signs.get(type(node)) or (node.sql_name() if isinstance(node, exp.Func) else node.key.upper())


_DAYS = {implicit.Family.DATE, implicit.Family.TIMESTAMP, implicit.Family.INSTANT, implicit.Family.TIME}
_UNKNOWN = (implicit.Family.UNTYPED, implicit.Family.OTHER)


_INT64_DIGITS = 18
"""DuckDB keeps a sum or product of DECIMALs of up to so many digits in as many, and fails beyond."""


def _exact(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """Sums and products with the digits that Snowflake gives them: as many as they can have, up to 38.

    Source: docs.snowflake.com/en/sql-reference/operators-arithmetic#scale-and-precision-in-arithmetic-operations.
    """
    scales = [scale_of(kind) for kind in kinds]
    s1, s2 = scales
    if s1 is None or s2 is None:
        return node
    p1, p2 = (_precision(operand, kind) for operand, kind in zip(operands_of(node), kinds, strict=True))
    product = isinstance(node, exp.Mul)
    scale = s1 + s2 if product else max(s1, s2)
    digits = p1 + p2 if product else max(p1 - s1, p2 - s2) + 1 + scale
    decimal = next((i for i, kind in enumerate(kinds) if kind and kind.startswith("DECIMAL")), None)
    kept = min(scale, max(s1, s2, 12)) if product else scale
    if decimal is not None and max(p1, p2) <= _INT64_DIGITS < digits:
        wide = fill(f"CAST({{0}} AS DECIMAL({_INT64_DIGITS + 1},{scales[decimal]}))", [operands_of(node)[decimal]])
        node.set("expression" if decimal else "this", wide)
        return fill(f"CAST({{0}} AS DECIMAL({min(digits - scale + kept, 38)},{kept}))", [node.copy()])
    return fill(f"CAST({{0}} AS DECIMAL(38,{kept}))", [node.copy()]) if kept < scale else node


def _precision(operand: exp.Expr, kind: str | None) -> int:
    """Digits of an exact number, as DuckDB counts them; those of a whole number are in its type."""
    found = re.fullmatch(r"DECIMAL\((\d+),\s?\d+\)", kind or "")
    if found:
        return int(found[1])
    while isinstance(operand, exp.Paren | exp.Neg):
        operand = operand.this
    return 10 if isinstance(operand, exp.Literal) and int(operand.name) < 2**31 else 19


def _scaled(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """CEIL and FLOOR to a digit, exactly."""
    scales = [scale_of(kind) for kind in kinds]
    digits = node.args.get("decimals")
    if digits is None or scales[0] is None:
        return node
    if not (isinstance(digits, exp.Literal) and digits.is_int and int(digits.this) < 19):
        refuse("CEIL and FLOOR to a number of digits that is not a constant from 0 to 18")
    scale, function = int(digits.this), "ceil" if isinstance(node, exp.Ceil) else "floor"
    if scale >= scales[0]:
        return cast_type("exp.Expr", node.this)
    unit = "0." + "0" * (scale - 1) + "1" if scale else "1"
    shifted = f"CAST({{0}} AS DECIMAL(38,{scales[0]})) * {10**scale}"
    return fill(
        f"CAST({function}({shifted}) AS DECIMAL(37,0)) * CAST('{unit}' AS DECIMAL({scale + 1},{scale}))", [node.this]
    )


def _cast(node: exp.Cast, kind: str | None) -> exp.Expr:
    """CAST by Snowflake's rules."""
    target = node.to.sql("duckdb").replace(", ", ",").replace("TEXT", "VARCHAR")
    safe = isinstance(node, exp.TryCast)
    operand: exp.Expr = node.this
    if _is_json(kind) and target != "JSON":
        operand, kind = _text(operand), "VARCHAR"
    if not implicit.is_castable(kind, target) and not node.meta.get(KEEPS_BINARY):
        if column := node.meta.get(OF_COLUMN):
            raise type_mismatch(from_duckdb(target), from_duckdb(kind or "?"), column)
        raise invalid_cast(from_duckdb(kind or "?"), implicit.family(target).value)
    if is_timestamp_tz(target):
        return timestamp_tz.cast_into(operand, kind, safe=safe)
    if target == "JSON":
        return _to_json(operand, kind)
    if target == "VARCHAR":
        kept = node.meta.get(KEEPS_BINARY)
        if kind == "BLOB" and kept:
            return operand
        return fill("encode({0})", [_to_text(operand, kind)]) if kept == ENCODED else _to_text(operand, kind)
    if is_timestamp_tz(kind):
        return timestamp_tz.cast_from(operand, target)
    cast = "TRY_CAST" if safe else "CAST"
    if kind is not None and (template := conversion(kind, target, safe=safe)):
        return fill(template, [operand])
    if target.startswith("TIMESTAMP") and scale_of(kind) is not None:
        instant = epoch("{0}", 0, target)
        return fill(f"TRY({instant})" if safe else instant, [operand])
    if target == "TIME" and is_instant(kind):
        return fill("CAST(CAST({0} AS TIMESTAMP) AS TIME)", [operand])  # in the session's zone
    if target.startswith("TIMESTAMP") and not is_instant(target):
        return fill(shortened(f"{cast}({{0}} AS TIMESTAMP)", target), [operand])
    if target == "BOOLEAN" and scale_of(kind) is not None:
        return fill("({0} <> 0)", [operand])
    return fill(f"{cast}({{0}} AS {target})", [operand])


def _to_json(operand: exp.Expr, kind: str | None) -> exp.Expr:
    if _is_json(kind):
        return operand
    if kind is not None and is_shown(kind):
        operand = _to_text(operand, kind)
    return exp.Anonymous(this="to_json", expressions=[operand])


def _to_text(operand: exp.Expr, kind: str | None) -> exp.Expr:
    if kind is None:  # told by DuckDB when it binds
        return fill("CASE typeof({0}) WHEN 'JSON' THEN sf_text({0}) ELSE CAST({0} AS VARCHAR) END", [operand])
    return fill(text_of(kind) or "CAST({0} AS VARCHAR)", [operand])


def division_scale(dividend: int) -> int:
    """Digits after the point of a quotient: those of the dividend plus 6, up to 12, and never fewer than it has.

    Source: docs.snowflake.com/en/sql-reference/operators-arithmetic#division.
    """
    return max(dividend, min(dividend + 6, 12))


def divide(dividend: exp.Expr, divisor: exp.Expr, dividend_type: str | None, divisor_type: str | None) -> exp.Expr:
    """a / b: exact for NUMBER, an error for a zero divisor."""
    if _is_json(dividend_type) or _is_json(divisor_type):
        refuse("arithmetic on a VARIANT; cast it first, e.g. value::NUMBER(12,2)")
    if is_text(dividend_type):
        dividend, dividend_type = fill("CAST({0} AS DECIMAL(38,5))", [dividend]), "DECIMAL(38,5)"
    if is_text(divisor_type):
        divisor, divisor_type = fill("CAST({0} AS DECIMAL(38,5))", [divisor]), "DECIMAL(38,5)"
    s1, s2 = scale_of(dividend_type), scale_of(divisor_type)
    if s1 is None or s2 is None:
        return fill("sf_divide_float({0}, {1})", [dividend, divisor])
    scale = division_scale(s1)
    unit = "0." + "0" * (scale - 1) + "1"
    return fill(
        f"(CAST(sf_divide({{0}}, {{1}}, {s1}, {s2}, {scale}) AS DECIMAL(38,0)) "
        f"* CAST('{unit}' AS DECIMAL({scale + 1},{scale})))",
        [dividend, divisor],
    )


def _average(node: exp.Avg, kind: str | None) -> exp.Expr:
    """AVG of a NUMBER is a NUMBER: its sum divided by its count."""
    if _is_json(kind):
        refuse("aggregating a VARIANT; cast it first, e.g. AVG(value::NUMBER(12,2))")
    scale = scale_of(kind)
    if scale is None or isinstance(node.parent, exp.Filter):
        return node
    total: exp.Expr = exp.Sum(this=node.this.copy())
    count: exp.Expr = exp.Count(this=node.this.copy())
    window = node.parent
    if isinstance(window, exp.Window):
        total, count = (_over(window, part) for part in (total, count))
    quotient = divide(total, count, f"DECIMAL(38,{scale})", "BIGINT")
    result = fill("CASE WHEN {0} > 0 THEN {1} END", [count, quotient])
    if isinstance(window, exp.Window):
        window.replace(result)
        return node
    return result


def _over(window: exp.Window, function: exp.Expr) -> exp.Expr:
    copied = window.copy()
    copied.set("this", function)
    return copied


def _date(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """Functions of a DATE that give a DATE, where DuckDB gives a TIMESTAMP; what is added is rounded to an integer."""
    kind = kinds[0]
    if len(kinds) > 1 and (is_float(kinds[1]) or is_text(kinds[1]) or (scale_of(kinds[1]) or 0) > 0):
        added = "sf_number_text({0})" if is_text(kinds[1]) else "{0}"
        node.expression.replace(
            fill(f"CAST(round(CAST({added} AS DECIMAL(38,9))) AS BIGINT)", [node.expression.copy()])
        )
    if _is_json(kind):
        refuse("a date function of a VARIANT; cast it first, e.g. value::TIMESTAMP_NTZ")
    if is_timestamp_tz(kind):
        return timestamp_tz.moved(node)
    unit = node.args.get("unit")
    name = (unit.name if unit is not None else "DAY").upper()
    if is_text(kind):
        node.set("this", fill("sf_timestamp({0})", [node.this]))
    elif kind == "DATE" and (isinstance(node, exp.AddMonths) or name in _DATE_UNITS):
        return fill("CAST({0} AS DATE)", [node.copy()])
    elif isinstance(node, exp.DateAdd) and kind in ("TIMESTAMP_MS", "TIMESTAMP_S"):
        node.set("this", fill("CAST({0} AS TIMESTAMP)", [node.this]))
    return node


def _difference(node: exp.DateDiff, kinds: list[str | None]) -> exp.Expr:
    if any(is_timestamp_tz(kind) for kind in kinds):
        return timestamp_tz.difference(node, kinds)
    for operand, kind in zip(operands_of(node), kinds, strict=True):
        if is_text(kind):
            operand.replace(fill("sf_timestamp({0})", [operand.copy()]))
    unit = node.args.get("unit")
    if unit is not None and unit.name.upper() == "WEEK":
        return fill("sf_weeks_between({0}, {1})", [node.expression, node.this])
    return node


# The texts first: they are nearly always the same, and a function of Python is slow.
_SAME_VARIANT: Mapping[type[exp.Expr], str] = {
    exp.EQ: "CASE WHEN {0} = {1} THEN TRUE ELSE sf_same_json(CAST({0} AS VARCHAR), CAST({1} AS VARCHAR)) END",
    exp.NEQ: "CASE WHEN {0} = {1} THEN FALSE ELSE NOT sf_same_json(CAST({0} AS VARCHAR), CAST({1} AS VARCHAR)) END",
}


def _comparison(node: exp.Expr, kinds: list[str | None]) -> exp.Expr:
    """A VARIANT compared with a plain value takes that value's type."""
    operands = operands_of(node)
    if any(is_timestamp_tz(kind) for kind in kinds):
        for operand, kind in zip(operands, kinds, strict=True):
            if _is_json(kind):
                operand.replace(_text(operand))
        kinds = ["VARCHAR" if _is_json(kind) else kind for kind in kinds]
        return timestamp_tz.compared(node, operands_of(node), kinds)
    if relations.subquery_of(node) is not None:
        return node  # annotate.py has aligned both
    if not any(_is_json(kind) for kind in kinds):
        implicit.made_alike(operands, kinds, "a comparison", compared=True)
        return node
    others = {kind for kind in kinds if not _is_json(kind) and kind not in ("NULL", '"NULL"')}
    if not others:
        if isinstance(node, exp.EQ | exp.NEQ) and all(_is_json(kind) for kind in kinds):
            return fill(_SAME_VARIANT[type(node)], operands)
        if isinstance(node, exp.EQ | exp.NEQ | exp.In | exp.NullSafeEQ | exp.NullSafeNEQ | exp.EqualNull):
            return node
        refuse("ordering VARIANTs; cast them first, e.g. value::NUMBER(12,2)")
    other = next(iter(others))
    for operand, kind in zip(operands, kinds, strict=True):
        if not _is_json(kind):
            continue
        if is_text(other):
            operand.replace(_text(operand))
        elif scale_of(other) is not None or is_float(other):
            operand.replace(exp.Cast(this=_text(operand), to=_DOUBLED.copy()))
        elif other is not None:
            replacement = cast_to(operand.copy(), "TIMESTAMPTZ" if is_instant(other) else other)
            operand.replace(_cast(cast_type("exp.Cast", replacement), "JSON"))
        else:
            refuse("comparing a VARIANT with a value of unknown type; cast it first, e.g. value::VARCHAR")
    return node
