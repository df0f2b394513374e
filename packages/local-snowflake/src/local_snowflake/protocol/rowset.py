"""Results as the connectors read them: row types, Arrow with Snowflake's metadata, JSON for DML."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from local_snowflake.errors import full, refuse
from local_snowflake.results import Column, Result
from local_snowflake.translate.datatypes import (
    BINARY_LENGTH,
    VARCHAR_LENGTH,
    is_timestamp_tz,
    scale_of,
)

Json = dict[str, Any]

# DuckDB type -> (type on the wire, digits of a fraction of a second)
_TIMES = {
    "TIMESTAMP": ("timestamp_ntz", 6),
    "TIMESTAMP_NS": ("timestamp_ntz", 9),
    "TIMESTAMP_MS": ("timestamp_ntz", 3),
    "TIMESTAMP_S": ("timestamp_ntz", 0),
    "TIMESTAMP WITH TIME ZONE": ("timestamp_ltz", 6),
    "TIME": ("time", 6),
}
_PLAIN = {"VARCHAR": "text", '"NULL"': "text", "NULL": "text", "BOOLEAN": "boolean", "DOUBLE": "real", "FLOAT": "real",
          "DATE": "date", "BLOB": "binary", "JSON": "variant"}  # fmt: skip


def row_type(column: Column) -> Json:
    """A column's description.

    Raises:
        SnowflakeError: an expression of a type that Snowflake does not have.
    """
    info: Json = {
        "name": column.name, "database": "", "schema": "", "table": "", "nullable": True, "byteLength": None,
        "length": None, "precision": None, "scale": None, "collation": None,
    }  # fmt: skip
    scale = scale_of(column.kind)
    if scale is not None:
        precision = int(column.kind[8:].split(",")[0]) if column.kind.startswith("DECIMAL") else 38
        return info | {"type": "fixed", "precision": precision, "scale": scale}
    if column.kind in _TIMES:
        kind, digits = _TIMES[column.kind]
        return info | {"type": kind, "precision": 0, "scale": digits}
    if is_timestamp_tz(column.kind):
        return info | {"type": "timestamp_tz", "precision": 0, "scale": 6}
    plain = _PLAIN.get(column.kind)
    if plain is None:
        refuse(f"a result column of DuckDB's type {column.kind} ({column.name}); cast it to a type of Snowflake")
    if plain == "text":
        return info | {"type": plain, "length": VARCHAR_LENGTH, "byteLength": VARCHAR_LENGTH}
    if plain == "binary":
        return info | {"type": plain, "length": BINARY_LENGTH, "byteLength": BINARY_LENGTH}
    return info | {"type": plain}


def _field(info: Json, kind: pa.DataType) -> pa.Field:
    metadata = {
        "logicalType": info["type"].upper(),
        "precision": str(info["precision"] or 38),
        "scale": str(info["scale"] or 0),
        "charLength": str(info["length"] or 0),
    }
    return pa.field(info["name"], kind, metadata=metadata)


def _array(array: pa.Array, info: Json) -> pa.Array:
    kind = array.type
    if info["type"] in ("timestamp_ntz", "timestamp_ltz", "time"):
        return array.cast(pa.int64())
    if info["type"] == "timestamp_tz":
        return _timestamp_tz(array)
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if info["type"] == "fixed" and pa.types.is_decimal128(kind) and 0 < info["precision"] <= _INT64_DIGITS:
        return _unscaled(array)
    if info["type"] == "fixed" and pa.types.is_integer(kind) and kind != pa.int64():
        return pc.cast(array, pa.int64() if kind != pa.uint64() else pa.decimal128(20, 0))
    if info["type"] == "real" and kind != pa.float64():
        return array.cast(pa.float64())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    return array


_INT64_DIGITS = 18
"""Digits of a NUMBER that goes as a whole number with its scale beside it, of which clients make a FLOAT for pandas."""


def _unscaled(array: pa.Decimal128Array) -> pa.Array:
    """The digits of decimals without their point: the lower half of each."""
    values = np.frombuffer(array.buffers()[1], dtype="<i8")
    lower = values[2 * array.offset : 2 * (array.offset + len(array)) : 2]
    return pa.array(lower, mask=np.asarray(array.is_null()) if array.null_count else None)


_OFFSET_ZERO = pa.scalar(1440, pa.int32())
"""On the wire an offset is in minutes beyond a day before UTC."""


def _timestamp_tz(array: pa.StructArray) -> pa.Array:
    """TIMESTAMP_TZ: seconds since the epoch, nanoseconds, and the offset."""
    instant = array.field(0).cast(pa.int64())
    seconds = pc.divide(pc.subtract(instant, _modulo(instant)), 1_000_000)
    fraction = pc.cast(pc.multiply(_modulo(instant), 1000), pa.int32())
    offset = pc.add(pc.cast(array.field(1), pa.int32()), _OFFSET_ZERO)
    return pa.StructArray.from_arrays(
        [seconds, fraction, offset], names=["epoch", "fraction", "timezone"], mask=array.is_null()
    )


def _modulo(microseconds: pa.Array) -> pa.Array:
    """Microseconds within their second, also before 1970."""
    whole = pc.multiply(pc.divide(microseconds, 1_000_000), 1_000_000)
    rest = pc.subtract(microseconds, whole)
    return pc.if_else(pc.less(rest, 0), pc.add(rest, 1_000_000), rest)


def _stream(batch: pa.RecordBatch, infos: list[Json]) -> bytes:
    """A batch as an Arrow stream with the metadata the connectors need."""
    arrays = [_array(column, info) for column, info in zip(batch.columns, infos, strict=True)]
    fields = [_field(info, array.type) for info, array in zip(infos, arrays, strict=True)]
    schema = pa.schema(fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
JSON_ROWS = 200_000
"""Rows that a result without Arrow may have, as it is in memory as a whole."""


def _seconds(value: int, unit: int, digits: int) -> str:
    """Seconds since 1970 or midnight, with as many digits after the point as the type has."""
    seconds, rest = divmod(abs(value), unit)
    fraction = f"{rest * (1_000_000_000 // unit):09d}"[:digits]
    return f"{'-' if value < 0 else ''}{seconds}{'.' if digits else ''}{fraction}"


def _texts(array: pa.Array, info: Json) -> list[str | None]:
    """A column's values as the texts of a JSON rowset."""
    shown: Callable[[Any], str] = str
    match info["type"]:
        case "timestamp_ntz" | "timestamp_ltz" | "time":
            unit = _UNITS[array.type.unit]
            array = array.cast(pa.int64())

            def shown(value: int) -> str:
                return _seconds(value, unit, info["scale"])

        case "timestamp_tz":
            array = _timestamp_tz(array)

            def shown(value: Any) -> str:
                return (
                    f"{_seconds(value['epoch'] * 10**9 + value['fraction'], 10**9, info['scale'])} {value['timezone']}"
                )

        case "date":
            array = array.cast(pa.int32())
        case "boolean":

            def shown(value: bool) -> str:
                return str(int(value))

        case "binary":

            def shown(value: bytes) -> str:
                return value.hex().upper()

    return [None if value is None else shown(value) for value in array.to_pylist()]


