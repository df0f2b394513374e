"""Snowflake's data types, and the DuckDB types that hold them.

Source: docs.snowflake.com/en/sql-reference/intro-summary-data-types.
"""

from __future__ import annotations

import re

from sqlglot import exp

from local_snowflake.errors import refuse

DType = exp.DataType.Type

_INTEGERS = {DType.INT, DType.BIGINT, DType.SMALLINT, DType.TINYINT, DType.MEDIUMINT, DType.INT128}
_FLOATS = {DType.FLOAT, DType.DOUBLE}
_TEXTS = {DType.VARCHAR, DType.TEXT, DType.CHAR, DType.NCHAR, DType.NVARCHAR}
_BINARIES = {DType.BINARY, DType.VARBINARY}
_NTZ = {DType.TIMESTAMP, DType.TIMESTAMPNTZ, DType.DATETIME}
_VARIANTS = {DType.VARIANT, DType.OBJECT, DType.ARRAY, DType.JSON}

TIMESTAMP_TZ = "STRUCT(t TIMESTAMP, o SMALLINT)"
"""DuckDB's type of TIMESTAMP_TZ: the time in UTC, and the offset in minutes."""

VARCHAR_LENGTH = 16_777_216
BINARY_LENGTH = 8_388_608


def _parameters(kind: exp.DataType) -> list[int]:
    return [int(parameter.this.name) for parameter in kind.expressions if isinstance(parameter, exp.DataTypeParam)]


def _decimal(precision: int, scale: int) -> str:
    if precision > 38 or scale > min(precision, 37):
        refuse(f"NUMBER({precision},{scale}); a NUMBER has 1 to 38 digits, 0 to 37 of them after the point")
    # NUMBER(38,0) is a BIGINT: a value beyond 64 bits is an error, never a wrong answer
    return "BIGINT" if scale == 0 and precision == 38 else f"DECIMAL({precision},{scale})"


def to_duckdb(kind: exp.DataType) -> str:
    """The DuckDB type for a declared Snowflake type.

    Raises:
        SnowflakeError: a type the local warehouse does not have.
    """
    base, parameters = kind.this, _parameters(kind)
    if base is DType.DECIMAL:
        precision, scale = [*parameters, 38, 0][:2] if len(parameters) != 1 else (parameters[0], 0)
        return _decimal(precision, scale)
    if base in _NTZ:
        digits = parameters[0] if parameters else 9
        return "TIMESTAMP_S" if digits == 0 else "TIMESTAMP_MS" if digits <= 3 else "TIMESTAMP"
    for group, name in (
        (_INTEGERS, "BIGINT"),
        (_FLOATS, "DOUBLE"),
        (_TEXTS, "VARCHAR"),
        (_BINARIES, "BLOB"),
        (_VARIANTS, "JSON"),
        ({DType.BOOLEAN}, "BOOLEAN"),
        ({DType.DATE}, "DATE"),
        ({DType.TIME}, "TIME"),
        ({DType.TIMESTAMPLTZ}, "TIMESTAMPTZ"),
        ({DType.TIMESTAMPTZ}, TIMESTAMP_TZ),
    ):
        if base in group:
            return name
    return refuse(f"the data type {kind.sql('snowflake')}")


_KEPT_DIGITS = {"TIMESTAMP": 6, "TIMESTAMP_MS": 3, "TIMESTAMP_S": 0, "TIMESTAMPTZ": 6, "TIMESTAMP WITH TIME ZONE": 6,
                "TIME": 6, TIMESTAMP_TZ: 6}  # fmt: skip
"""Digits of a second that DuckDB's types keep."""


def digits_cut(kind: exp.DataType) -> str | None:
    """A template that cuts a time to the digits that are declared; None where its DuckDB type does."""
    parameters = _parameters(kind)
    held = to_duckdb(kind)
    return _cut(held, parameters[0]) if parameters and held in _KEPT_DIGITS else None


def _cut(kind: str, digits: int) -> str | None:
    macro = "sf_cut_zoned" if is_timestamp_tz(kind) else "sf_cut"
    return f"{macro}({{0}}, {10 ** (6 - digits)})" if digits < _KEPT_DIGITS[kind] else None


