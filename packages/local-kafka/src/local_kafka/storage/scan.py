"""Walks batches in a segment file: fast where it is known to be good, with checksums and salvage where it is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from local_kafka.storage.batch import (
    HEADER_SIZE,
    LEADER_EPOCH,
    LENGTH_OVERHEAD,
    MAGIC,
    BatchHeader,
    checksum_matches,
    unpack_header,
)

_WALK_CHUNK = 8192
_SCAN_CHUNK = 1 << 20
# Leader epoch and magic byte as every stored batch has them, at this distance from the batch's first byte.
_MARK = LEADER_EPOCH.to_bytes(4, "big") + bytes((MAGIC,))
_MARK_AT = LENGTH_OVERHEAD


@dataclass(frozen=True, slots=True)
class Found:
    """A whole batch."""

    position: int
    header: BatchHeader


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no batch, up to the next good one or to the end of the file (`next_offset` None)."""

    position: int
    end: int
    first_offset: int
    next_offset: int | None


def walk(descriptor: int, position: int, end: int) -> Iterator[Found]:
    """The batches from a batch boundary on, by their headers alone. Stops at the first that cannot be one."""
    chunk, start = b"", position
    while position + HEADER_SIZE <= end:
        if position + HEADER_SIZE > start + len(chunk):
            chunk, start = os.pread(descriptor, min(_WALK_CHUNK, end - position), position), position
            if len(chunk) < HEADER_SIZE:
                return
        header = unpack_header(chunk, position - start)
        if not header.plausible:
            return
        yield Found(position, header)
        position += header.size


def scan(
    descriptor: int, position: int, end: int, next_offset: int, *, compacted: bool = False
) -> Iterator[Found | Damage]:
    """The batches from a position on, each checked against its checksum and its place in the order of offsets.

    Where a segment is compacted, offsets are missing that were there.
    """
    window = _Window(descriptor, end)
    while position < end:
        header = window.batch_at(position, next_offset, exact=not compacted)
        if header is None:
            found = _next_batch(window, position + 1, next_offset)
            if found is None:
                yield Damage(position, end, next_offset, None)
                return
            yield Damage(position, found.position, next_offset, found.header.base_offset)
            position, header = found.position, found.header
        yield Found(position, header)
        position += header.size
        next_offset = header.last_offset + 1


def _next_batch(window: _Window, position: int, least_offset: int) -> Found | None:
    """The first good batch behind a damaged place."""
    while (position := window.find(_MARK, position + _MARK_AT) - _MARK_AT) >= 0:
        header = window.batch_at(position, least_offset, exact=False)
        if header is not None:
            return Found(position, header)
        position += 1
    return None


class _Window:
    """A file seen through chunks, so that scanning a large segment takes little memory."""

    def __init__(self, descriptor: int, end: int) -> None:
        self._descriptor = descriptor
        self._end = end
        self._start = 0
        self._chunk = b""

    def read(self, position: int, size: int) -> bytes | memoryview:
        """Bytes of the file; fewer where it ends."""
        if position < self._start or position + size > self._start + len(self._chunk):
            wanted = min(max(size, _SCAN_CHUNK), self._end - position)
            self._chunk, self._start = os.pread(self._descriptor, wanted, position), position
        return memoryview(self._chunk)[position - self._start : position - self._start + size]

    def batch_at(self, position: int, offset: int, *, exact: bool) -> BatchHeader | None:
        """The header of a good batch at a position, of this offset or (not `exact`) of a later one."""
        if position + HEADER_SIZE > self._end:
            return None
        raw = self.read(position, HEADER_SIZE)
        if len(raw) < HEADER_SIZE:
            return None
        header = unpack_header(raw)
        if not header.plausible or header.leader_epoch != LEADER_EPOCH or position + header.size > self._end:
            return None
        if header.base_offset < offset or (exact and header.base_offset != offset):
            return None
        batch = self.read(position, header.size)
        return header if len(batch) == header.size and checksum_matches(batch, header) else None

    def find(self, mark: bytes, position: int) -> int:
        """The next place of some bytes, or -1 far enough below zero to stay negative."""
        while position + len(mark) <= self._end:
            chunk = bytes(self.read(position, min(_SCAN_CHUNK, self._end - position)))
            found = chunk.find(mark)
            if found >= 0:
                return position + found
            if len(chunk) < len(mark):
                break
            position += len(chunk) - len(mark) + 1
        return -1
