"""What is inside a batch: its records without their compression, and their times."""

from __future__ import annotations

import gzip
import mmap
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam

from local_kafka.storage.batch import CODEC_MASK, HEADER_SIZE, TIMESTAMP_TYPE_FLAG, ZSTD, BatchHeader

# A batch may be a megabyte that unpacks to anything. A larger one is refused, or its own times are the answer.
MAX_UNPACKED_BYTES = 64 << 20
GZIP, SNAPPY, LZ4 = 1, 2, 3
# Java's snappy streams: a 16-byte header, then blocks with a four-byte length (github.com/xerial/snappy-java).
XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_HEADER_SIZE = 16
_XERIAL_HEADER = XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK = 32 << 10
_GZIP_WINDOW = 31
_LZ4_FLAGS_AT, _LZ4_INDEPENDENT = 4, 0x20
# How cramjam says that the buffer is too small.
_KEPT_BYTES = 4 << 20
_BUFFER_FULL = "failed to write whole buffer"

_kept = threading.local()


class UnreadableError(Exception):
    """The records of a batch cannot be unpacked."""


class TooLargeError(UnreadableError):
    """The records of a batch unpack to more than is allowed."""


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
    by_broker = header.attributes & TIMESTAMP_TYPE_FLAG
    position = 0
    for _ in range(header.record_count):
        length, position = varint(records, position)
        timestamp_delta, after = varint(records, position + 1)
        offset_delta, _ = varint(records, after)
        yield (
            header.max_timestamp if by_broker else header.first_timestamp + timestamp_delta,
            header.base_offset + offset_delta,
        )
        if length < 0:
            raise UnreadableError("a record of negative length")
        position += length


def unpack(data: bytes | memoryview, codec: int, most_bytes: int = MAX_UNPACKED_BYTES) -> bytes:
    """The records of a batch without their compression.

    Raises:
        TooLargeError: the data unpacks to more bytes than that.
        UnreadableError: the data is damaged.
    """
    try:
        if codec == GZIP:
            return _unpack_gzip(data, most_bytes)
        if codec == SNAPPY:
            return _unpack_snappy(bytes(data), most_bytes)
        if codec == LZ4:
            _check_lz4_frame(data)
            return _unpack_into(cramjam.lz4, data, most_bytes)
        if codec == ZSTD:
            return _unpack_into(cramjam.zstd, data, most_bytes)
    except (cramjam.DecompressionError, zlib.error, struct.error) as error:
        raise UnreadableError(str(error)) from error
    return bytes(data)


def pack(records: bytes, codec: int) -> bytes:
    """Records with a compression that every client reads."""
    if codec == GZIP:
        return gzip.compress(records, mtime=0)
    if codec == SNAPPY:
        blocks = [
            bytes(cramjam.snappy.compress_raw(records[at : at + _XERIAL_BLOCK]))
            for at in range(0, len(records), _XERIAL_BLOCK)
        ]
        return _XERIAL_HEADER + b"".join(struct.pack(">I", len(block)) + block for block in blocks)
    if codec == LZ4:
        packer = cramjam.lz4.Compressor(block_linked=False)
        packer.compress(records)
        return bytes(packer.finish())
    return bytes(cramjam.zstd.compress(records)) if codec == ZSTD else records


def _unpack_gzip(data: bytes | memoryview, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    unpacked = unpacker.decompress(data, most_bytes)
    if not unpacker.eof:
        if len(unpacked) == most_bytes:
            raise TooLargeError("too large")
        raise UnreadableError("cut short")
    return unpacked


def _check_lz4_frame(data: bytes | memoryview) -> None:
    """Apache Kafka and Java clients read no frame whose blocks depend on each other (LZ4 frame format, block flag)."""
    if len(data) <= _LZ4_FLAGS_AT or not data[_LZ4_FLAGS_AT] & _LZ4_INDEPENDENT:
        raise UnreadableError("no LZ4 frame of independent blocks")


def _unpack_into(codec: Any, data: bytes | memoryview, most_bytes: int) -> bytes:
    """Unpack into a buffer that each thread keeps, or where that is too small into one of the largest size allowed.

    Pages of a mapping that are not touched take no memory.
    """
    kept = getattr(_kept, "buffer", None)
    if kept is None:
        kept = _kept.buffer = mmap.mmap(-1, _KEPT_BYTES)
    size = _try_to_unpack(codec, data, kept)
    if size is not None:
        return bytes(kept[:size])
    with mmap.mmap(-1, most_bytes) as large:
        size = _try_to_unpack(codec, data, large)
        if size is None:
            raise TooLargeError("too large")
        return large[:size]


def _try_to_unpack(codec: Any, data: bytes | memoryview, buffer: mmap.mmap) -> int | None:
    """The size of what was unpacked, or None where the buffer is too small."""
    try:
        return int(codec.decompress_into(data, buffer))
    except cramjam.DecompressionError as error:
        if _BUFFER_FULL in str(error):
            return None
        raise


def _unpack_snappy(data: bytes, most_bytes: int) -> bytes:
    if not data.startswith(XERIAL_MAGIC):
        return _unpack_snappy_block(data, most_bytes)
    blocks = []
    position, room = XERIAL_HEADER_SIZE, most_bytes
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
        raise TooLargeError("too large")
    return bytes(cramjam.snappy.decompress_raw(data))


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag varint: (value, next position)."""
    raw = shift = 0
    while True:
        byte = data[position]
        position += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), position
        shift += 7