def declared(kind: exp.DataType) -> str:
    """The type as DESCRIBE TABLE shows it."""
    base, parameters = kind.this, _parameters(kind)
    if base in _TEXTS:
        default = 1 if base in (DType.CHAR, DType.NCHAR) else VARCHAR_LENGTH
        return f"VARCHAR({parameters[0] if parameters else default})"
    if base in _BINARIES:
        return f"BINARY({parameters[0] if parameters else BINARY_LENGTH})"
    digits = parameters[0] if parameters else 9
    if base in _NTZ:
        return f"TIMESTAMP_NTZ({digits})"
    if base is DType.TIMESTAMPLTZ:
        return f"TIMESTAMP_LTZ({digits})"
    if base is DType.TIMESTAMPTZ:
        return f"TIMESTAMP_TZ({digits})"
    if base is DType.TIME:
        return f"TIME({digits})"
    if base in (DType.OBJECT, DType.ARRAY):
        return str(base.value)
    return from_duckdb(to_duckdb(kind))


def from_duckdb(kind: str) -> str:
    """The Snowflake type of a DuckDB column or expression whose declared type is not recorded."""
    if is_timestamp_tz(kind):
        return "TIMESTAMP_TZ(9)"
    if kind.startswith("DECIMAL"):
        return kind.replace("DECIMAL", "NUMBER").replace(" ", "")
    if kind in ("BIGINT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT"):
        return "NUMBER(38,0)"
    return {
        "VARCHAR": f"VARCHAR({VARCHAR_LENGTH})",
        "NULL": f"VARCHAR({VARCHAR_LENGTH})",
        '"NULL"': f"VARCHAR({VARCHAR_LENGTH})",
        "DOUBLE": "FLOAT",
        "FLOAT": "FLOAT",
        "BLOB": f"BINARY({BINARY_LENGTH})",
        "JSON": "VARIANT",
        "TIME": "TIME(9)",
        "TIMESTAMP": "TIMESTAMP_NTZ(9)",
        "TIMESTAMP_MS": "TIMESTAMP_NTZ(3)",
        "TIMESTAMP_S": "TIMESTAMP_NTZ(0)",
        "TIMESTAMP_NS": "TIMESTAMP_NTZ(9)",
        "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ(9)",
    }.get(kind, kind)


_LONGEST = {"VARCHAR": VARCHAR_LENGTH, "BLOB": BINARY_LENGTH}


def limited(kind: str, shown: str | None) -> str:
    """A column's DuckDB type: a VARCHAR or BLOB with its length unless that is the longest, a time with its digits.

    The digits are written as in "TIMESTAMP~4", where the type would keep more.
    """
    digits = re.fullmatch(r"TIME(?:STAMP_\w+)?\((\d)\)", shown or "")
    if digits and kind in _KEPT_DIGITS:
        return f"{kind}~{digits[1]}" if int(digits[1]) < _KEPT_DIGITS[kind] else kind
    length = length_of(shown) if shown and kind in _LONGEST else None
    return f"{kind}({length})" if length and length < _LONGEST[kind] else kind


def length_of(kind: str) -> int | None:
    """The length of VARCHAR(n) and BINARY(n)."""
    found = re.fullmatch(r"(?:VARCHAR|BINARY)\((\d+)\)", kind)
    return int(found[1]) if found else None


def limit_of(kind: str) -> tuple[str, str] | None:
    """Of a type that `limited` gives: the one without a length, and a template that fails for values beyond it.

    Of a time it is the type without its digits, and a template that cuts values to these.
    """
    plain, mark, digits = kind.partition("~")
    if mark:
        return plain, _cut(plain, int(digits)) or "{0}"
    found = re.fullmatch(r"(VARCHAR|BLOB)\((\d+)\)", kind)
    macro = "sf_fitting" if found and found[1] == "VARCHAR" else "sf_fitting_binary"
    return (found[1], f"{macro}({{0}}, {found[2]})") if found else None


def is_timestamp_tz(kind: str | None) -> bool:
    """Whether it is a TIMESTAMP_TZ, however DuckDB or sqlglot spaces it."""
    return kind is not None and kind.replace(", ", ",") == TIMESTAMP_TZ.replace(", ", ",")


def is_instant(kind: str | None) -> bool:
    """Whether it is a TIMESTAMP_LTZ, as DuckDB or sqlglot writes it."""
    return kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")


def is_text(kind: str | None) -> bool:
    return kind in ("VARCHAR", "NULL", '"NULL"')


def is_float(kind: str | None) -> bool:
    return kind in ("DOUBLE", "FLOAT")


def scale_of(kind: str | None) -> int | None:
    """Digits after the point of an exact number; None for any other type."""
    if kind is None:
        return None
    if kind.endswith(("BIGINT", "HUGEINT", "INTEGER", "SMALLINT", "TINYINT")):
        return 0
    found = re.fullmatch(r"DECIMAL\((\d+),\s?(\d+)\)", kind)
    return int(found[2]) if found else None
