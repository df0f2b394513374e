"""Finds a partition's log on the disk as the last process left it, however that one ended."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from local_kafka.storage.append import now_ms
from local_kafka.storage.cleaner import CLEANED_SUFFIX
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
    read_first_timestamp,
    save_index,
)

log = logging.getLogger("kafka.log")

# The first offset; of a compacted one also the offset behind it, and its generation.
_NAME = re.compile(r"([0-9]{20})(?:-([0-9]{20})\.([0-9]+))?")


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
    found = _find_segments(folder)
    segments: list[Segment] = []
    end_offset = found[0].base_offset if found else 0
    for number, segment in enumerate(found):
        base = segment.base_offset
        successor = found[number + 1].base_offset if number + 1 < len(found) else None
        if base < end_offset and segment.log_path.stat().st_size == 0:
            # Made for a roll that then failed; the segment before it went on.
            segment.log_path.unlink()
            continue
        if base > end_offset:
            _report_lost(folder, end_offset, base)
        end_offset = open_segment(segment, successor)
        segments.append(segment)
    if not segments:
        return [_first_segment(folder)], 0
    if segments[-1].compacted:
        # The segment behind it was lost; to a compacted one nothing is written.
        segments.append(Segment(folder, end_offset, index=SegmentIndex()))
    _make_writable(segments[-1])
    return segments, end_offset


def _find_segments(folder: Path) -> list[Segment]:
    """The segments that are the log, in order; what compaction replaced or did not finish is removed."""
    for path in folder.glob(f"*{CLEANED_SUFFIX}"):
        path.unlink()
    segments = list(_named(folder, LOG_SUFFIX))
    compacted = sorted((each for each in segments if each.compacted), key=lambda each: -each.generation)
    valid: list[Segment] = []
    for segment in [*compacted, *(each for each in segments if not each.compacted)]:
        if not any(each.base_offset <= segment.base_offset < (each.compacted_to or 0) for each in valid):
            valid.append(segment)
            continue
        log.info("%s is removed: compaction replaced it", segment.log_path)
        for path in (segment.log_path, segment.index_path):
            path.unlink(missing_ok=True)
    return sorted(valid, key=lambda each: each.base_offset)


def _named(folder: Path, suffix: str) -> Iterator[Segment]:
    """The segments that the files of a kind are named by."""
    for path in folder.glob(f"*{suffix}"):
        named = _NAME.fullmatch(path.stem)
        if named and path.is_file():
            base, compacted_to, generation = named.groups()
            if compacted_to:
                yield Segment(folder, int(base), compacted_to=int(compacted_to), generation=int(generation))
            else:
                yield Segment(folder, int(base))
        else:
            log.warning("%s is ignored: a segment's name is its first offset in 20 digits", path)


def _ends_of_lost_segments(folder: Path, segments: list[Segment]) -> Iterator[int]:
    """Where segments ended whose indexes alone are left."""
    present = {segment.index_path for segment in segments}
    for segment in _named(folder, INDEX_SUFFIX):
        last = None if segment.index_path in present else read_last_entry(segment.index_path)
        if last:
            yield last.offset


def _report_lost(folder: Path, first: int, behind: int) -> None:
    log.error("%s: offsets %d to %d are lost: they are in no file", folder, first, behind - 1)


def _go_on_at(segments: list[Segment], end_offset: int, offset: int) -> list[Segment]:
    """The segments with a new one behind a gap in the offsets."""
    active = segments[-1]
    if active.size:
        save_index(active, active.log_path, end_offset)
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
    read_first_timestamp(segment)


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
