"""Conversions whose form depends on their arguments: numbers, times, texts and binaries, with formats.

Source: docs.snowflake.com/en/sql-reference/functions-conversion.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from local_snowflake.errors import invalid, refuse
from local_snowflake.syntax.names import literal
from local_snowflake.translate.casts import epoch
from local_snowflake.translate.datatypes import TIMESTAMP_TZ
from local_snowflake.translate.templates import Arguments, cast_to, fill

Builder = Callable[[Arguments], exp.Expr]


def cast(kind: str, *, safe: bool = False) -> Builder:
    """TO_DOUBLE(x) and the others that are a cast."""

    def build(arguments: Arguments) -> exp.Expr:
        return cast_to(arguments[0], kind, safe=safe)

    return build


def _literal_text(argument: exp.Expr, function: str) -> str:
    if not (isinstance(argument, exp.Literal) and argument.is_string):
        refuse(f"a format of {function} that is not a constant")
    return str(argument.this)


def _integer(argument: exp.Expr, function: str) -> int:
    if not (isinstance(argument, exp.Literal) and argument.is_int):
        refuse(f"a precision or scale of {function} that is not a constant")
    return int(argument.this)


_NUMBER_DEFAULT = (38, 0)


def number(name: str, *, safe: bool) -> Builder:
    """TO_NUMBER(x [, precision [, scale]]); a format model is refused."""

    def build(arguments: Arguments) -> exp.Expr:
        operand, *rest = arguments
        if rest and isinstance(rest[0], exp.Literal) and rest[0].is_string:
            refuse(f"a format model in {name}")
        sizes = [_integer(argument, name) for argument in rest]
        precision, scale = (sizes + list(_NUMBER_DEFAULT)[len(sizes) :])[:2]
        kind = "BIGINT" if (precision, scale) == _NUMBER_DEFAULT else f"DECIMAL({precision},{scale})"
        return cast_to(operand, kind, safe=safe)

    return build


# Snowflake's format elements, longest first; docs.snowflake.com/en/sql-reference/functions-conversion
_FORMAT_ELEMENTS = [
    ("YYYY", "%Y"), ("YY", "%y"), ("MMMM", "%B"), ("MON", "%b"), ("MM", "%m"), ("DD", "%d"), ("DY", "%a"),
    ("HH24", "%H"), ("HH12", "%I"), ("AM", "%p"), ("PM", "%p"), ("MI", "%M"), ("SS", "%S"),
    ("FF3", "%g"), ("FF6", "%f"), ("FF9", "%n"), ("FF", "%n"), ("TZHTZM", "%z"), ("TZH:TZM", "%z"), ("TZD", "%Z"),
]  # fmt: skip


def strftime_format(model: str) -> str:
    """Snowflake's date and time format as a strftime format."""
    out, at = "", 0
    while at < len(model):
        if model[at] == '"':
            end = model.find('"', at + 1)
            if end < 0:
                raise invalid(f"unclosed quote in format '{model}'")
            out, at = out + model[at + 1 : end], end + 1
            continue
        rest = model[at:].upper()
        if rest[:2] == "FF" and rest[2:3].isdigit() and rest[2] not in "369":
            refuse(f"the format element '{rest[:3]}' of '{model}'; it is FF3, FF6 or FF9")
        element = next((pair for pair in _FORMAT_ELEMENTS if rest.startswith(pair[0])), None)
        if element:
            out, at = out + element[1], at + len(element[0])
        elif model[at].isalpha() and model[at] != "T":
            refuse(f"the format element at '{model[at:]}' of '{model}'")
        else:
            out, at = out + model[at].replace("%", "%%"), at + 1
    return out


def time_of(name: str, kind: str, *, safe: bool) -> Builder:
    """TO_TIMESTAMP_NTZ and its family: (x), (number, scale) or (text, format)."""

    def build(arguments: Arguments) -> exp.Expr:
        operand, *rest = arguments
        if not rest:
            return cast_to(operand, kind, safe=safe)
        if isinstance(rest[0], exp.Literal) and rest[0].is_int:
            instant = epoch("{0}", _integer(rest[0], name), kind)
            return fill(f"TRY({instant})" if safe else instant, [operand])
        model = _literal_text(rest[0], name)
        if model.upper() == "AUTO":
            return cast_to(operand, kind, safe=safe)
        parse = "try_strptime" if safe else "strptime"
        pattern = strftime_format(model).replace("'", "''")
        return fill(f"CAST({parse}({{0}}, '{pattern}') AS {kind})", [operand])

    return build


