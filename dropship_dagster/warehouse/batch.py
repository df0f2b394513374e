"""Messages of one topic on their way into RAW, as a Parquet file.

The loader never looks into a message. The one thing it tells apart is whether a value is UTF-8, which the warehouse
has no forgiving function for; whether it is JSON is for the warehouse to say.
"""

from __future__ import annotations

import io
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dropship_dagster.stream import FetchedBatch, PartitionReader

# What is held as Python's objects and Arrow's columns at a time.
_ROW_GROUP = 16_384
_ROW_GROUP_BYTES = 5 << 20
# What a batch's files may take, however little its messages can be compressed.
_FILE_BYTES = 24 << 20


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


@dataclass(frozen=True)
class Gathered:
    """What one round of fetching brought.

    batches: those whose partitions moved, one a topic at most. rows: their messages. next_offsets: of every assigned
    partition. at_end: every partition was read to the end it was asked for, or to its end.
    """

    batches: list[EncodedBatch]
    rows: int
    next_offsets: Mapping[tuple[str, int], int]
    at_end: bool


def poll_batch(
    reader: PartitionReader,
    expected: Mapping[LoadedTopic, Mapping[int, int]],
    *,
    max_messages: float,
    max_bytes: Callable[[], int],
    max_seconds: float,
    until: Mapping[tuple[str, int], int] | None,
    stop: threading.Event,
) -> Gathered:
    """Fetch until a limit is reached, every partition has ended or `stop` is set.

    What is fetched is encoded at once, a row group at a time, so that a batch is held as its compressed file only. That
    file's size is a limit of its own: memory is bounded whatever the messages are.

    Args:
        reader: where from.
        expected: for each partition of each topic the offset after the last loaded message.
        max_messages, max_bytes, max_seconds: the limits; the bytes, of keys and values, are asked for again before each
            fetch.
        until: by (topic, partition) the offset to stop before; without it, partitions are read to their end.
        stop: ends it early.

    Raises:
        OffsetOutOfRangeError, StreamError: as `PartitionReader.fetch` does.
    """
    began = time.monotonic()
    deadline = began + max_seconds
    encoders = [Encoder(topic, offsets) for topic, offsets in expected.items()]
    rows = size = 0
    while True:
        limit = max_bytes()
        fetched = reader.fetch(
            max_messages=int(min(_ROW_GROUP, max_messages - rows)),
            max_bytes=min(_ROW_GROUP_BYTES, limit - size),
            max_seconds=deadline - time.monotonic(),
            until=until,
        )
        for encoder in encoders:
            encoder.add(fetched)
        rows, size = rows + fetched.rows.num_rows, size + fetched.bytes
        file_bytes = sum(encoder.file_bytes for encoder in encoders)
        full = rows >= max_messages or size >= limit or file_bytes >= _FILE_BYTES
        if full or fetched.at_end or stop.is_set() or time.monotonic() >= deadline:
            break
    fetch_seconds = time.monotonic() - began - sum(encoder.seconds for encoder in encoders)
    finished = [encoder.finish(fetch_seconds) for encoder in encoders]
    return Gathered([batch for batch in finished if batch], rows, fetched.next_offsets, fetched.at_end)


class Encoder:
    """A topic's messages of any number of fetches, as one Parquet file."""

    def __init__(self, topic: LoadedTopic, expected: Mapping[int, int]) -> None:
        """`expected`: for each of its partitions the offset after the last loaded message."""
        self._topic, self._expected, self._ends = topic, expected, dict(expected)
        self._batch_id = str(uuid.uuid4())
        self._file = io.BytesIO()
        self._writer: pq.ParquetWriter | None = None
        self._partitions, self._offsets = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        self._rows = self._size = 0
        self.seconds = 0.0

    def add(self, fetched: FetchedBatch) -> None:
        """Take the topic's messages out of a fetch."""
        began = time.monotonic()
        rows = self._of_topic(fetched.rows)
        self._ends.update({at: end for (topic, at), end in fetched.next_offsets.items() if topic == self._topic.name})
        if rows.num_rows:
            table = _row_group(rows, self._topic, self._batch_id)
            if self._writer is None:
                self._writer = pq.ParquetWriter(
                    self._file,
                    table.schema,
                    # Half of snappy's file, so twice as many messages in the same memory. COPY detects it
                    # (docs.snowflake.com/en/sql-reference/sql/create-file-format, COMPRESSION of PARQUET).
                    compression="zstd",
                    compression_level=1,
                    use_dictionary=["TOPIC", "TOPIC_ID", "HEADERS", "BATCH_ID"],
                    write_statistics=False,
                )
            self._writer.write_table(table)
            self._partitions.append(rows["partition"].to_numpy())
            self._offsets.append(rows["offset"].to_numpy())
            self._rows += rows.num_rows
            self._size += _size(rows["key"]) + _size(rows["value"])
        self.seconds += time.monotonic() - began

    @property
    def file_bytes(self) -> int:
        """What the file has grown to."""
        return self._file.tell()

    def _of_topic(self, rows: pa.Table) -> pa.Table:
        mine = pc.equal(rows["topic"], self._topic.name)
        return rows if pc.all(mine).as_py() else rows.filter(mine)  # filtering copies the values

    def finish(self, fetch_seconds: float) -> EncodedBatch | None:
        """The batch; None when no partition moved."""
        began = time.monotonic()
        if self._writer is not None:
            self._writer.close()
        ranges, gaps = _cover(
            np.concatenate(self._partitions), np.concatenate(self._offsets), self._expected, self._ends
        )
        if not ranges:
            return None
        return EncodedBatch(
            batch_id=self._batch_id,
            topic=self._topic,
            ranges=tuple(ranges),
            gaps=tuple(gaps),
            rows=self._rows,
            size=self._size,
            parquet=self._file.getvalue(),
            fetch_seconds=fetch_seconds,
            encode_seconds=self.seconds + time.monotonic() - began,
        )


def _cover(
    partitions: npt.NDArray[np.int32],
    offsets: npt.NDArray[np.int64],
    expected: Mapping[int, int],
    ends: Mapping[int, int],
) -> tuple[list[Range], list[Gap]]:
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


def _row_group(rows: pa.Table, topic: LoadedTopic, batch_id: str) -> pa.Table:
    text, other = _told_apart(rows["value"])
    return pa.table(
        {
            "TOPIC": _constant(topic.name, rows.num_rows),
            "TOPIC_ID": _constant(topic.topic_id, rows.num_rows),
            "KAFKA_PARTITION": rows["partition"],
            "KAFKA_OFFSET": rows["offset"],
            "KEY": rows["key"],
            "VALUE_TEXT": text,
            "VALUE_BYTES": other,
            "HEADERS": rows["headers"],
            "KAFKA_TIMESTAMP": rows["timestamp"].cast(pa.int64()),
            "BATCH_ID": _constant(batch_id, rows.num_rows),
        }
    )


def _constant(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text])


def _told_apart(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The values that are UTF-8, and those that are not, each NULL where it is one of the others."""
    try:
        return values.cast(pa.string()), pa.chunked_array([pa.nulls(len(values), pa.binary())])
    except pa.ArrowInvalid:
        text = pa.chunked_array([[_utf8(value) for value in values.to_pylist()]], pa.string())
        return text, pc.if_else(pc.is_null(text), values, None)


def _utf8(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _size(column: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.binary_length(column)).as_py() or 0)
