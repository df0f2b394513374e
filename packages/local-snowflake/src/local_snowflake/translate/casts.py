"""The rules of conversion between types, as templates of DuckDB SQL; the macros they call are in engine/macros.sql.

CAST (rules.py) and values on their way into a column (statements/dml/coercion.py) follow the same rules.
Source: docs.snowflake.com/en/sql-reference/data-type-conversion.
"""

from __future__ import annotations

from local_snowflake.translate.datatypes import is_float, is_instant, is_text, is_timestamp_tz

_DIGITS = {"TIMESTAMP_MS": "milliseconds", "TIMESTAMP_S": "second"}


def conversion(kind: str, target: str, *, safe: bool = False) -> str | None:
    """How a value becomes one of another type.

    Args:
        kind: the value's DuckDB type.
        target: the DuckDB type wanted.
        safe: NULL for a value that cannot be converted, as TRY_CAST gives.

    Returns:
        A template with {0} for the value; None where there is no rule but DuckDB's own cast.
    """
    if is_timestamp_tz(target):
        return _to_timestamp_tz(kind, safe=safe)
    if target == "JSON":
        return None if kind == "JSON" else f"to_json({text_of(kind) if is_shown(kind) else '{0}'})"
    if target == "VARCHAR":
        return text_of(kind)
    if is_timestamp_tz(kind):
        return _of_timestamp_tz(target)
    if is_text(kind):
        return _of_text(target, safe=safe)
    cast = "TRY_CAST" if safe else "CAST"
    if is_float(kind) and target == "BIGINT":
        return f"{cast}(round({{0}}) AS BIGINT)"
    if kind.startswith(("DATE", "TIMESTAMP")) and _is_timestamp(target):
        return shortened(f"{cast}({{0}} AS TIMESTAMP)", target)
    return None


def epoch(number: str, scale: int, target: str) -> str:
    """A number of units since 1970 as a time: an instant, whatever the session's time zone."""
    timestamp = f"sf_epoch_scaled({number}, {scale})"
    return f"({timestamp} AT TIME ZONE 'UTC')" if is_instant(target) else f"CAST({timestamp} AS {target})"


def is_shown(kind: str) -> bool:
    """Whether a value is a string in a VARIANT, which DuckDB would write in its own way."""
    return kind == "BLOB" or is_timestamp_tz(kind) or kind.startswith("TIMESTAMP")


def text_of(kind: str) -> str | None:
    """How a value becomes text; None for DuckDB's own way."""
    if kind == "BLOB":
        return "hex({0})"
    if is_timestamp_tz(kind):
        return "sf_text_of_zoned({0})"
    if is_float(kind):
        return "sf_text_of_double({0})"
    if is_instant(kind):
        return "sf_text_of_timestamptz({0})"
    return "sf_text_of_timestamp(CAST({0} AS TIMESTAMP))" if kind.startswith("TIMESTAMP") else None


def shortened(timestamp: str, target: str) -> str:
    """A TIMESTAMP cut to the digits of its type; Snowflake truncates where DuckDB rounds."""
    return f"CAST(date_trunc('{_DIGITS[target]}', {timestamp}) AS {target})" if target in _DIGITS else timestamp


def _is_timestamp(target: str) -> bool:
    return target.startswith("TIMESTAMP") and not is_instant(target)


def _of_text(target: str, *, safe: bool) -> str | None:
    cast, tried = ("TRY_CAST", "try_") if safe else ("CAST", "")
    if target == "BOOLEAN":
        return f"sf_{tried}boolean({{0}})"
    if target == "DATE":
        return f"sf_{tried}date({{0}})"
    if target == "TIME":
        return f"sf_{tried}time({{0}})"
    if is_instant(target):
        return f"sf_{tried}timestamptz({{0}})"
    if _is_timestamp(target):
        return shortened(f"sf_{tried}timestamp({{0}})", target)
    if target == "BLOB":
        return "TRY(from_hex({0}))" if safe else "from_hex({0})"
    if target == "BIGINT" or target.startswith("DECIMAL"):
        return f"{cast}(sf_{tried}number_text({{0}}) AS {target})"
    if is_float(target):
        return f"{cast}(sf_{tried}float_text({{0}}) AS {target})"
    return None


def _to_timestamp_tz(kind: str, *, safe: bool) -> str | None:
    """One without an offset has that of the session's time zone."""
    if is_timestamp_tz(kind):
        return None
    if is_text(kind):
        return "sf_try_zoned_text({0})" if safe else "sf_zoned_text({0})"
    return "sf_zoned_instant(CAST({0} AS TIMESTAMPTZ))" if kind.startswith(("DATE", "TIMESTAMP")) else None


def _of_timestamp_tz(target: str) -> str | None:
    """A TIMESTAMP_TZ as an instant, or as what its own clock shows."""
    if is_instant(target):
        return "sf_instant_of({0})"
    if target in ("DATE", "TIME"):
        return f"CAST(sf_wall_of({{0}}) AS {target})"
    return shortened("sf_wall_of({0})", target) if _is_timestamp(target) else None
