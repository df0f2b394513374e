"""Single records inside a batch: needed to answer which offset belongs to a timestamp, and for nothing else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam

from dropship_dagster.embedded.kafka.storage.batch import CODEC_MASK, HEADER_SIZE, ZSTD, BatchHeader

# A batch may be a megabyte that unpacks to anything; beyond this the batch's own times are the answer.
MAX_UNPACKED_BYTES = 64 << 20
GZIP, SNAPPY, LZ4 = 1, 2, 3
# Java's snappy streams: a 16-byte header, then blocks with a four-byte length (github.com/xerial/snappy-java).
XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_HEADER_SIZE = 16
_GZIP_WINDOW = 31


class UnreadableError(Exception):
    """The records of a batch cannot be unpacked, or are too many."""


def first_at_or_after(batch: bytes, header: BatchHeader, least_offset: int, timestamp: int) -> tuple[int, int] | None:
    """The first record of a batch, from an offset on, that is not older than a time: (timestamp, offset), or None.

    Where the records cannot be read the answer is the batch's first offset, so that a consumer reads some records too
    many and never one too few.
    """
    try:
        for record_time, offset in _times(batch, header):
            if record_time >= timestamp and offset >= least_offset:
                return record_time, offset
    except (UnreadableError, IndexError):
        return header.max_timestamp, max(header.base_offset, least_offset)
    return None


def _times(batch: bytes, header: BatchHeader) -> Iterator[tuple[int, int]]:
    """(timestamp, offset) of each record."""
    records = unpack(batch[HEADER_SIZE:], header.attributes & CODEC_MASK)
    position = 0
    for _ in range(header.record_count):
        length, position = _varint(records, position)
        timestamp_delta, after = _varint(records, position + 1)
        offset_delta, _ = _varint(records, after)
        yield header.first_timestamp + timestamp_delta, header.base_offset + offset_delta
        if length < 0:
            raise UnreadableError("a record of negative length")
        position += length


def unpack(data: bytes, codec: int) -> bytes:
    """The records of a batch without their compression.

    Raises:
        UnreadableError: the data is damaged or unpacks to more than MAX_UNPACKED_BYTES.
    """
    try:
        if codec == GZIP:
            return _unpack_gzip(data)
        if codec == SNAPPY:
            return _unpack_snappy(data)
        if codec == LZ4:
            return _unpack_into(cramjam.lz4, data)
        if codec == ZSTD:
            return _unpack_into(cramjam.zstd, data)
    except (cramjam.DecompressionError, zlib.error, struct.error) as error:
        raise UnreadableError(str(error)) from error
    return data


def _unpack_gzip(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    unpacked = unpacker.decompress(data, MAX_UNPACKED_BYTES)
    if unpacker.unconsumed_tail:
        raise UnreadableError("too large")
    return unpacked


def _unpack_into(codec: Any, data: bytes) -> bytes:
    """Unpack into a buffer of the largest size allowed; untouched pages of it cost no memory."""
    buffer = bytearray(MAX_UNPACKED_BYTES)
    size = codec.decompress_into(data, buffer)
    return bytes(memoryview(buffer)[:size])


def _unpack_snappy(data: bytes) -> bytes:
    if not data.startswith(XERIAL_MAGIC):
        return _unpack_snappy_block(data, MAX_UNPACKED_BYTES)
    blocks = []
    position, room = XERIAL_HEADER_SIZE, MAX_UNPACKED_BYTES
    while position < len(data):
        (size,) = struct.unpack_from(">I", data, position)
        position += 4
        block = _unpack_snappy_block(data[position : position + size], room)
        room -= len(block)
        blocks.append(block)
        position += size
    return b"".join(blocks)


def _unpack_snappy_block(data: bytes, room: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > room:
        raise UnreadableError("too large")
    return bytes(cramjam.snappy.decompress_raw(data))


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag varint: (value, next position)."""
    raw = shift = 0
    while True:
        byte = data[position]
        position += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), position
        shift += 7
