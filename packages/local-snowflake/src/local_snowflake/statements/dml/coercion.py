"""Coercion: values on their way into a column, converted as Snowflake does implicitly, or refused."""

from __future__ import annotations

from local_snowflake.errors import type_mismatch, value_count
from local_snowflake.session.session import Session
from local_snowflake.syntax.names import quote
from local_snowflake.translate.casts import conversion
from local_snowflake.translate.datatypes import from_duckdb, is_timestamp_tz, limit_of
from local_snowflake.translate.implicit import is_castable


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
    """A DuckDB expression of a type, as one of the type that a column wants.

    Raises:
        SnowflakeError: 002023, there is no implicit conversion.
    """
    if limit := limit_of(wanted):
        plain, fitting = limit
        return fitting.format(f"CAST({converted(value, kind, name, plain, loading=loading)} AS {plain})")
    if kind == '"NULL"':
        return value
    if kind == "JSON" and wanted != "JSON":
        of_text = conversion("VARCHAR", wanted) or ("{0}" if wanted == "VARCHAR" else f"CAST({{0}} AS {wanted})")
        return of_text.format(f"({value} ->> '$')")
    if wanted == "JSON" and kind != "JSON" and not loading:
        raise type_mismatch("VARIANT", from_duckdb(kind), name)
    if not is_castable(kind, wanted, implicitly=not loading):
        raise type_mismatch(from_duckdb(wanted), from_duckdb(kind), name)
    template = None if kind == wanted else conversion(kind, wanted)
    if template is None and is_timestamp_tz(kind) and not is_timestamp_tz(wanted):
        raise type_mismatch(from_duckdb(wanted), from_duckdb(kind), name)
    return template.format(value) if template is not None else value
