"""Values on their way into a column: conversions that Snowflake makes, or refuses, and DuckDB makes differently."""

from __future__ import annotations

from dropship_dagster.embedded.snowflake.errors import Code, SnowflakeError, value_count
from dropship_dagster.embedded.snowflake.session.session import Session
from dropship_dagster.embedded.snowflake.syntax.names import quote
from dropship_dagster.embedded.snowflake.translate.datatypes import from_duckdb, is_float, is_text, is_zoned, limit_of


def fit(session: Session, query: str, target: list[tuple[str, str]], *, loading: bool = True) -> str:
    """A query whose columns are of the target's types.

    Args:
        target: (name, DuckDB type) of the columns that are written, in the query's order.
        loading: COPY, which makes text a VARIANT of a string; DML refuses it.

    Raises:
        SnowflakeError: 002023, types that do not fit; 002020, another number of columns.
    """
    kinds = session.probe.types_of(query)
    if kinds is None:
        return query  # DuckDB will say why
    if len(kinds) != len(target):
        raise value_count(len(target), len(kinds))
    values = [
        converted(f"v.c{index}", kind, name, wanted, loading=loading)
        for index, (kind, (name, wanted)) in enumerate(zip(kinds, target, strict=True))
    ]
    if values == [f"v.c{index}" for index in range(len(kinds))]:
        return query
    names = ", ".join(f"c{index}" for index in range(len(kinds)))
    listed = ", ".join(f"{value} AS {quote(name)}" for value, (name, _) in zip(values, target, strict=True))
    return f"SELECT {listed} FROM ({query}) AS v({names})"


def converted(value: str, kind: str, name: str, wanted: str, *, loading: bool) -> str:
    """A DuckDB expression of a type, as one of the type that a column wants."""
    if limit := limit_of(wanted):
        plain, fitting = limit
        return fitting.format(f"CAST({converted(value, kind, name, plain, loading=loading)} AS {plain})")
    if wanted == "JSON" and kind not in ("JSON", '"NULL"'):
        if not loading:
            raise SnowflakeError(
                "SQL compilation error:\nExpression type does not match column data type, expecting VARIANT but got "
                f"{from_duckdb(kind)} for column {name}",
                Code.TYPE_MISMATCH,
                "22000",
            )
        return f"to_json({value})"
    if kind == "JSON" and wanted != "JSON":
        text = f"({value} ->> '$')"
        if is_zoned(wanted):
            return f"sf_zoned_text({text})"
        return text if wanted == "VARCHAR" else f"CAST({text} AS {wanted})"
    if is_text(kind) and kind == "VARCHAR":
        if is_zoned(wanted):
            return f"sf_zoned_text({value})"
        if wanted == "BLOB":
            return f"from_hex({value})"
        if wanted == "BIGINT" or wanted.startswith("DECIMAL"):
            return f"CAST(sf_number_text({value}) AS {wanted})"
        if wanted == "BOOLEAN":
            return f"sf_boolean({value})"
        if wanted == "DATE":
            return f"sf_date({value})"
        if wanted == "TIMESTAMP WITH TIME ZONE":
            return f"sf_timestamptz({value})"
        if wanted.startswith("TIMESTAMP"):
            return _shortened(f"sf_timestamp({value})", wanted)
    if is_float(kind) and wanted == "BIGINT":
        return f"CAST(round({value}) AS BIGINT)"
    if wanted in _CUT and kind.startswith("TIMESTAMP"):
        return _shortened(f"CAST({value} AS TIMESTAMP)", wanted)
    if is_zoned(kind) and wanted != "VARCHAR" and not is_zoned(wanted):
        return _of_zoned(value, kind, name, wanted)
    if is_zoned(wanted) and (kind == "DATE" or kind.startswith("TIMESTAMP")):
        return f"sf_zoned_instant(CAST({value} AS TIMESTAMPTZ))"
    if wanted == "VARCHAR":
        return _as_text(value, kind)
    return value


def _of_zoned(value: str, kind: str, name: str, wanted: str) -> str:
    """A TIMESTAMP_TZ as an instant, or as what its own clock shows."""
    if wanted == "TIMESTAMP WITH TIME ZONE":
        return f"sf_instant_of({value})"
    if wanted in ("DATE", "TIME") or wanted.startswith("TIMESTAMP"):
        return _shortened(f"CAST(sf_wall_of({value}) AS {'TIMESTAMP' if wanted in _CUT else wanted})", wanted)
    raise SnowflakeError(
        f"SQL compilation error:\nExpression type does not match column data type, expecting {from_duckdb(wanted)} "
        f"but got {from_duckdb(kind)} for column {name}",
        Code.TYPE_MISMATCH,
        "22000",
    )


def _as_text(value: str, kind: str) -> str:
    """What a cast to VARCHAR gives (translate/rules.py)."""
    if kind == "BLOB":
        return f"hex({value})"
    if is_float(kind):
        return f"sf_text_of_double({value})"
    if is_zoned(kind):
        return f"sf_text_of_zoned({value})"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"sf_text_of_timestamptz({value})"
    return f"sf_text_of_timestamp(CAST({value} AS TIMESTAMP))" if kind.startswith("TIMESTAMP") else value


_CUT = {"TIMESTAMP_MS": "milliseconds", "TIMESTAMP_S": "second"}


def _shortened(timestamp: str, wanted: str) -> str:
    """A TIMESTAMP cut, not rounded, to the digits that the column keeps."""
    return f"CAST(date_trunc('{_CUT[wanted]}', {timestamp}) AS {wanted})" if wanted in _CUT else timestamp
