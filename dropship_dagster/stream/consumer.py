"""What the loader reads with: partitions from given offsets, in bounded batches of Arrow columns.

No consumer group: the offsets are the warehouse's, so `assign` is used and nothing is committed here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message, TopicPartition

from dropship_dagster.stream.client import ADMIN_TIMEOUT_SECONDS, ClientConfig, consumer_config
from dropship_dagster.stream.errors import OffsetOutOfRangeError, StreamError
from dropship_dagster.stream.headers import TIMESTAMP_HEADER, Header, HeaderText, read_headers
from dropship_dagster.stream.topics import Partition

FETCHED = pa.schema(
    [
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp", pa.timestamp("ms")),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("headers", pa.string()),
    ]
)
"""A message a row. timestamp: UTC, NULL when the message has none or one outside the years 1 to 9999, which is then in
the headers (TIMESTAMP_HEADER). headers: JSON, an array of [name, value] pairs with values as text, base64 where they
are not UTF-8, the name null where it is not; NULL for none."""

NO_TIMESTAMP = -1
"""What a record without a timestamp has in its place (RecordBatch.NO_TIMESTAMP in Kafka's sources)."""

# The years 1 to 9999, in milliseconds of Unix time: what Python, and so Snowflake's client, can read.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
_CHUNK = 100  # more at once keeps so many objects alive that Python's collector runs again and again
_CHUNK_BYTES = 1 << 20  # a message may have a megabyte, and these are held beside what was asked for
_LISTED = 16_384  # messages held as Python's objects, which take three times the room of Arrow's columns
_POLL_SECONDS = 0.1
_PASSING = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT})


