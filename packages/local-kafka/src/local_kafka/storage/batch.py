"""Record batches (message format v2): their header, and whether a broker may store one.

Layout: kafka.apache.org/documentation/#recordbatch. Base offset and leader epoch lie before the checksummed part, so a
broker can place a batch in its log without touching the rest: batches stay opaque, whatever their compression.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from crc32c import crc32c
from kio.schema.errors import ErrorCode

HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_SIZE = HEADER.size
# The batch length does not count the base offset and itself.
LENGTH_OVERHEAD = 12
# The checksum covers everything from the attributes on.
CHECKED_FROM = 21
# What a log needs to give a batch its place: base offset, length, leader epoch. The rest is stored as it came.
PLACE = struct.Struct(">qii")
LEADER_EPOCH = 0
MAGIC = 2

CODEC_MASK = 0x07
ZSTD = 4
TIMESTAMP_TYPE_FLAG = 0x08
TRANSACTIONAL_FLAG = 0x10
CONTROL_FLAG = 0x20
# The first timestamp is the time until which compaction keeps the batch's records that delete a key (KIP-534).
DELETE_HORIZON_FLAG = 0x40
SEQUENCE_MASK = 0x7FFFFFFF
# What a record without a timestamp has for one.
NO_TIMESTAMP = -1


class BatchHeader(NamedTuple):
    """The header of a batch; timestamps in milliseconds."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    checksum: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + LENGTH_OVERHEAD

    @property
    def last_offset(self) -> int:
        """The offset of the last record."""
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last record; numbers wrap to 0 behind 2^31 - 1."""
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MASK

    @property
    def plausible(self) -> bool:
        """Whether this can be a header at all; says nothing about the checksum."""
        return (
            self.magic == MAGIC
            and self.length >= HEADER_SIZE - LENGTH_OVERHEAD
            and 0 <= self.record_count <= self.last_offset_delta + 1
        )

    @property
    def whole(self) -> bool:
        """Whether it has all its records: compaction takes some, or all, and leaves the offsets as they are."""
        return self.record_count == self.last_offset_delta + 1 > 0


class RefusedError(Exception):
    """A batch that cannot be stored: the protocol's error and a sentence for the producer."""

    def __init__(self, code: ErrorCode, sentence: str, wrong_records: tuple[int, ...] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.wrong_records = wrong_records


def unpack_header(data: bytes | memoryview, position: int = 0) -> BatchHeader:
    """The header at a position; the caller makes sure that HEADER_SIZE bytes are there."""
    return BatchHeader._make(HEADER.unpack_from(data, position))


def checksum_matches(batch: bytes | memoryview, header: BatchHeader) -> bool:
    """Whether a whole batch is what its producer sent."""
    return bool(crc32c(memoryview(batch)[CHECKED_FROM:]) == header.checksum)


def check_produced(records: memoryview, max_bytes: int, segment_bytes: int) -> BatchHeader:
    """The header of what a producer sent for one partition: exactly one whole batch (as Kafka since Produce v3).

    Raises:
        RefusedError: it may not be stored.
    """
    if len(records) < HEADER_SIZE:
        raise RefusedError(ErrorCode.corrupt_message, f"{len(records)} bytes are not a record batch.")
    header = unpack_header(records)
    if header.magic != MAGIC:
        raise RefusedError(
            ErrorCode.unsupported_for_message_format,
            f"Message format v{header.magic} is not supported: only v2 (Kafka 0.11 and later) is.",
        )
    if not header.plausible or not header.whole or header.size > len(records):
        raise RefusedError(ErrorCode.corrupt_message, "The record batch is cut short or its header is damaged.")
    if header.size < len(records):
        raise RefusedError(ErrorCode.invalid_record, "A produce request brings exactly one batch for a partition.")
    if header.base_offset != 0:
        raise RefusedError(ErrorCode.invalid_record, "A producer numbers the records of a batch from 0.")
    if header.size > max_bytes:
        raise RefusedError(
            ErrorCode.message_too_large,
            f"The batch has {header.size} bytes, max.message.bytes of the topic is {max_bytes}.",
        )
    if header.size > segment_bytes:
        raise RefusedError(
            ErrorCode.record_list_too_large,
            f"The batch has {header.size} bytes, a segment of the topic (segment.bytes) {segment_bytes}.",
        )
    if not checksum_matches(records, header):
        raise RefusedError(ErrorCode.corrupt_message, "The checksum of the batch does not match its content.")
    _check_attributes(header)
    return header


def _check_attributes(header: BatchHeader) -> None:
    if header.attributes & CONTROL_FLAG:
        raise RefusedError(ErrorCode.invalid_record, "Clients may not write control batches.")
    if header.attributes & TRANSACTIONAL_FLAG:
        raise RefusedError(ErrorCode.invalid_txn_state, "The local broker has no transactions.")
    if header.attributes & CODEC_MASK > ZSTD:
        raise RefusedError(ErrorCode.unsupported_compression_type, "The compression of the batch is unknown.")
    if header.attributes & TIMESTAMP_TYPE_FLAG:
        raise RefusedError(ErrorCode.invalid_timestamp, "Only a broker may mark timestamps as its own.")
