"""The sparse index of a segment: where in the file an offset or a time is found.

Its file is written when what it describes has reached the disk, entry by entry, each with a checksum. So the last good
entry says how far a segment needs no check after a crash, and where the rest begins.
"""

from __future__ import annotations

import os
import struct
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

# An entry for every so many bytes of log.
INTERVAL = 4096
_ENTRY = struct.Struct(">qqq")
_CHECKSUM = struct.Struct(">I")
ENTRY_SIZE = _ENTRY.size + _CHECKSUM.size
# Indexes of full segments that stay in memory.
_CACHED = 16


class Entry(NamedTuple):
    """A batch boundary: the offset that begins at a position, and the newest timestamp (ms) before it, or -1."""

    offset: int
    position: int
    max_timestamp: int


class SegmentIndex:
    """Entries in order. Only the event loop adds; disk workers search, each search one step of the interpreter."""

    __slots__ = ("_offsets", "_positions", "_timestamps")

    def __init__(self) -> None:
        self._offsets = array("q")
        self._positions = array("q")
        self._timestamps = array("q")

    def __len__(self) -> int:
        return len(self._timestamps)

    @property
    def last(self) -> Entry | None:
        """The newest entry."""
        return self._entry(len(self) - 1) if len(self) else None

    def add(self, entry: Entry) -> None:
        """Append an entry that lies behind all others."""
        self._offsets.append(entry.offset)
        self._positions.append(entry.position)
        self._timestamps.append(entry.max_timestamp)

    def due(self, position: int) -> bool:
        """Whether a batch at this position deserves an entry."""
        return not self._positions or position - self._positions[-1] >= INTERVAL

    def before_offset(self, offset: int) -> Entry | None:
        """The last entry at or before an offset."""
        return self._entry(bisect_right(self._offsets, offset) - 1)

    def before_time(self, timestamp: int) -> Entry | None:
        """The last entry before which everything is older than a time."""
        return self._entry(max(bisect_left(self._timestamps, timestamp) - 1, 0))

    def boundary_before(self, position: int) -> int:
        """The last known batch boundary at or before a position."""
        found = bisect_right(self._positions, position) - 1
        return self._positions[found] if found >= 0 else 0

    def packed(self, first: int) -> bytes:
        """The entries from a number on, as the file has them."""
        packed = bytearray()
        for number in range(first, len(self)):
            entry = _ENTRY.pack(self._offsets[number], self._positions[number], self._timestamps[number])
            packed += entry + _CHECKSUM.pack(crc32c(entry))
        return bytes(packed)

    def _entry(self, number: int) -> Entry | None:
        if not 0 <= number < len(self):
            return None
        return Entry(self._offsets[number], self._positions[number], self._timestamps[number])


def load_index(path: Path, log_size: int) -> SegmentIndex:
    """The good entries of an index file that lie within a log file of a size; empty when there is no file."""
    index = SegmentIndex()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return index
    last = Entry(-1, -1, -1)
    for position in range(0, len(data) - ENTRY_SIZE + 1, ENTRY_SIZE):
        entry = _unpack(data, position)
        if entry is None or entry.offset <= last.offset or not last.position < entry.position <= log_size:
            break
        index.add(entry)
        last = entry
    return index


def read_last_entry(path: Path) -> Entry | None:
    """The last entry of an index file, without reading the others; None when there is none or it is damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        if size < ENTRY_SIZE or size % ENTRY_SIZE:
            return None
        return _unpack(os.pread(descriptor, ENTRY_SIZE, size - ENTRY_SIZE), 0)
    finally:
        os.close(descriptor)


def _unpack(data: bytes, position: int) -> Entry | None:
    entry = data[position : position + _ENTRY.size]
    (checksum,) = _CHECKSUM.unpack_from(data, position + _ENTRY.size)
    return Entry(*_ENTRY.unpack(entry)) if crc32c(entry) == checksum else None


class IndexCache:
    """Indexes of full segments, loaded when somebody reads there. Safe to use from several threads."""

    def __init__(self) -> None:
        self._indexes: OrderedDict[Path, SegmentIndex] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, log_size: int) -> SegmentIndex:
        """The index in a file."""
        with self._lock:
            index = self._indexes.get(path)
            if index is None:
                index = self._indexes[path] = load_index(path, log_size)
            self._indexes.move_to_end(path)
            while len(self._indexes) > _CACHED:
                self._indexes.popitem(last=False)
            return index

    def forget(self, path: Path) -> None:
        """Drop the index of a segment that is removed."""
        with self._lock:
            self._indexes.pop(path, None)
