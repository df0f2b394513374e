"""Finds a partition's log on the disk as the last process left it, however that one ended."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from dropship_dagster.embedded.kafka.storage.index import Entry, SegmentIndex, load_index
from dropship_dagster.embedded.kafka.storage.log import RecoveredLog, now_ms
from dropship_dagster.embedded.kafka.storage.producers import (
    SNAPSHOT_FILE,
    ProducerTable,
    ProducerUpdate,
    load_producers,
)
from dropship_dagster.embedded.kafka.storage.scan import walk
from dropship_dagster.embedded.kafka.storage.segment import LOG_SUFFIX, Segment, open_segment

log = logging.getLogger("kafka.log")


def recover_log(folder: Path) -> RecoveredLog:
    """The log of a partition folder; an empty one when there are no files.

    A start reads what was written since the last checkpoint, not the log.
    """
    segments, end_offset = _open_segments(folder)
    producers, saved_offset = load_producers(folder / SNAPSHOT_FILE, end_offset)
    if saved_offset < end_offset:
        _replay(segments, producers, saved_offset)
    active = segments[-1]
    saved = active.index.last if active.index and active.saved_entries else None
    unsaved = active.size - (saved.position if saved and len(active.index or ()) == active.saved_entries else 0)
    return RecoveredLog(tuple(segments), producers, end_offset, unsaved)


def _open_segments(folder: Path) -> tuple[list[Segment], int]:
    bases: list[int] = sorted(int(path.stem) for path in folder.glob(f"*{LOG_SUFFIX}"))
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
            log.error("%s: offsets %d to %d are lost: they are in no file", folder, end_offset, base - 1)
        segment, end_offset = open_segment(folder, base, successor)
        segments.append(segment)
    if not segments:
        return [_first_segment(folder)], 0
    _make_writable(segments[-1])
    return segments, end_offset


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
