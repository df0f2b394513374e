"""One file of a partition's log, and what disk workers do with it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_kafka.storage.batch import HEADER_SIZE, BatchHeader, unpack_header
from local_kafka.storage.files import FileCache
from local_kafka.storage.index import (
    ENTRY_SIZE,
    Entry,
    IndexCache,
    SegmentIndex,
    load_index,
    read_last_entry,
)
from local_kafka.storage.records import first_at_or_after
from local_kafka.storage.scan import Damage, Found, scan, walk

log = logging.getLogger("kafka.log")

LOG_SUFFIX, INDEX_SUFFIX = ".log", ".index"


@dataclass(slots=True, eq=False)
class Segment:
    """A file of batches from `base_offset` on.

    `size` is what is written and answered for; bytes below `checked_from` were there before this process and are
    checked against their checksums whenever they are read. `index` is None for a full segment, whose entries are all
    in its index file. `written_at` is the broker's time (ms) of the last write.

    A compacted one has the offsets up to `compacted_to`, with holes, and a generation, by which files that follow one
    another in the same place are told apart.
    """

    folder: Path
    base_offset: int
    size: int = 0
    max_timestamp: int = -1
    written_at: int = -1
    checked_from: int = 0
    index: SegmentIndex | None = None
    saved_entries: int = 0
    reported: set[int] = field(default_factory=set)
    compacted_to: int | None = None
    generation: int = 0
    first_timestamp: int | None = None
    log_path: Path = field(init=False)

    def __post_init__(self) -> None:
        place = f"{self.base_offset:020d}"
        if self.compacted_to is not None:
            place += f"-{self.compacted_to:020d}.{self.generation}"
        self.log_path = self.folder / f"{place}{LOG_SUFFIX}"

    @property
    def compacted(self) -> bool:
        """Whether offsets may be missing."""
        return self.compacted_to is not None

    @property
    def index_path(self) -> Path:
        return self.log_path.with_suffix(INDEX_SUFFIX)

    @property
    def age_timestamp(self) -> int:
        """The time (ms) that retention goes by: the newest record's, or where none has one that of the file, as in
        Kafka."""
        return self.max_timestamp if self.max_timestamp >= 0 else self.written_at

    def note(self, position: int, offset: int, header: BatchHeader) -> None:
        """A batch stands in the file."""
        if self.index is None:
            raise RuntimeError(f"{self.log_path} is full")
        if self.index.due(position):
            self.index.add(Entry(offset, position, self.max_timestamp))
        if not position:
            self.first_timestamp = header.max_timestamp
        if header.record_count:
            self.max_timestamp = max(self.max_timestamp, header.max_timestamp)
        self.size = position + header.size


@dataclass(frozen=True, slots=True)
class SegmentView:
    """What a disk worker may know of a segment: taken in the event loop, never changed."""

    segment: Segment
    size: int
    max_timestamp: int
    index: SegmentIndex | None

    @classmethod
    def of(cls, segment: Segment) -> SegmentView:
        return cls(segment, segment.size, segment.max_timestamp, segment.index)

    def entries(self, indexes: IndexCache) -> SegmentIndex:
        """The index, from memory or from its file."""
        return indexes.get(self.segment.index_path, self.size) if self.index is None else self.index


def open_segment(segment: Segment, end_offset: int | None) -> int:
    """Take in a segment as the last process left it; the offset behind it. A torn tail is cut off.

    Args:
        segment: one of which nothing is known but its file.
        end_offset: where the next segment begins; None for the newest one, whose index stays in memory.
    """
    if segment.compacted_to is not None:
        end_offset = segment.compacted_to
    found = segment.log_path.stat()
    file_size, segment.written_at = found.st_size, found.st_mtime_ns // 1_000_000
    last = read_last_entry(segment.index_path) if end_offset is not None else None
    if last and (last.offset, last.position) == (end_offset, file_size):
        segment.size = segment.checked_from = file_size
        segment.max_timestamp = last.max_timestamp
        return last.offset
    index = load_index(segment.index_path, file_size)
    segment.index, segment.saved_entries = index, len(index)
    start = index.last or Entry(segment.base_offset, 0, -1)
    segment.size, segment.max_timestamp = start.position, start.max_timestamp
    next_offset = _recover(segment, file_size, start.offset, end_offset)
    segment.checked_from = segment.size
    if segment.compacted_to is not None:
        next_offset = segment.compacted_to
    if end_offset is not None:
        save_index(segment, segment.log_path, next_offset)
        segment.index = None
    return next_offset


def _recover(segment: Segment, file_size: int, next_offset: int, end_offset: int | None) -> int:
    """Take in what lies behind the index; the offset behind it.

    What stands in the next segment too (from `end_offset` on) is left of a write that failed, and nobody's.
    """
    descriptor = os.open(segment.log_path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for found in scan(descriptor, segment.size, file_size, next_offset, compacted=segment.compacted):
            if isinstance(found, Damage):
                report_damage(segment, found)
                continue
            header = found.header
            if end_offset is not None and header.base_offset >= end_offset:
                break
            segment.note(found.position, header.base_offset, header)
            next_offset = header.last_offset + 1
        if segment.size < file_size:
            log.warning(
                "%s: cut %d bytes behind the last whole batch (offset %d)",
                segment.log_path,
                file_size - segment.size,
                next_offset - 1,
            )
            os.ftruncate(descriptor, segment.size)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return next_offset


def report_damage(segment: Segment, damage: Damage) -> None:
    """Say once, loudly, what a damaged place costs."""
    if damage.next_offset is None or damage.position in segment.reported:
        return
    segment.reported.add(damage.position)
    log.error(
        "%s: bytes %d to %d are damaged; offsets %d to %d are lost, everything behind them is not",
        segment.log_path,
        damage.position,
        damage.end,
        damage.first_offset,
        damage.next_offset - 1,
    )


def save_index(segment: Segment, log_path: Path, end_offset: int) -> None:
    """Write a full segment's index file, up to an entry for its end; its records are in `log_path`."""
    if segment.index is None:
        return
    with log_path.open("rb") as file:
        # An index says that what it describes is on the disk.
        os.fdatasync(file.fileno())
    last = segment.index.last
    if segment.size and (last is None or last.position < segment.size):
        segment.index.add(Entry(end_offset, segment.size, segment.max_timestamp))
    with segment.index_path.open("r+b" if segment.index_path.exists() else "xb") as file:
        write_index(file.fileno(), segment.saved_entries, segment.index.packed(segment.saved_entries))
        os.fdatasync(file.fileno())
    segment.saved_entries = len(segment.index)


