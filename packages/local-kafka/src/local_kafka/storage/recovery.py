"""Finds a partition's log on the disk as the last process left it, however that one ended."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from local_kafka.storage.append import now_ms
from local_kafka.storage.index import (
    Entry,
    SegmentIndex,
    load_index,
    read_last_entry,
)
from local_kafka.storage.log import RecoveredLog
from local_kafka.storage.producers import (
    SNAPSHOT_FILE,
    ProducerTable,
    ProducerUpdate,
    load_producers,
)
from local_kafka.storage.scan import walk
from local_kafka.storage.segment import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    Segment,
    open_segment,
    save_index,
)

log = logging.getLogger("kafka.log")

_BASE_OFFSET = re.compile(r"[0-9]{20}")


def recover_log(folder: Path, start_offset: int) -> RecoveredLog:
    """The log of a partition folder; an empty one when there are no files.

    A start reads what was written since the last checkpoint, not the log. Where the folder knows a later end than the
    files have, because some were taken away, or records were deleted up to a later `start_offset`, the log goes on
    there: no offset is given twice.
    """
    segments, end_offset = _open_segments(folder)
    producers, saved_offset = load_producers(folder / SNAPSHOT_FILE, end_offset)
    if saved_offset < end_offset:
        _replay(segments, producers, saved_offset)
    known_end = max(saved_offset, start_offset, *_ends_of_lost_segments(folder, segments))
    if known_end > end_offset:
        if known_end > start_offset:
            _report_lost(folder, max(end_offset, start_offset), known_end)
        segments, end_offset = _go_on_at(segments, end_offset, known_end), known_end
    active = segments[-1]
    saved = active.index.last if active.index and active.saved_entries else None
    unsaved = active.size - (saved.position if saved and len(active.index or ()) == active.saved_entries else 0)
    return RecoveredLog(tuple(segments), producers, end_offset, unsaved)


def _open_segments(folder: Path) -> tuple[list[Segment], int]:
    bases = sorted(_base_offsets(folder, LOG_SUFFIX))
    segments: list[Segment] = []
    end_offset = bases[0] if bases else 0
    for number, base in enumerate(bases):
        successor = bases[number + 1] if number + 1 < len(bases) else None
        path = Segment(folder, base).log_path
        if base < end_offset and path.stat().st_size == 0:
            # Made for a roll that then failed; the segment before it went on.
            path.unlink()
            continue
        if base > end_offset:
            _report_lost(folder, end_offset, base)
        segment, end_offset = open_segment(folder, base, successor)
        segments.append(segment)
    if not segments:
        return [_first_segment(folder)], 0
    _make_writable(segments[-1])
    return segments, end_offset


def _base_offsets(folder: Path, suffix: str) -> Iterator[int]:
    """The base offsets that the files of a kind are named by."""
    for path in folder.glob(f"*{suffix}"):
        if _BASE_OFFSET.fullmatch(path.stem) and path.is_file():
            yield int(path.stem)
        else:
            log.warning("%s is ignored: a segment's name is its first offset in 20 digits", path)


def _ends_of_lost_segments(folder: Path, segments: list[Segment]) -> Iterator[int]:
    """Where segments ended whose indexes alone are left."""
    present = {segment.base_offset for segment in segments}
    for base in _base_offsets(folder, INDEX_SUFFIX):
        last = None if base in present else read_last_entry(Segment(folder, base).index_path)
        if last:
            yield last.offset


def _report_lost(folder: Path, first: int, behind: int) -> None:
    log.error("%s: offsets %d to %d are lost: they are in no file", folder, first, behind - 1)


def _go_on_at(segments: list[Segment], end_offset: int, offset: int) -> list[Segment]:
    """The segments with a new one behind a gap in the offsets."""
    active = segments[-1]
    if active.size:
        save_index(active, end_offset)
        active.index = None
    else:
        active.log_path.unlink(missing_ok=True)
        active.index_path.unlink(missing_ok=True)
        segments = segments[:-1]
    return [*segments, Segment(active.folder, offset, index=SegmentIndex())]


def empty_log(folder: Path) -> RecoveredLog:
    """The log of a partition that is new."""
    return RecoveredLog((_first_segment(folder),), ProducerTable(), end_offset=0, unsaved_bytes=0)


def _first_segment(folder: Path) -> Segment:
    """Its file is made by the first write."""
    return Segment(folder, 0, index=SegmentIndex())


def _make_writable(segment: Segment) -> None:
    """The newest segment's index stays in memory."""
    if segment.index is None:
        segment.index = load_index(segment.index_path, segment.size)
        segment.saved_entries = len(segment.index)


def _replay(segments: list[Segment], producers: ProducerTable, from_offset: int) -> None:
    """Bring the producers' state up to the end of the log."""
    for number, segment in enumerate(segments):
        is_last = number + 1 == len(segments)
        if not is_last and segments[number + 1].base_offset <= from_offset:
            continue
        if segment.size:
            _replay_segment(segment, producers, from_offset)


def _replay_segment(segment: Segment, producers: ProducerTable, from_offset: int) -> None:
    index = segment.index if segment.index is not None else load_index(segment.index_path, segment.size)
    start = index.before_offset(from_offset) or Entry(segment.base_offset, 0, -1)
    update = ProducerUpdate(producers, now_ms())
    descriptor = os.open(segment.log_path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for found in walk(descriptor, start.position, segment.size):
            if found.header.base_offset >= from_offset and found.header.producer_id >= 0:
                update.add(found.header, found.header.base_offset)
    finally:
        os.close(descriptor)
    update.apply()
