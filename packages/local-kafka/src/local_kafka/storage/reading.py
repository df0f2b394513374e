"""Reads a log over all its segments. Disk jobs, on views that were taken in the event loop."""

from __future__ import annotations

from collections.abc import Iterable

from local_kafka.storage.disk import Disk
from local_kafka.storage.segment import Segment, SegmentView, find_time, read_batches

Views = tuple[SegmentView, ...]


def views_of(segments: Iterable[Segment]) -> Views:
    """What disk jobs may know of segments. Taken in the event loop."""
    return tuple(SegmentView.of(segment) for segment in segments)


def read_log(disk: Disk, views: Views, offset: int, max_bytes: int, at_least_one: bool) -> bytes:
    """Batches from an offset on, up to so many bytes; with `at_least_one` the first whatever its size.

    Raises:
        OSError: they cannot be read.
    """
    for view in views:
        wanted = max(offset, view.segment.base_offset)
        chunk = read_batches(disk.files, disk.indexes, view, wanted, max_bytes, at_least_one=at_least_one)
        if not chunk.next_segment:
            return chunk.data
    return b""


def find_in_log(disk: Disk, views: Views, start_offset: int, timestamp: int) -> tuple[int, int] | None:
    """The first record from an offset on that is not older than a time (ms): (timestamp, offset), or None."""
    for view in views:
        found = find_time(disk.files, disk.indexes, view, start_offset, timestamp)
        if found:
            return found
    return None