def write_index(descriptor: int, first: int, packed: bytes) -> None:
    """Write entries at their place in an index file, and cut off what an earlier attempt left behind them."""
    position = first * ENTRY_SIZE
    os.pwrite(descriptor, packed, position)
    os.ftruncate(descriptor, position + len(packed))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Batches read for a fetch: whole, one after the other. `next_segment` asks to go on behind this segment."""

    data: bytes
    next_segment: bool = False


def read_batches(
    files: FileCache, indexes: IndexCache, view: SegmentView, offset: int, max_bytes: int, *, at_least_one: bool
) -> Chunk:
    """Batches from the one that holds an offset on, up to so many bytes.

    With `at_least_one` the first is returned whatever its size, so that a consumer always gets on (KIP-74).
    """
    index = view.entries(indexes)
    start = index.before_offset(offset) or Entry(view.segment.base_offset, 0, -1)
    with files.use(view.segment.log_path) as descriptor:
        if start.position < view.segment.checked_from:
            return _read_checked(descriptor, view, start, offset, max_bytes, at_least_one)
        first = next((found for found in walk(descriptor, start.position, view.size) if _holds(found, offset)), None)
        if first is None:
            return Chunk(b"", next_segment=True)
        stop = _stop(index, view.size, first, max_bytes, at_least_one)
        return Chunk(os.pread(descriptor, stop - first.position, first.position))


def read_first_timestamp(segment: Segment) -> None:
    """Learn the newest timestamp of the first batch from the file, by which the segment's age goes."""
    if segment.size and segment.first_timestamp is None:
        with segment.log_path.open("rb") as file:
            segment.first_timestamp = unpack_header(file.read(HEADER_SIZE)).max_timestamp


def _holds(found: Found, offset: int) -> bool:
    return found.header.last_offset >= offset


def _stop(index: SegmentIndex, size: int, first: Found, max_bytes: int, at_least_one: bool) -> int:
    """The batch boundary where a read of so many bytes ends."""
    stop = first.position + max_bytes
    if stop >= size:
        return size
    boundary = index.boundary_before(stop)
    if boundary > first.position:
        return boundary
    fits = at_least_one or first.header.size <= max_bytes
    return first.position + first.header.size if fits else first.position


def _read_checked(
    descriptor: int, view: SegmentView, start: Entry, offset: int, max_bytes: int, at_least_one: bool
) -> Chunk:
    """Read what an earlier process wrote: only batches whose checksums hold."""
    begin = end = None
    for found in scan(descriptor, start.position, view.size, start.offset, compacted=view.segment.compacted):
        if isinstance(found, Damage):
            report_damage(view.segment, found)
            if begin is not None:
                break
            continue
        if not _holds(found, offset):
            continue
        if begin is None:
            begin = end = found.position
            if found.header.size > max_bytes and not at_least_one:
                break
        elif found.position + found.header.size - begin > max_bytes:
            break
        end = found.position + found.header.size
    if begin is None or end is None:
        return Chunk(b"", next_segment=True)
    return Chunk(os.pread(descriptor, end - begin, begin))


def find_time(
    files: FileCache, indexes: IndexCache, view: SegmentView, least_offset: int, timestamp: int
) -> tuple[int, int] | None:
    """The first record from an offset on that is not older than a time (ms): (timestamp, offset), or None."""
    if view.max_timestamp < timestamp or view.size == 0:
        return None
    start = view.entries(indexes).before_time(timestamp) or Entry(view.segment.base_offset, 0, -1)
    with files.use(view.segment.log_path) as descriptor:
        for batch in scan(descriptor, start.position, view.size, start.offset, compacted=view.segment.compacted):
            if isinstance(batch, Damage) or batch.header.last_offset < least_offset:
                continue
            if batch.header.max_timestamp >= timestamp:
                data = os.pread(descriptor, batch.header.size, batch.position)
                found = first_at_or_after(data, batch.header, least_offset, timestamp)
                if found:
                    return found
    return None


def newest_timestamp(views: Sequence[SegmentView]) -> int:
    """The newest timestamp (ms) of some segments, or -1."""
    return max((view.max_timestamp for view in views), default=-1)