@dataclass(frozen=True)
class Assignment:
    """A partition and the offset to read from."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class FetchedBatch:
    """Messages of several partitions, by FETCHED; the offsets of a partition rise.

    next_offsets: for every assigned partition, the offset after the last message read or skipped by the broker.
    bytes: of keys and values. at_end: every partition was read to the end it was asked for, or to its end.
    """

    rows: pa.Table
    next_offsets: Mapping[Partition, int]
    bytes: int
    at_end: bool


class PartitionReader:
    """Reads assigned partitions. Use it in a `with`; it keeps its position from one batch to the next."""

    def __init__(
        self, client_config: ClientConfig, assignments: Sequence[Assignment], *, group: str = "dropship"
    ) -> None:
        """`group` names the consumer in the broker's tools; it is never joined.

        Raises:
            StreamError: the settings are not accepted.
        """
        self._position = {(entry.topic, entry.partition): entry.offset for entry in assignments}
        self._ended: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._last_heard = time.monotonic()
        self._header_text = HeaderText()
        self._chunk = 1  # until the first message has told the size
        try:
            self._consumer = Consumer(consumer_config(client_config, group))
            self._consumer.assign([TopicPartition(e.topic, e.partition, e.offset) for e in assignments])
        except KafkaException as error:
            raise StreamError(f"The consumer's settings are not accepted: {error.args[0].str()}.") from error

    @property
    def silent_seconds(self) -> float:
        """How long the broker has said nothing, neither a message nor the end of a partition."""
        return time.monotonic() - self._last_heard

    def fetch(
        self,
        *,
        max_messages: int,
        max_seconds: float,
        max_bytes: int = 256 << 20,
        until: Mapping[Partition, int] | None = None,
    ) -> FetchedBatch:
        """Collect messages until one of the limits is reached or every partition has ended.

        Args:
            max_messages: at most this many (the last call of the client may bring a few more, never lost).
            max_seconds: at most about this long.
            max_bytes: about this many bytes of keys and values, and about as many of headers.
            until: by (topic, partition) the offset to stop before; without it, partitions are read to their end.

        Raises:
            OffsetOutOfRangeError: the broker does not hold an assigned offset.
            StreamError: a topic is gone, or the client cannot go on.
        """
        collected = _Columns(self._header_text)
        until = until or {}
        deadline = time.monotonic() + max_seconds
        self._resume(until)
        while len(collected) < max_messages and max(collected.bytes, collected.header_bytes) < max_bytes:
            left = deadline - time.monotonic()
            if left <= 0 or self._finished(until):
                break
            wanted = min(self._chunk, max_messages - len(collected))
            messages = self._consumer.consume(wanted, min(left, _POLL_SECONDS))
            if messages:
                before = len(collected), collected.bytes + collected.header_bytes
                self._take(messages, collected, until)
                taken = len(collected) - before[0]
                if taken:
                    self._chunk = _chunk((collected.bytes + collected.header_bytes - before[1]) / taken)
        return FetchedBatch(collected.table(), dict(self._position), collected.bytes, self._finished(until))

    def watch(self) -> None:
        """Forget that partitions had ended, to wait for new messages."""
        self._ended.clear()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _finished(self, until: Mapping[Partition, int]) -> bool:
        for place, position in self._position.items():
            end = until.get(place)
            if place not in self._ended and (end is None or position < end):
                return False
        return True

    def _take(self, messages: list[Message], collected: _Columns, until: Mapping[Partition, int]) -> None:
        for place, run, failed in _runs(messages):
            if failed:
                for message in run:
                    self._handle(message.error(), message, place, until.get(place))
            else:
                self._take_run(place, run, collected, until.get(place))
        self._last_heard = time.monotonic()

    def _take_run(self, place: Partition, run: list[Message], collected: _Columns, end: int | None) -> None:
        position, offsets = self._position[place], list(map(Message.offset, run))
        enough = end is not None and offsets[-1] >= end
        if enough or offsets[0] < position:  # before the position: fetched before the partition was set back to its end
            taken = [at for at, offset in enumerate(offsets) if offset >= position and (end is None or offset < end)]
            run, offsets = [run[at] for at in taken], [offsets[at] for at in taken]
        if run:
            collected.extend(place, offsets, run)
            self._position[place] = offsets[-1] + 1
            self._ended.discard(place)
        if enough and end is not None:
            self._stop_at(place, end)

    def _stop_at(self, place: Partition, end: int) -> None:
        """Enough of this partition: what was fetched beyond is not taken and comes again."""
        if place not in self._ended:
            self._position[place] = max(self._position[place], end)
            self._ended.add(place)
            self._consumer.seek(TopicPartition(*place, end))
            self._consumer.pause([TopicPartition(*place)])
            self._paused.add(place)

    def _resume(self, until: Mapping[Partition, int]) -> None:
        """Go on with partitions that an earlier batch was not to read further."""
        for place in list(self._paused):
            end = until.get(place)
            if end is None or self._position[place] < end:
                self._consumer.resume([TopicPartition(*place)])
                self._paused.discard(place)
                self._ended.discard(place)

    def _handle(self, error: KafkaError, message: Message, place: Partition, end: int | None) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            # Offsets may have holes (transaction markers, compaction): the partition ends where the broker says it
            # does. What is beyond `end` was not to be read, and says nothing of holes there.
            reached = message.offset() if end is None else min(message.offset(), end)
            self._position[place] = max(self._position[place], reached)
            self._ended.add(place)
            self._last_heard = time.monotonic()
        elif code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ADMIN_TIMEOUT_SECONDS)
            raise OffsetOutOfRangeError(place[0], place[1], self._position[place], low, high)
        elif code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC):
            raise StreamError(f"Topic {place[0]}, partition {place[1]}, does not exist any more on the broker.")
        elif code in _PASSING:
            return  # librdkafka connects again by itself; silent_seconds tells how long it has been trying
        else:
            raise StreamError(f"Topic {place[0]}, partition {place[1]}: {error.str()}.")


class _Columns:
    """Messages as lists, the fastest way from the client into Arrow; the lists are kept short."""

    def __init__(self, header_text: HeaderText) -> None:
        self._header_text = header_text
        self._done: list[pa.RecordBatch] = []
        self._rows = 0
        self.bytes = self.header_bytes = 0
        self._begin()

    def _begin(self) -> None:
        self._places: list[Partition] = []
        self._counts: list[int] = []
        self._offsets: list[int] = []
        self._times: list[int] = []
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []
        self._headers: list[str | None] = []
        self._same_headers: list[int] = []

    def __len__(self) -> int:
        return self._rows + len(self._offsets)

    def extend(self, place: Partition, offsets: list[int], messages: list[Message]) -> None:
        """Add messages of one partition."""
        keys, values = list(map(Message.key, messages)), list(map(Message.value, messages))
        self._places.append(place)
        self._counts.append(len(messages))
        self._offsets += offsets
        times = [
            NO_TIMESTAMP if kind == TIMESTAMP_NOT_AVAILABLE else time_ms
            for kind, time_ms in map(Message.timestamp, messages)
        ]
        headers = read_headers(messages)
        if min(times) < _FIRST_MS or max(times) > _LAST_MS:
            headers = [_with_timestamp(*both) for both in zip(headers, times, strict=True)]
        self._times += times
        self._keys += keys
        self._values += values
        for same, group in groupby(headers):  # nearly always those of the message before
            text, count = self._header_text.of(same), len(list(group))
            self._headers.append(text)
            self._same_headers.append(count)
            self.header_bytes += len(text) * count if text else 0
        self.bytes += sum(map(len, filter(None, keys))) + sum(map(len, filter(None, values)))
        if len(self._offsets) >= _LISTED:
            self._convert()

    def _convert(self) -> None:
        columns = [
            _repeated([topic for topic, _ in self._places], self._counts),
            np.repeat(np.array([partition for _, partition in self._places], np.int32), self._counts),
            self._offsets,
            _timestamps(self._times),
            self._keys,
            self._values,
            _repeated(self._headers, self._same_headers),
        ]
        arrays = [pa.array(values, field.type) for values, field in zip(columns, FETCHED, strict=True)]
        self._done.append(pa.record_batch(arrays, schema=FETCHED))
        self._rows += len(self._offsets)
        self._begin()

    def table(self) -> pa.Table:
        if self._offsets:
            self._convert()
        return pa.Table.from_batches(self._done, FETCHED)


def _runs(messages: list[Message]) -> list[tuple[Partition, list[Message], bool]]:
    """Messages in runs of one partition each, and whether they are errors: what is done for every single one costs."""
    topics, numbers = set(map(Message.topic, messages)), set(map(Message.partition, messages))
    if len(topics) == len(numbers) == 1 and not any(map(Message.error, messages)):  # nearly always
        return [((topics.pop(), numbers.pop()), messages, False)]
    runs = groupby(messages, lambda message: (message.topic(), message.partition(), message.error() is not None))
    return [((topic, number), list(run), failed) for (topic, number, failed), run in runs]


def _chunk(message_bytes: float) -> int:
    """How many messages of this size to ask the client for at once."""
    return max(1, min(_CHUNK, int(_CHUNK_BYTES / max(1.0, message_bytes))))


def _repeated(texts: Sequence[str | None], counts: Sequence[int]) -> pa.Array:
    """Each text as often as its count says."""
    positions = np.repeat(np.arange(len(texts), dtype=np.int32), counts)
    return pa.array(texts, pa.string()).take(pa.array(positions))


def _with_timestamp(headers: list[Header] | None, time_ms: int) -> list[Header] | None:
    if _FIRST_MS <= time_ms <= _LAST_MS:
        return headers
    return [*(headers or ()), (TIMESTAMP_HEADER, str(time_ms).encode())]


def _timestamps(times: Sequence[int]) -> pa.Array:
    numbers = np.array(times, np.int64)
    unknown = (numbers == NO_TIMESTAMP) | (numbers < _FIRST_MS) | (numbers > _LAST_MS)
    return pa.array(numbers, pa.int64(), mask=unknown).view(pa.timestamp("ms"))
