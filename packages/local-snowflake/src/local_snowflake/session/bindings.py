"""Bound parameters of a request, as constants of their type.

The wire sends every value as text: days and times as numbers since the epoch, binaries in hexadecimal.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from local_snowflake.engine.slots import Slot, SlotKind
from local_snowflake.errors import Code, SnowflakeError
from local_snowflake.syntax.names import literal
from local_snowflake.translate.templates import fill

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Values = Mapping[str, Mapping[str, Any]]
"""Parameter name ("1", "2", ... or a word) -> {"type": ..., "value": ...}."""


def _timestamp(nanoseconds: str) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=int(nanoseconds) // 1000)


def python_value(kind: str, value: str | None) -> object:
    """The value as Python has it; for batches that become an Arrow table."""
    if value is None:
        return None
    match kind:
        case "FIXED":
            return value
        case "REAL":
            return float(value)
        case "BOOLEAN":
            return value.lower() in ("true", "1")
        case "BINARY":
            return bytes.fromhex(value)
        case "DATE":
            return (_EPOCH + dt.timedelta(milliseconds=int(value))).date()
        case "TIME":
            return _timestamp(value).time()
        case "TIMESTAMP_NTZ":
            return _timestamp(value).replace(tzinfo=None)
        case "TIMESTAMP_LTZ":
            return _timestamp(value)
        case "TIMESTAMP_TZ":
            return _timestamp(value.partition(" ")[0])
        case _:
            return value


_DUCKDB = {
    "REAL": "DOUBLE", "DATE": "DATE", "TIME": "TIME", "TIMESTAMP_NTZ": "TIMESTAMP", "TIMESTAMP_LTZ": "TIMESTAMPTZ",
    "BOOLEAN": "BOOLEAN",
}  # fmt: skip


def constant(bindings: Values, name: str) -> exp.Expr:
    """The parameter as a constant of a translated tree.

    Raises:
        SnowflakeError: 002049, nothing is bound to it.
    """
    bound = bindings.get(name)
    if bound is None:
        raise SnowflakeError(f"SQL compilation error:\nBind variable :{name} not set.", Code.NOT_BOUND, "42601")
    kind, value = bound["type"], python_value(bound["type"], bound["value"])
    if value is None:
        return exp.null()
    if kind == "FIXED":
        number = exp.Literal.number(str(value).lstrip("-"))
        return exp.Paren(this=exp.Neg(this=number)) if str(value).startswith("-") else number
    if isinstance(value, bytes):
        return fill(f"from_hex('{value.hex()}')", [])
    if kind == "TIMESTAMP_TZ":
        offset = int(bound["value"].partition(" ")[2]) - 1440
        return fill(f"sf_zoned_of_utc(CAST('{value:%Y-%m-%d %H:%M:%S.%f}' AS TIMESTAMP), {offset})", [])
    target = _DUCKDB.get(kind)
    return _cast(exp.Literal.string(str(value)), target) if target else exp.Literal.string(str(value))


def _cast(node: exp.Expr, target: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(target, dialect="duckdb"))


_INTEGER = re.compile(r"-?\d{1,18}")


def slot(bindings: Values, name: str, *, numbers: bool) -> exp.Expr | None:
    """A slot for the parameter in a plan, of its value's type; None for a value that is to stand in the plan itself.

    Args:
        numbers: whole numbers may have one, too.
    """
    bound = bindings.get(name)
    if bound is None or bound["value"] is None:
        return None
    place = fill(Slot(SlotKind.BOUND_VALUE, name).call, [])
    if bound["type"] == "TEXT":
        return place
    if bound["type"] == "FIXED":
        target = "BIGINT" if numbers and _INTEGER.fullmatch(str(bound["value"])) else None
    else:
        target = _DUCKDB.get(bound["type"])
    return _cast(place, target) if target else None


def signature(bindings: Values) -> tuple[tuple[str, str, bool, bool], ...]:
    """What a plan depends on, of the parameters that have a slot in it."""
    return tuple(
        (name, bound["type"], bound["value"] is None, _INTEGER.fullmatch(str(bound["value"])) is not None)
        for name, bound in bindings.items()
    )


def slot_value(bindings: Values, name: str) -> str:
    """The value of a parameter for its slot, as a string constant of DuckDB."""
    bound = bindings[name]
    return literal(str(python_value(bound["type"], bound["value"])))
