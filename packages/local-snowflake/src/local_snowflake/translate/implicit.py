"""Implicit casts: a text beside a value of another type takes that type.

DuckDB would round it, compare as text or fail.

Source: docs.snowflake.com/en/sql-reference/data-type-conversion (implicit casting).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

from sqlglot import exp

from local_snowflake.errors import invalid_types, refuse
from local_snowflake.translate.casts import conversion
from local_snowflake.translate.datatypes import (
    from_duckdb,
    is_float,
    is_instant,
    is_timestamp_tz,
    scale_of,
)
from local_snowflake.translate.templates import fill

Kinds = Sequence[str | None]


class Family(enum.Enum):
    """Types that are cast alike."""

    UNTYPED = "NULL"
    TEXT = "VARCHAR"
    NUMBER = "NUMBER"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    TIME = "TIME"
    TIMESTAMP = "TIMESTAMP_NTZ"
    INSTANT = "TIMESTAMP_LTZ"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"
    BINARY = "BINARY"
    VARIANT = "VARIANT"
    OTHER = "?"


_PLAIN = {"VARCHAR": Family.TEXT, "BOOLEAN": Family.BOOLEAN, "DATE": Family.DATE, "TIME": Family.TIME,
          "BLOB": Family.BINARY, "JSON": Family.VARIANT, "NULL": Family.UNTYPED, '"NULL"': Family.UNTYPED}  # fmt: skip
NUMERIC = {Family.NUMBER, Family.FLOAT}
_DATED = {Family.DATE, Family.TIMESTAMP, Family.INSTANT}


def family(kind: str | None) -> Family:
    """The family of a DuckDB type; OTHER for one that is not known."""
    if kind is None:
        return Family.OTHER
    if kind in _PLAIN:
        return _PLAIN[kind]
    if is_float(kind):
        return Family.FLOAT
    if scale_of(kind) is not None:
        return Family.NUMBER
    if is_instant(kind):
        return Family.INSTANT
    if is_timestamp_tz(kind):
        return Family.TIMESTAMP_TZ
    return Family.TIMESTAMP if kind.startswith("TIMESTAMP") else Family.OTHER


def wanted_beside(kinds: Kinds, where: str) -> str | None:
    """The DuckDB type that the texts among values take; None when there are none, or nothing else.

    Args:
        where: what the values are operands of, for an error.

    Raises:
        SnowflakeError: 000002, values that are not converted to one another here.
    """
    found = {family(kind): kind for kind in kinds if family(kind) not in (Family.UNTYPED, Family.OTHER)}
    if Family.BOOLEAN in found and found.keys() & NUMERIC:
        refuse(f"a BOOLEAN beside a number in {where}; cast one, e.g. flag::NUMBER")
    if Family.TEXT not in found or len(found) == 1:
        return None
    if Family.BINARY in found:
        refuse(f"a text beside a BINARY in {where}; cast one, e.g. TO_BINARY(text, 'HEX')")
    others = found.keys() - {Family.TEXT}
    if others <= NUMERIC:
        return "DOUBLE" if Family.FLOAT in others else "DECIMAL"
    if others <= _DATED:
        order = (Family.INSTANT, Family.TIMESTAMP, Family.DATE)
        first = next(each for each in order if each in others)
        return "TIMESTAMP" if first is Family.TIMESTAMP else found[first]
    if len(others) > 1 and not others & {Family.VARIANT, Family.TIMESTAMP_TZ}:
        shown = ", ".join(sorted(each.value for each in found))
        refuse(f"values of the types {shown} together in {where}; cast them to one type")
    only = next(iter(others))
    return None if only in (Family.VARIANT, Family.TIMESTAMP_TZ) else found[only]


_PLAIN_TIMES = {
    "DATE": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "TIMESTAMP": re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?)?"),
}
"""Constants that DuckDB reads as Snowflake does, and sooner than by a macro."""
_PLAIN_NUMBER = re.compile(r"\s*([+-]?)0*(\d{0,38})(?:\.(\d*))?\s*")


def of_text(operand: exp.Expr, wanted: str, *, compared: bool = False) -> exp.Expr:
    """A text as a value of a type: "DECIMAL" for any exact number.

    Args:
        compared: the value is compared and not shown, so that it keeps up to 18 digits after the point. One that is
            shown has those of a constant, or 5; a text with more is an error, lest it be rounded.
    """
    if wanted in _PLAIN_TIMES and isinstance(operand, exp.Literal) and _PLAIN_TIMES[wanted].fullmatch(operand.name):
        return exp.Cast(this=operand, to=exp.DataType.build(wanted, dialect="duckdb"))
    if wanted != "DECIMAL":
        template = conversion("VARCHAR", wanted)
        return fill(template or f"CAST(sf_number_text({{0}}) AS {wanted})", [operand])
    constant = _number(operand)
    if constant is not None:
        return constant
    if compared:
        return fill("CAST(sf_number_text({0}) AS DECIMAL(38,18))", [operand])
    return fill("CAST(sf_operand_text({0}) AS DECIMAL(38,5))", [operand])


def _number(operand: exp.Expr) -> exp.Expr | None:
    """The number that a constant text is."""
    found = _PLAIN_NUMBER.fullmatch(operand.name) if isinstance(operand, exp.Literal) and operand.is_string else None
    if found is None or not (found[2] or found[3] or "0" in operand.name) or len(found[2]) + len(found[3] or "") > 38:
        return None
    digits = f"{found[2] or '0'}.{found[3]}" if found[3] else found[2] or "0"
    number = exp.Literal.number(digits)
    return exp.Paren(this=exp.Neg(this=number)) if found[1] == "-" else number


def made_alike(operands: Sequence[exp.Expr], kinds: Kinds, where: str, *, compared: bool = False) -> bool:
    """Replace the texts among operands by values of the others' type; whether there were any."""
    wanted = wanted_beside(kinds, where)
    if wanted is None:
        return False
    for operand, kind in zip(operands, kinds, strict=True):
        if family(kind) is Family.TEXT:
            operand.replace(of_text(operand.copy(), wanted, compared=compared))
    return True


