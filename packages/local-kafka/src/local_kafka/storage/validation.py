"""Whether the records of a batch are what its header says, as Apache Kafka checks before it appends (LogValidator).

A checksum says only that a batch is what its producer sent. A batch whose records cannot be read would stop every
consumer of its partition for ever, so it is refused instead.

Records of a large batch are checked in vectors: only the chain of their lengths is followed one by one. Whatever is
unusual there is left to the walk, which decides. Layout: kafka.apache.org/documentation/#record.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from crc32c import crc32c
from kio.schema.errors import ErrorCode
from numpy.typing import NDArray

from local_kafka.storage.batch import (
    CHECKED_FROM,
    CODEC_MASK,
    HEADER_SIZE,
    NO_TIMESTAMP,
    TIMESTAMP_TYPE_FLAG,
    BatchHeader,
    RefusedError,
)
from local_kafka.storage.keyed import parse_records
from local_kafka.storage.records import TooLargeError, UnreadableError, unpack

# Fewer records are walked sooner than vectors are set up for them.
_FEWEST_FOR_VECTORS = 128
# Bounds the memory of the vectors, whatever the number of records.
_VECTOR = 8_192
_MOST_HEADERS_FOR_VECTORS = 16
_INT_BYTES, _LONG_BYTES = 5, 10
_KEY_AND_VALUE = (0, 1)
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
# Where the newest timestamp and the checksum are in a batch.
_MAX_TIMESTAMP_AT, _CHECKSUM_AT = 35, 17

_Ints = NDArray[np.int64]


class RecordRules(NamedTuple):
    """What a topic asks of records: times in milliseconds, sizes in bytes."""

    most_unpacked_bytes: int
    before_ms: int
    after_ms: int
    # Compaction needs keys; the broker's time takes the place of the producer's.
    keyed: bool = False
    append_time: bool = False


class Times(NamedTuple):
    """The oldest and the newest timestamp of some records (ms); NO_TIMESTAMP where none has one."""

    oldest: int
    newest: int


class InvalidRecordsError(ValueError):
    """The records are not what the header says."""


def check_records(
    header: BatchHeader, batch: memoryview, rules: RecordRules, now: int
) -> tuple[BatchHeader, memoryview]:
    """Check the records of a batch whose header and checksum are right.

    Returns:
        Header and batch, with the newest timestamp corrected where the producer's header had another one, or with
        the broker's time.

    Raises:
        RefusedError: they may not be stored.
    """
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise RefusedError(ErrorCode.invalid_record, "A batch of an idempotent producer has no sequence number.")
    try:
        records = unpack(batch[HEADER_SIZE:], header.attributes & CODEC_MASK, rules.most_unpacked_bytes)
    except TooLargeError as error:
        raise RefusedError(
            ErrorCode.message_too_large, f"The batch unpacks to more than {rules.most_unpacked_bytes} bytes."
        ) from error
    except UnreadableError as error:
        raise RefusedError(
            ErrorCode.invalid_record, f"The records cannot be unpacked by the batch's codec ({error})."
        ) from error
    try:
        times = record_times(records, header.record_count, header.first_timestamp)
    except InvalidRecordsError as error:
        raise RefusedError(ErrorCode.invalid_record, f"The records of the batch cannot be read: {error}.") from error
    if rules.keyed:
        _check_keys(records, header.record_count)
    if rules.append_time:
        return _corrected(header, batch, now, header.attributes | TIMESTAMP_TYPE_FLAG)
    _check_times(times, rules, now)
    if header.max_timestamp == times.newest:
        return header, batch
    return _corrected(header, batch, times.newest, header.attributes)


def _check_keys(records: bytes, count: int) -> None:
    wrong = tuple(record.offset_delta for record in parse_records(records, count) if record.key is None)
    if wrong:
        raise RefusedError(
            ErrorCode.invalid_record,
            f"{len(wrong)} records have no key, the first of them record {wrong[0]} of the batch: "
            "a topic with cleanup.policy=compact takes none of these.",
            wrong,
        )


def record_times(records: bytes, count: int, first_timestamp: int) -> Times:
    """Read as many records as a header says, which must be all there is.

    Raises:
        InvalidRecordsError: they are not; says which record is wrong.
    """
    if count >= _FEWEST_FOR_VECTORS:
        times = _times_by_vectors(records, count, first_timestamp)
        if times:
            return times
    return walk_records(records, count, first_timestamp)


def _check_times(times: Times, rules: RecordRules, now: int) -> None:
    if times.newest - now > rules.after_ms:
        raise RefusedError(
            ErrorCode.invalid_timestamp,
            f"A record has the timestamp {times.newest} ms, more than message.timestamp.after.max.ms "
            f"({rules.after_ms}) after the broker's clock ({now}): timestamps are milliseconds since 1970.",
        )
    if times.oldest != NO_TIMESTAMP and now - times.oldest > rules.before_ms:
        raise RefusedError(
            ErrorCode.invalid_timestamp,
            f"A record has the timestamp {times.oldest} ms, more than message.timestamp.before.max.ms "
            f"({rules.before_ms}) before the broker's clock ({now}).",
        )


def _corrected(header: BatchHeader, batch: memoryview, newest: int, attributes: int) -> tuple[BatchHeader, memoryview]:
    """The batch with another newest timestamp, by which retention and look-ups by time go, and other attributes."""
    changed = bytearray(batch)
    struct.pack_into(">h", changed, CHECKED_FROM, attributes)
    struct.pack_into(">q", changed, _MAX_TIMESTAMP_AT, newest)
    checksum = crc32c(memoryview(changed)[CHECKED_FROM:])
    struct.pack_into(">I", changed, _CHECKSUM_AT, checksum)
    return header._replace(max_timestamp=newest, attributes=attributes, checksum=checksum), memoryview(changed)


# One by one


def walk_records(records: bytes, count: int, first_timestamp: int) -> Times:
    """The same as `record_times`, record by record."""
    oldest, newest = _LONG_MAX, NO_TIMESTAMP
    position = 0
    for number in range(count):
        try:
            delta, position = _walk_record(records, position, number)
        except IndexError as error:
            raise InvalidRecordsError(f"record {number} of {count} is cut short") from error
        timestamp = first_timestamp + ((delta >> 1) ^ -(delta & 1))
        if not _LONG_MIN <= timestamp <= _LONG_MAX:
            raise InvalidRecordsError(f"the timestamp of record {number} does not fit into 64 bits")
        if timestamp != NO_TIMESTAMP:
            if timestamp < oldest:
                oldest = timestamp
            if timestamp > newest:
                newest = timestamp
    if position != len(records):
        raise InvalidRecordsError(f"{len(records) - position} bytes lie behind the last of {count} records")
    return Times(NO_TIMESTAMP if oldest == _LONG_MAX else oldest, newest)


def _walk_record(data: bytes, position: int, number: int) -> tuple[int, int]:
    """Read one record: (timestamp delta as it is encoded, next position).

    Numbers are zigzag varints: an odd one is negative, half of an even one is the value. Those of one and two bytes,
    which nearly all are, are read without a call.
    """
    size = data[position]
    position += 1
    if size > 0x7F:
        size = size & 0x7F | data[position] << 7
        position += 1
        if size > 0x3FFF:
            size, position = _long_varint(data, position, size, _INT_BYTES)
    end = position + (size >> 1)
    if size & 1 or end > len(data):
        raise InvalidRecordsError(f"record {number} is longer than what is there")
    delta = data[position + 1]
    position += 2
    if delta > 0x7F:
        delta = delta & 0x7F | data[position] << 7
        position += 1
        if delta > 0x3FFF:
            delta, position = _long_varint(data, position, delta, _LONG_BYTES)
    offset = data[position]
    position += 1
    if offset > 0x7F:
        offset = offset & 0x7F | data[position] << 7
        position += 1
        if offset > 0x3FFF:
            offset, position = _long_varint(data, position, offset, _INT_BYTES)
    if offset != number << 1:
        raise InvalidRecordsError(f"record {number} has another offset delta")
    for _ in _KEY_AND_VALUE:
        size = data[position]
        position += 1
        if size > 0x7F:
            size = size & 0x7F | data[position] << 7
            position += 1
            if size > 0x3FFF:
                size, position = _long_varint(data, position, size, _INT_BYTES)
        if not size & 1:
            position += size >> 1
    headers = data[position]
    position += 1
    if headers:
        position = _walk_headers(data, position - 1, end, number)
    if position != end:
        raise InvalidRecordsError(f"the fields of record {number} do not fill its length")
    return delta, end


def _walk_headers(data: bytes, position: int, end: int, number: int) -> int:
    """Read the headers of a record from their count on; the position behind them."""
    count, position = _varint(data, position)
    if not 0 <= count <= end - position:
        raise InvalidRecordsError(f"record {number} has {count} headers, which are not there")
    for _ in range(count):
        size, position = _varint(data, position)
        if size < 0:
            raise InvalidRecordsError(f"record {number} has a header without a key")
        size, position = _varint(data, position + size)
        position += max(size, 0)
    return position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A varint of an int: (value, next position)."""
    raw = data[position]
    position += 1
    if raw > 0x7F:
        raw = raw & 0x7F | data[position] << 7
        position += 1
        if raw > 0x3FFF:
            raw, position = _long_varint(data, position, raw, _INT_BYTES)
    return (raw >> 1) ^ -(raw & 1), position