def _encode_json(result: Result, head: Json, infos: list[Json]) -> Json:
    """The whole result in the response, for clients that read no Arrow."""
    rows: list[list[str | None]] = []
    for batch in result.batches:
        columns = [_texts(column, info) for column, info in zip(batch.columns, infos, strict=True)]
        rows.extend(map(list, zip(*columns, strict=True)))
        if len(rows) > JSON_ROWS:
            refuse(
                f"a result of more than {JSON_ROWS} rows as JSON (QUERY_RESULT_FORMAT); read it as Arrow, or use LIMIT"
            )
    return head | {"queryResultFormat": "json", "rowset": rows, "total": len(rows), "returned": len(rows)}


def encode(
    result: Result, query_id: str, folder: Path, chunk_url: Callable[[int], str], *, as_json: bool = False
) -> Json:  # fmt: skip
    """The data of a response. The first batch goes with it, further ones into files that the client fetches."""
    infos = [row_type(column) for column in result.columns]
    head: Json = {"rowtype": infos, "queryId": query_id, "statementTypeId": int(result.type)}
    if result.counts is not None:
        rows = [[str(count) for count in result.counts.values()]]
        return head | {"queryResultFormat": "json", "rowset": rows, "total": 1, "returned": 1}
    if as_json:
        return _encode_json(result, head, infos)
    first = next(result.batches, None)
    chunks: list[Json] = []
    total = first.num_rows if first is not None else 0
    for index, batch in enumerate(result.batches):
        content = _stream(batch, infos)
        try:
            (folder / f"{query_id}.{index}").write_bytes(content)
        except OSError as error:
            raise full(str(error.strerror)) from error
        total += batch.num_rows
        chunks.append({
            "url": chunk_url(index), "rowCount": batch.num_rows,
            "uncompressedSize": len(content), "compressedSize": len(content),
        })  # fmt: skip
    inline = b64encode(_stream(first, infos)).decode() if first is not None else ""
    answer = head | {"queryResultFormat": "arrow", "rowsetBase64": inline, "total": total, "returned": total}
    if chunks:
        answer |= {"chunks": chunks, "chunkHeaders": {}, "qrmk": ""}
    return answer
