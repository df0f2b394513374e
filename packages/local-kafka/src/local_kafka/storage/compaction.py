"""When a log is compacted, and by which segments: the event loop's part, whose work the cleaner does in a thread."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from local_kafka.storage.cleaner import (
    AbandonedError,
    Newest,
    Pass,
    Turns,
    UncleanableError,
)
from local_kafka.storage.disk import Disk
from local_kafka.storage.rules import CleanRules
from local_kafka.storage.segment import Segment, read_first_timestamp
from local_service.files import write_atomically

log = logging.getLogger("kafka.log")

STATE_FILE = "compaction.json"
# So long a reader that was told of a file may take to open it.
_REMOVE_AFTER_SECONDS = 10.0


class CompactedLog(Protocol):
    """What compaction knows of a log."""

    name: str
    folder: Path
    closed: bool
    start_offset: int

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, the last of which is written to."""

    @property
    def segment_bytes(self) -> int:
        """The size of a full segment."""

    def last_batches(self) -> dict[int, int]:
        """The offset of each producer's newest batch."""

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        """Serve a segment in place of others."""

    def remove_files(self, segments: Sequence[Segment]) -> None:
        """Remove segments that are served no more. A disk job."""


class Compaction:
    """The compaction of one log."""

    def __init__(self, log_: CompactedLog, disk: Disk) -> None:
        self._log = log_
        self._disk = disk
        self._compacted_to: int | None = None
        self._uncleanable = self._abandoned = False
        self._running: asyncio.Future[None] | None = None
        self._replaced: list[tuple[float, tuple[Segment, ...]]] = []

    @property
    def running(self) -> bool:
        """Whether a pass is under way, during which nobody else may take segments away."""
        return self._running is not None

    @property
    def replaced(self) -> tuple[Segment, ...]:
        """Segments that are served no more, whose files are there for those who read them yet."""
        return tuple(segment for _, segments in self._replaced for segment in segments)

    async def ended(self) -> None:
        """Wait until no pass is under way; the log is closed, which ends it soon."""
        if self._running:
            await self._running

    async def run(self, now: int, rules: CleanRules) -> None:
        """Compact the log where enough of it is dirty.

        Raises:
            OSError: the disk refuses; the log is what it was.
        """
        await self._remove_replaced()
        if self._running or self._uncleanable or self._log.closed or len(self._log.segments) < 2:
            return
        self._running = asyncio.get_running_loop().create_future()
        try:
            await self._pass(now, rules)
        except UncleanableError as error:
            self._uncleanable = True
            log.error("%s is not compacted any more until the broker starts again: %s", self._log.name, error)  # noqa: TRY400
        except AbandonedError:
            log.info("%s: a compaction was given up", self._log.name)
        except asyncio.CancelledError:
            self._abandoned = True
            raise
        finally:
            self._running.set_result(None)
            self._running = None

    async def _pass(self, now: int, rules: CleanRules) -> None:
        cleaner, full = self._disk.cleaner, self._log.segments[:-1]
        if self._compacted_to is None:
            self._compacted_to = await cleaner.run(partial(_load, self._log.folder / STATE_FILE))
        end = self._log.segments[-1].base_offset
        # As Kafka: an offset that cannot be is none.
        dirty_from = self._compacted_to if self._compacted_to <= end else 0
        dirty_from = max(dirty_from, self._log.start_offset)
        clean, dirty = _split(self._log.segments, dirty_from, now, rules)
        if not await self._is_due(clean, dirty, now, rules):
            return
        turns = Turns(lambda: self._abandoned or self._log.closed)
        step = Pass(self._disk.files, turns, now, rules.delete_retention_ms, self._log.last_batches())
        dirty_to = self._log.segments[len(clean) + len(dirty)].base_offset
        newest = await cleaner.run(partial(step.find_newest, dirty, dirty_from, dirty_to))
        before = sum(segment.size for segment in full)
        generation = max(segment.generation for segment in full) + 1
        for group in _groups(self._log.segments, newest, self._log.segment_bytes):
            await self._replace(step, group, newest, generation)
        self._compacted_to = newest.end_offset
        state = json.dumps({"compacted_to": newest.end_offset}).encode()
        await cleaner.run(partial(write_atomically, self._log.folder / STATE_FILE, state))
        after = sum(segment.size for segment in self._log.segments if segment.base_offset < end)
        log.info("%s: compacted up to offset %d, from %d to %d bytes", self._log.name, newest.end_offset, before, after)

    async def _replace(
        self, step: Pass, group: tuple[tuple[Segment, ...], int], newest: Newest, generation: int
    ) -> None:
        old, end_offset = group
        new = Segment(self._log.folder, old[0].base_offset, compacted_to=end_offset, generation=generation)
        await self._disk.cleaner.run(partial(step.write, old, new, newest))
        self._log.replace(old, new)
        self._replaced.append((asyncio.get_running_loop().time(), old))

    async def _is_due(self, clean: Sequence[Segment], dirty: Sequence[Segment], now: int, rules: CleanRules) -> bool:
        dirty_bytes = sum(segment.size for segment in dirty)
        if not dirty_bytes:
            return False
        if dirty_bytes > rules.min_dirty_ratio * (dirty_bytes + sum(segment.size for segment in clean)):
            return True
        if rules.max_lag_ms >= now:
            return False
        await self._disk.cleaner.run(partial(_read_first_timestamps, dirty))
        return any(0 <= (segment.first_timestamp or -1) < now - rules.max_lag_ms for segment in dirty)

    async def _remove_replaced(self) -> None:
        before = asyncio.get_running_loop().time() - _REMOVE_AFTER_SECONDS
        due = [segments for since, segments in self._replaced if since < before]
        self._replaced = self._replaced[len(due) :]
        for segments in due:
            await self._disk.cleaner.run(partial(self._log.remove_files, segments))


def _split(
    segments: Sequence[Segment], dirty_from: int, now: int, rules: CleanRules
) -> tuple[list[Segment], list[Segment]]:
    """The full segments that are clean, and those behind that may be cleaned."""
    clean: list[Segment] = []
    dirty: list[Segment] = []
    for segment, successor in pairwise(segments):
        if successor.base_offset <= dirty_from:
            clean.append(segment)
        elif rules.min_lag_ms and segment.age_timestamp > now - rules.min_lag_ms:
            break
        else:
            dirty.append(segment)
    return clean, dirty


def _groups(segments: Sequence[Segment], newest: Newest, most_bytes: int) -> list[tuple[tuple[Segment, ...], int]]:
    """Neighbours of at most the size of one segment, which become one, each group with the offset behind it."""
    groups: list[tuple[tuple[Segment, ...], int]] = []
    size = 0
    for segment, successor in pairwise(segments):
        if segment.base_offset >= newest.end_offset:
            break
        size += segment.size
        if groups and size <= most_bytes:
            groups[-1] = ((*groups[-1][0], segment), successor.base_offset)
        else:
            groups.append(((segment,), successor.base_offset))
            size = segment.size
    return groups


def _read_first_timestamps(segments: Sequence[Segment]) -> None:
    for segment in segments:
        read_first_timestamp(segment)


def _load(path: Path) -> int:
    """The offset up to which a log was compacted; 0 where that is not known, and then all of it is read again."""
    try:
        return int(json.loads(path.read_bytes())["compacted_to"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0