def _long_varint(data: bytes, position: int, raw: int, most_bytes: int) -> tuple[int, int]:
    """The rest of a varint whose first two bytes were read: (number as it is encoded, next position)."""
    raw &= 0x3FFF
    for shift in range(14, 7 * most_bytes, 7):
        byte = data[position]
        position += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return raw, position
    raise InvalidRecordsError(f"the number before byte {position} has no end")


# In vectors


def _times_by_vectors(records: bytes, count: int, first_timestamp: int) -> Times | None:
    """The same for usual records, or None: the walk decides."""
    data = np.frombuffer(records, np.uint8)
    position, oldest, newest = 0, _LONG_MAX, _LONG_MIN
    for first in range(0, count, _VECTOR):
        starts, position = _starts(records, position, min(_VECTOR, count - first))
        if position < 0:
            return None
        deltas = _deltas(data, np.array(starts), first, position)
        if deltas is None:
            return None
        oldest, newest = min(oldest, int(deltas.min())), max(newest, int(deltas.max()))
    times = Times(first_timestamp + oldest, first_timestamp + newest)
    usual = position == len(records) and times.oldest > NO_TIMESTAMP and times.newest < _LONG_MAX
    return times if usual else None


def _starts(records: bytes, position: int, count: int) -> tuple[list[int], int]:
    """Where so many records begin and where the last one ends, by their lengths alone; -1 where there are fewer."""
    starts = []
    try:
        for _ in range(count):
            starts.append(position)
            byte = records[position]
            if byte < 0x80:
                position += 1 + (byte >> 1)
            elif (second := records[position + 1]) < 0x80:
                position += 2 + ((byte & 0x7F | second << 7) >> 1)
            else:
                size, position = _varint(records, position)
                position += max(size, 0)
    except (IndexError, InvalidRecordsError):
        return starts, -1
    return starts, position if position <= len(records) else -1


