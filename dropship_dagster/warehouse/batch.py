"""Messages of one topic on their way into RAW, as a Parquet file.

The loader never looks into a message. The one thing it tells apart is whether a value is UTF-8, which the warehouse
has no forgiving function for; whether it is JSON is for the warehouse to say.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dropship_dagster.stream import FetchedBatch


@dataclass(frozen=True)
class Range:
    """Offsets of a partition from `start` to before `end`, and how many messages they held."""

    partition: int
    start: int
    end: int
    rows: int


@dataclass(frozen=True)
class Gap:
    """Offsets of a partition from `start` to before `end` that hold no message."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True)
class LoadedTopic:
    """A topic that is being loaded: its id when loading began, and the RAW table it goes to, without schema."""

    name: str
    topic_id: str
    table: str


@dataclass(frozen=True)
class EncodedBatch:
    """A batch ready for the stage.

    Attributes:
        batch_id: its identity, in RAW.*.BATCH_ID and OPS.LOADS.
        topic: where it comes from and goes to.
        ranges: what it covers, a range a partition, from the expected offset on.
        gaps: offsets in the ranges that hold no message (transaction markers, compacted records).
        rows: messages.
        size: bytes of keys and values.
        parquet: the file.
        fetch_seconds, encode_seconds: how long fetching and encoding took.
    """

    batch_id: str
    topic: LoadedTopic
    ranges: tuple[Range, ...]
    gaps: tuple[Gap, ...]
    rows: int
    size: int
    parquet: bytes
    fetch_seconds: float
    encode_seconds: float


def encode(
    fetched: FetchedBatch, topic: LoadedTopic, expected: Mapping[int, int], fetch_seconds: float
) -> EncodedBatch | None:
    """The topic's messages of a fetch as a Parquet file; None when its partitions did not move.

    Args:
        fetched: messages of any number of topics.
        topic: the one to take out.
        expected: for each of its partitions the offset after the last loaded one.
        fetch_seconds: how long the fetch took.
    """
    began = time.monotonic()
    rows = fetched.rows
    if len({place[0] for place in fetched.next_offsets}) > 1:
        rows = rows.filter(pc.equal(rows["topic"], topic.name))
    ends = {place[1]: end for place, end in fetched.next_offsets.items() if place[0] == topic.name}
    ranges, gaps = _cover(rows, expected, ends)
    if not ranges:
        return None
    batch_id = str(uuid.uuid4())
    return EncodedBatch(
        batch_id=batch_id,
        topic=topic,
        ranges=tuple(ranges),
        gaps=tuple(gaps),
        rows=rows.num_rows,
        size=_size(rows["key"]) + _size(rows["value"]),
        parquet=_parquet(rows, topic, batch_id),
        fetch_seconds=fetch_seconds,
        encode_seconds=time.monotonic() - began,
    )


def _cover(rows: pa.Table, expected: Mapping[int, int], ends: Mapping[int, int]) -> tuple[list[Range], list[Gap]]:
    partitions, offsets = rows["partition"].to_numpy(), rows["offset"].to_numpy()
    ranges, gaps = [], []
    for partition, start in sorted(expected.items()):
        end = ends.get(partition, start)
        if end <= start:
            continue
        here = offsets[partitions == partition]
        ranges.append(Range(partition, start, end, len(here)))
        gaps += [Gap(partition, low, high) for low, high in _holes(here, start, end)]
    return ranges, gaps


def _holes(offsets: npt.NDArray[np.int64], start: int, end: int) -> list[tuple[int, int]]:
    """The offsets from `start` to before `end` that are not among the rising `offsets`, as ranges."""
    if len(offsets) == end - start:
        return []
    bounds = np.concatenate(([start - 1], offsets, [end]))
    before = np.flatnonzero(np.diff(bounds) > 1)
    return [(int(bounds[index]) + 1, int(bounds[index + 1])) for index in before]


def _parquet(rows: pa.Table, topic: LoadedTopic, batch_id: str) -> bytes:
    table = pa.table(
        {
            "TOPIC": _constant(topic.name, rows.num_rows),
            "TOPIC_ID": _constant(topic.topic_id, rows.num_rows),
            "KAFKA_PARTITION": rows["partition"],
            "KAFKA_OFFSET": rows["offset"],
            "KEY": rows["key"],
            "VALUE": rows["value"],
            "VALUE_TEXT": _text(rows["value"]),
            "HEADERS": rows["headers"],
            "KAFKA_TIMESTAMP": rows["timestamp"].cast(pa.int64()),
            "BATCH_ID": _constant(batch_id, rows.num_rows),
        }
    )
    file = io.BytesIO()
    dictionary = ["TOPIC", "TOPIC_ID", "HEADERS", "BATCH_ID"]
    pq.write_table(table, file, compression="snappy", use_dictionary=dictionary, write_statistics=False)
    return file.getvalue()


def _constant(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text])


def _text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values as text, NULL where one is not UTF-8."""
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.chunked_array([[_utf8(value) for value in values.to_pylist()]], pa.string())


def _utf8(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _size(column: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.binary_length(column)).as_py() or 0)