def timestamp_tz(*, safe: bool) -> Builder:
    """TO_TIMESTAMP_TZ(x)."""

    def build(arguments: Arguments) -> exp.Expr:
        if len(arguments) > 1:
            refuse("TO_TIMESTAMP_TZ with a format or scale")
        return cast_to(arguments[0], TIMESTAMP_TZ, safe=safe)

    return build


def convert_timezone(arguments: Arguments) -> exp.Expr:
    """CONVERT_TIMEZONE(source_tz, target_tz, ntz), a TIMESTAMP_NTZ; (target_tz, timestamp), a TIMESTAMP_TZ."""
    if len(arguments) == 3:
        return fill("(CAST({2} AS TIMESTAMP) AT TIME ZONE {0}) AT TIME ZONE {1}", arguments)
    if len(arguments) != 2:
        raise invalid("CONVERT_TIMEZONE takes 2 or 3 arguments")
    return fill("sf_in_zone({0}, {1})", [cast_to(arguments[1], "TIMESTAMPTZ"), arguments[0]])


_OFFSET_ELEMENTS = re.compile(r'((?:"[^"]*"|(?!TZ[HMD])[^"])+)|(TZHTZM|TZH:TZM|TZH|TZM)', re.IGNORECASE)
_OFFSETS = {
    "TZHTZM": "sf_text_of_offset(sf_offset({0}))",
    "TZH:TZM": "left(sf_text_of_offset(sf_offset({0})), 3) || ':' || right(sf_text_of_offset(sf_offset({0})), 2)",
    "TZH": "left(sf_text_of_offset(sf_offset({0})), 3)",
    "TZM": "right(sf_text_of_offset(sf_offset({0})), 2)",
}
"""Elements of a format that show the offset from UTC."""


def _shown(part: str) -> str:
    """The template of a part of a format."""
    offset = _OFFSETS.get(part.upper())
    return offset or f"strftime(sf_wall({{0}}), {_doubled(literal(strftime_format(part)))})"


def _doubled(text: str) -> str:
    """A text in a template, whose braces are none of the template's."""
    return text.replace("{", "{{").replace("}", "}}")


def varchar(arguments: Arguments) -> exp.Expr:
    """TO_VARCHAR(x), (binary, 'UTF-8' | 'HEX' | 'BASE64'), (time, format)."""
    operand, *rest = arguments
    if not rest:
        return cast_to(operand, "VARCHAR")
    model = _literal_text(rest[0], "TO_VARCHAR")
    match model.upper():
        case "UTF-8" | "UTF8":
            return fill("decode({0})", [operand])
        case "HEX":
            return fill("hex({0})", [operand])
        case "BASE64":
            return fill("to_base64({0})", [operand])
    if any(element in model.upper() for element in ("9", "0", "TM", "$", "X")) and "F" not in model.upper():
        refuse(f"the number format '{model}' of TO_VARCHAR")
    pieces = [_shown(part) for part in _OFFSET_ELEMENTS.split(model) if part]
    return fill(" || ".join(pieces), [operand])


def binary(*, safe: bool) -> Builder:
    """TO_BINARY(x [, 'HEX' | 'BASE64' | 'UTF-8'])."""

    def build(arguments: Arguments) -> exp.Expr:
        operand, *rest = arguments
        model = _literal_text(rest[0], "TO_BINARY").upper() if rest else "HEX"
        convert = {"HEX": "from_hex", "BASE64": "from_base64", "UTF-8": "encode", "UTF8": "encode"}.get(model)
        if convert is None:
            raise invalid(f"invalid format '{model}' of TO_BINARY; it is HEX, BASE64 or UTF-8")
        return fill(f"TRY({convert}({{0}}))" if safe else f"{convert}({{0}})", [operand])

    return build