def _deltas(data: NDArray[np.uint8], starts: _Ints, first: int, end: int) -> _Ints | None:
    """The timestamp deltas of records, or None where one of them is not right or not usual."""
    ends = np.append(starts[1:], end)
    reader = _VectorReader(data, starts)
    if not reader.skip_to_body(ends):
        return None
    deltas = reader.varints()
    offsets = reader.varints()
    if not np.array_equal(offsets, np.arange(first, first + len(starts))):
        return None
    reader.skip(reader.varints())
    reader.skip(reader.varints())
    headers = reader.varints()
    most = int(headers.max())
    if headers.min() < 0 or most > _MOST_HEADERS_FOR_VECTORS:
        return None
    for number in range(most):
        present = headers > number
        key_sizes = reader.varints(present)
        if key_sizes.min() < 0:
            return None
        reader.skip(key_sizes)
        reader.skip(reader.varints(present))
    return deltas if reader.usual and np.array_equal(reader.positions, ends) else None


class _VectorReader:
    """Reads one number after the other from many places at once."""

    # Numbers of more bytes are possible and left to the walk, as is whatever leads out of the data.
    _MOST_BYTES = 5

    def __init__(self, data: NDArray[np.uint8], positions: _Ints) -> None:
        self._data = data
        self.positions = positions
        self.usual = True

    def skip_to_body(self, ends: _Ints) -> bool:
        """Go behind the lengths and attributes; whether the lengths are what lies between the records."""
        sizes = self.varints()
        right = bool((self.positions + sizes == ends).all())
        self.positions = self.positions + 1
        return right

    def skip(self, sizes: _Ints) -> None:
        """Go behind bytes; a length below zero stands for null."""
        self.positions = self.positions + np.maximum(sizes, 0)

    def varints(self, present: NDArray[np.bool_] | None = None) -> _Ints:
        """The zigzag varints at the positions, 0 where none is present; goes behind them."""
        going = np.ones(len(self.positions), np.bool_) if present is None else present
        raw = np.zeros(len(self.positions), np.int64)
        for shift in range(0, 7 * self._MOST_BYTES, 7):
            # What leads out of the data reads its last byte; it does not end where its record does.
            byte = self._data.take(self.positions, mode="clip").astype(np.int64)
            byte *= going
            raw |= (byte & 0x7F) << shift
            self.positions = self.positions + going
            going = byte > 0x7F
            if not going.any():
                return (raw >> 1) ^ -(raw & 1)
        self.usual = False
        return raw