def as_numbers(
    operands: Sequence[exp.Expr], kinds: Kinds, function: str, *, wanted: str = "DECIMAL"
) -> list[str | None]:
    """Replace the texts among the arguments of a function of numbers; their types afterwards.

    Raises:
        SnowflakeError: 001044, an argument that is no number.
    """
    after: list[str | None] = []
    for operand, kind in zip(operands, kinds, strict=True):
        match family(kind):
            case Family.TEXT:
                value = of_text(operand.copy(), wanted)
                operand.replace(value)
                after.append(_kind_of(value, wanted))
            case Family.BOOLEAN | Family.DATE | Family.TIME | Family.TIMESTAMP | Family.INSTANT | Family.BINARY:
                raise invalid_types(function, [from_duckdb(each or "?") for each in kinds])
            case _:
                after.append(kind)
    return after


def _kind_of(value: exp.Expr, wanted: str) -> str:
    if wanted != "DECIMAL":
        return wanted
    while isinstance(value, exp.Paren | exp.Neg):
        value = value.this
    if not isinstance(value, exp.Literal):
        return "DECIMAL(38,5)"
    digits, _, fraction = value.name.partition(".")
    return f"DECIMAL({len(digits) + len(fraction)},{len(fraction)})" if fraction else "BIGINT"


_CASTABLE = {
    Family.NUMBER: {*NUMERIC, Family.BOOLEAN, Family.TIMESTAMP, Family.INSTANT, Family.TIMESTAMP_TZ},
    Family.FLOAT: {*NUMERIC, Family.BOOLEAN},
    Family.BOOLEAN: {*NUMERIC, Family.BOOLEAN},
    Family.DATE: {*_DATED, Family.TIMESTAMP_TZ},
    Family.TIME: {Family.TIME},
    Family.TIMESTAMP: {*_DATED, Family.TIME, Family.TIMESTAMP_TZ},
    Family.INSTANT: {*_DATED, Family.TIME, Family.TIMESTAMP_TZ},
    Family.TIMESTAMP_TZ: {*_DATED, Family.TIME, Family.TIMESTAMP_TZ},
    Family.BINARY: {Family.BINARY},
}
"""What each type may be cast to, beside VARCHAR and VARIANT; those that are not here may be cast to any."""


def is_castable(kind: str | None, target: str, *, implicitly: bool = False) -> bool:
    """Whether a value of a type may be cast to another, as far as both are known."""
    of, to = family(kind), family(target)
    if of not in _CASTABLE or to in (Family.VARIANT, Family.OTHER):
        return True
    if to is Family.TEXT:
        return not (implicitly and of is Family.BINARY)
    if implicitly and of is Family.NUMBER and to in _DATED:
        return False
    return to in _CASTABLE[of]
