"""The records of a batch by their keys, and a batch without some of its records, as compaction needs them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from crc32c import crc32c

from local_kafka.storage.batch import (
    CHECKED_FROM,
    CODEC_MASK,
    DELETE_HORIZON_FLAG,
    HEADER,
    LENGTH_OVERHEAD,
    TIMESTAMP_TYPE_FLAG,
    BatchHeader,
)
from local_kafka.storage.records import pack, varint

_CHECKSUM_AT = 17


class KeyedRecord(NamedTuple):
    """A record: where its body (behind the length) is in the records, its times and numbers, its key.

    `after_timestamp` is the position behind the timestamp delta, where the rest of the body begins.
    """

    start: int
    after_timestamp: int
    end: int
    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    has_value: bool


def parse_records(records: bytes, count: int) -> Iterator[KeyedRecord]:
    """The records of a batch that were checked when it was stored.

    Raises:
        IndexError: they end too soon.
    """
    position = 0
    for _ in range(count):
        size, start = varint(records, position)
        timestamp_delta, after_timestamp = varint(records, start + 1)
        offset_delta, at = varint(records, after_timestamp)
        key_size, at = varint(records, at)
        key = None
        if key_size >= 0:
            key = records[at : at + key_size]
            at += key_size
        value_size, _ = varint(records, at)
        position = start + size
        if not start < position <= len(records):
            raise IndexError(f"a record of {size} bytes at byte {start} of {len(records)}")
        yield KeyedRecord(start, after_timestamp, position, timestamp_delta, offset_delta, key, value_size >= 0)


def rebuild(header: BatchHeader, records: bytes, kept: Sequence[KeyedRecord], horizon: int | None) -> bytes:
    """A batch with some of its records alone, whose offsets and sequence numbers stay what they were (KIP-98).

    Args:
        header: of the batch as it is.
        records: of the batch, without compression.
        kept: the records that stay.
        horizon: when those of them that delete a key may go (ms); None to leave that as it is.
    """
    first = header.first_timestamp if horizon is None else horizon
    shift = header.first_timestamp - first
    body = bytearray()
    for record in kept:
        rest = records[record.after_timestamp : record.end]
        content = records[record.start : record.start + 1] + _varint(record.timestamp_delta + shift) + rest
        body += _varint(len(content)) + content
    newest = header.max_timestamp
    if not header.attributes & TIMESTAMP_TYPE_FLAG:
        newest = max(header.first_timestamp + record.timestamp_delta for record in kept)
    attributes = header.attributes | (DELETE_HORIZON_FLAG if horizon is not None else 0)
    content = pack(bytes(body), header.attributes & CODEC_MASK)
    return _sealed(
        header._replace(attributes=attributes, first_timestamp=first, max_timestamp=newest, record_count=len(kept)),
        content,
    )


def emptied(header: BatchHeader) -> bytes:
    """A batch without its records: its offsets and its producer's sequence number stay known."""
    return _sealed(header._replace(attributes=header.attributes & ~CODEC_MASK, record_count=0), b"")


def _sealed(header: BatchHeader, content: bytes) -> bytes:
    header = header._replace(length=HEADER.size + len(content) - LENGTH_OVERHEAD)
    batch = bytearray(HEADER.pack(*header)) + content
    struct.pack_into(">I", batch, _CHECKSUM_AT, crc32c(memoryview(batch)[CHECKED_FROM:]))
    return bytes(batch)


def _varint(value: int) -> bytes:
    raw = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while raw > 0x7F:
        encoded.append(raw & 0x7F | 0x80)
        raw >>= 7
    encoded.append(raw)
    return bytes(encoded)
