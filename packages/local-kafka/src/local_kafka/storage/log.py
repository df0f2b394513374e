"""A partition's log: ordered segments, appended to by one write at a time, read by offset or by time.

All state belongs to the event loop. Disk jobs get views of it and come back with a callback, so that no lock is needed
and a slow disk holds up nobody but those who wait for this partition.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from kio.schema.errors import ErrorCode

from local_kafka.storage.append import (
    MOST_BATCHES,
    Appended,
    AppendResult,
    QueuedBatch,
    WritePlan,
    now_ms,
)
from local_kafka.storage.batch import BatchHeader, RefusedError
from local_kafka.storage.compaction import Compaction
from local_kafka.storage.disk import Disk
from local_kafka.storage.index import Entry, SegmentIndex
from local_kafka.storage.producers import SNAPSHOT_FILE, ProducerTable, ProducerUpdate
from local_kafka.storage.reading import find_in_log, read_log, views_of
from local_kafka.storage.rules import Retention, RollRules
from local_kafka.storage.segment import Segment, newest_timestamp, write_index
from local_kafka.storage.validation import RecordRules
from local_service.files import sync_folder, write_atomically

log = logging.getLogger("kafka.log")

# After so many bytes the index and the producers are saved, which bounds what a start after a crash has to read again.
CHECKPOINT_BYTES = 8 << 20
# The records of a batch up to this are checked at once, which takes less time than a worker's turn.
_SMALL_BATCH_BYTES, _SMALL_BATCH_RECORDS = 16_384, 200


# (most bytes, the first batch whatever its size) -> batches. Raises OSError.
Reader = Callable[[int, bool], bytes]


@dataclass(frozen=True, slots=True)
class RecoveredLog:
    """A log as found on the disk."""

    segments: tuple[Segment, ...]
    producers: ProducerTable
    end_offset: int
    unsaved_bytes: int


class PartitionLog:
    """The log of one partition."""

    def __init__(
        self,
        topic: str,
        number: int,
        folder: Path,
        disk: Disk,
        recovered: RecoveredLog,
        start_offset: int,
        roll_rules: RollRules,
    ) -> None:
        self.topic = topic
        self.name = f"{topic}-{number}"
        self.folder = folder
        self.roll_rules = roll_rules
        self.end_offset = recovered.end_offset
        self.start_offset = min(max(start_offset, recovered.segments[0].base_offset), self.end_offset)
        self.closed = False
        self._disk = disk
        self._segments = recovered.segments
        self.compaction = Compaction(self, disk)
        self._producers = recovered.producers
        self._queue: deque[QueuedBatch] = deque()
        self._writing = False
        self._rolling = False
        self._clear_tail = False
        self._unsynced = False
        self._bytes_since_checkpoint = recovered.unsaved_bytes
        self._saving: asyncio.Future[None] | None = None
        self._listeners: set[Callable[[], None]] = set()

    # Appending

    def append(self, header: BatchHeader, data: memoryview, rules: RecordRules, answer: Appended) -> None:
        """Store a batch with a right header; `answer` is called in the event loop when it is stored, or is not."""
        batch = QueuedBatch(header, data, answer)
        self._queue.append(batch)
        if header.size <= _SMALL_BATCH_BYTES and header.record_count <= _SMALL_BATCH_RECORDS:
            batch.check(rules)
            self._checked(batch, None, None)
        else:
            self._disk.checker.submit_soon(partial(batch.check, rules), partial(self._checked, batch))

    def _checked(self, batch: QueuedBatch, _: Any, error: Exception | None) -> None:
        batch.checked = True
        if error is not None:
            log.error("%s: cannot check a batch", self.name, exc_info=error)
            batch.refusal = RefusedError(ErrorCode.unknown_server_error, "The batch cannot be checked.")
        if not self._writing:
            self._write_next()

    @property
    def needs_sync(self) -> bool:
        """Whether something was written since the last sync."""
        return self._unsynced

    @property
    def needs_checkpoint(self) -> bool:
        """Whether something was written that the index file does not know."""
        return self._bytes_since_checkpoint > 0

    def _write_next(self) -> None:
        """Start one write with all that waits and fits, unless one is under way."""
        while self._queue and self._queue[0].checked and not self._writing:
            if self.closed:
                self._refuse_queue(ErrorCode.unknown_topic_or_partition, "The topic was deleted.")
                return
            if not self._disk.reserve.held:
                self._refuse_queue(ErrorCode.kafka_storage_error, "The broker's disk is full.")
                return
            active = self._segments[-1]
            if self._wants_segment(self._queue[0], active.size, active.first_timestamp):
                # A checkpoint under way writes the same index file; it comes back here when it is done.
                if self._saving is None:
                    self._roll()
                return
            plan = self._plan(active)
            if plan.placed:
                self._writing = True
                write = partial(plan.write, self._disk.files, self._disk.durability)
                self._disk.workers.submit_soon(write, partial(self._written, plan))
                return
            plan.answer_all(ErrorCode.none)

    def _plan(self, active: Segment) -> WritePlan:
        update = ProducerUpdate(self._producers, now_ms())
        plan = WritePlan(active.log_path, active.size, update, self.end_offset, self._clear_tail)
        first = active.first_timestamp if active.size else None
        while self._queue and self._queue[0].checked and len(plan.placed) < MOST_BATCHES:
            if plan.placed and self._wants_segment(self._queue[0], active.size + plan.size, first):
                break
            plan.add(self._queue.popleft())
            if first is None and plan.placed:
                first = plan.placed[0].header.max_timestamp
        return plan

    def _wants_segment(self, batch: QueuedBatch, size: int, first_timestamp: int | None) -> bool:
        """Whether a batch is too much for a segment of a size, or too late for one that began at a time (ms)."""
        if not size or batch.refusal:
            return False
        if size + batch.header.size > self.roll_rules.most_bytes:
            return True
        began = -1 if first_timestamp is None else first_timestamp
        return began >= 0 and batch.header.max_timestamp - began > self.roll_rules.most_ms

    def _written(self, plan: WritePlan, _: Any, error: Exception | None) -> None:
        self._clear_tail = error is not None
        if error is None:
            active = self._segments[-1]
            active.written_at = now_ms()
            for batch in plan.placed:
                active.note(batch.position, batch.offset, batch.header)
            plan.update.apply()
            self.end_offset = plan.end_offset
            self._unsynced = True
            self._bytes_since_checkpoint += plan.size
            plan.answer_all(ErrorCode.none)
            self._notify()
        elif self.closed:
            plan.answer_all(ErrorCode.unknown_topic_or_partition, "The topic was deleted.")
        else:
            log.error("%s: cannot write %d bytes: %s", self.name, plan.size, error)
            plan.answer_all(ErrorCode.kafka_storage_error, f"The broker's disk refuses writes: {error}.")
        # Only now: whoever was answered may have sent more, which belongs into the next write.
        self._writing = False
        self._write_next()

    def _roll(self) -> asyncio.Future[Exception | None]:
        """Close the active segment and go on with a new file; gives what went wrong."""
        self._writing = self._rolling = True
        rolled: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        full, fresh = self._segments[-1], Segment(self.folder, self.end_offset, index=SegmentIndex())
        checkpoint = self._checkpoint_job(full)

        def job() -> None:
            checkpoint()
            with self._disk.files.use(fresh.log_path, create=True):
                sync_folder(self.folder)

        self._disk.workers.submit(job, partial(self._rolled, full, fresh, rolled))
        return rolled

    def _rolled(
        self,
        full: Segment,
        fresh: Segment,
        rolled: asyncio.Future[Exception | None],
        _: Any,
        error: Exception | None,
    ) -> None:
        self._rolling = False
        if not rolled.cancelled():
            rolled.set_result(error)
        if error is None:
            full.index = None
            self._segments = (*self._segments, fresh)
        else:
            log.error("%s: cannot begin a new segment: %s", self.name, error)
            self._refuse_queue(ErrorCode.kafka_storage_error, f"The broker's disk refuses writes: {error}.")
        self._writing = False
        self._write_next()

    def _refuse_queue(self, error: ErrorCode, sentence: str) -> None:
        refused, self._queue = self._queue, deque()
        for batch in refused:
            batch.answer(AppendResult(error, -1, sentence))

    # Waiting for data

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a listener at each change of the log, until `unlisten`."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Stop calling a listener."""
        self._listeners.discard(listener)

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    # Reading

    def holds(self, offset: int) -> bool:
        """Whether one can read from an offset: it is in the log, or the next one to come."""
        return self.start_offset <= offset <= self.end_offset

    def reader(self, offset: int) -> Reader:
        """What reads batches from an offset on, in a disk worker."""
        first = max(bisect_right(self._segments, offset, key=_base_offset) - 1, 0)
        return partial(read_log, self._disk, views_of(self._segments[first:]), offset)

    async def offset_at(self, timestamp: int) -> tuple[int, int] | None:
        """The first record that is not older than a time (ms), as (timestamp, offset); None when all are older."""
        return await self._disk.workers.run(
            partial(find_in_log, self._disk, views_of(self._segments), self.start_offset, timestamp)
        )

    async def newest(self) -> tuple[int, int] | None:
        """The first record with the newest timestamp, as (timestamp, offset); None when the log is empty."""
        if self.start_offset == self.end_offset:
            return None
        timestamp = newest_timestamp(views_of(self._segments))
        return await self._disk.workers.run(
            partial(find_in_log, self._disk, views_of(self._segments), self.start_offset, timestamp)
        )

    # Saving

    async def sync(self, *, checkpoint: bool = False) -> None:
        """Force what is written to the disk; from time to time, or when asked, save index and producers too.

        Raises:
            OSError: the disk failed; what is written is still there, and the next sync tries again.
        """
        while self._saving:
            await asyncio.shield(self._saving)
        checkpoint = self._bytes_since_checkpoint >= (1 if checkpoint else CHECKPOINT_BYTES)
        if self.closed or not (self._unsynced or checkpoint):
            return
        active = self._segments[-1]
        entries = 0
        if checkpoint and not (self._rolling or active.index is None):
            job = self._checkpoint_job(active)
            entries = len(active.index)
        else:
            job = partial(self._sync_file, active)
        self._unsynced = False
        self._saving = asyncio.get_running_loop().create_future()
        try:
            await self._disk.workers.run(job)
            active.saved_entries = max(active.saved_entries, entries)
        except OSError:
            self._unsynced = True
            self._bytes_since_checkpoint += CHECKPOINT_BYTES
            raise
        finally:
            self._saving.set_result(None)
            self._saving = None
            if not self._writing:
                self._write_next()

    def _sync_file(self, segment: Segment) -> None:
        with self._disk.files.use(segment.log_path) as descriptor:
            os.fdatasync(descriptor)

    def _checkpoint_job(self, segment: Segment) -> Callable[[], None]:
        """A disk job that makes the log durable and then says so: index up to the end, producers up to the end."""
        index = segment.index
        if index is None:
            raise RuntimeError(f"{segment.log_path} is full")
        last = index.last
        if segment.size and (last is None or last.position < segment.size):
            index.add(Entry(self.end_offset, segment.size, segment.max_timestamp))
        self._bytes_since_checkpoint = 0
        packed = index.packed(segment.saved_entries)
        producers = self._producers.saved(self.end_offset, now_ms())

        def job() -> None:
            self._sync_file(segment)
            with self._disk.files.use(segment.index_path, create=True) as descriptor:
                write_index(descriptor, segment.saved_entries, packed)
                os.fdatasync(descriptor)
            self._disk.files.forget(segment.index_path)
            write_atomically(self.folder / SNAPSHOT_FILE, producers)

        return job

    # Removing

    async def delete_before(self, offset: int) -> None:
        """Move the start of the log and remove the segments that lie wholly before it."""
        self.start_offset = max(self.start_offset, offset)
        if self.start_offset == self.end_offset:
            await self._disk.reserve.spend(self._begin_segment)
        if self.compaction.running:  # retention removes them afterwards
            return
        kept = self._segments
        while len(kept) > 1 and kept[1].base_offset <= self.start_offset:
            kept = kept[1:]
        await self._drop(len(self._segments) - len(kept))

    async def retain(self, now: int, retention: Retention) -> None:
        """Remove old segments by age and by the size of the log, and those whose records are deleted."""
        if self._active_is_due(now, retention.ms):
            await self._disk.reserve.spend(self._begin_segment)
        if self.compaction.running:
            return
        total = sum(segment.size for segment in self._segments)
        dropped = 0
        for segment, successor in pairwise(self._segments):
            deleted = successor.base_offset <= self.start_offset
            expired = retention.ms >= 0 and segment.age_timestamp < now - retention.ms
            oversized = retention.most_bytes >= 0 and total - segment.size >= retention.most_bytes
            if not (deleted or expired or oversized):
                break
            total -= segment.size
            dropped += 1
        if dropped:
            log.info("%s: retention removes %d of %d segments", self.name, dropped, len(self._segments))
            self.start_offset = max(self.start_offset, self._segments[dropped].base_offset)
            await self._drop(dropped)

    def _active_is_due(self, now: int, retention_ms: int) -> bool:
        expired = retention_ms >= 0 and self._segments[-1].age_timestamp < now - retention_ms
        return expired or self.start_offset == self.end_offset

    async def _begin_segment(self) -> None:
        """Give the active segment a successor, so that it can be removed; one that is in use is left for later.

        Raises:
            OSError: the disk refuses it.
        """
        if self._writing or self.closed or self._saving or not self._segments[-1].size:
            return
        error = await self._roll()
        if error is not None:
            raise error

    async def _drop(self, count: int) -> None:
        dropped, self._segments = self._segments[:count], self._segments[count:]
        await self._disk.workers.run(partial(self.remove_files, dropped))

    def remove_files(self, segments: Sequence[Segment]) -> None:
        """Remove the files of segments that are served no more. A disk job."""
        for segment in segments:
            for path in (segment.log_path, segment.index_path):
                self._disk.files.forget(path)
                self._disk.indexes.forget(path)
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

    def close(self) -> None:
        """The topic is deleted: answer everybody who waits, take nothing more."""
        self.closed = True
        if not self._writing:
            self._refuse_queue(ErrorCode.unknown_topic_or_partition, "The topic was deleted.")
        self._notify()

    def forget_files(self) -> None:
        """Close the files of a deleted topic. A disk job."""
        self.remove_files((*self._segments, *self.compaction.replaced))

    # Compacting

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, the last of which is written to."""
        return self._segments

    @property
    def segment_bytes(self) -> int:
        """The size of a full segment."""
        return self.roll_rules.most_bytes

    @property
    def size(self) -> int:
        """The bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    def last_batches(self) -> dict[int, int]:
        """The offset of each producer's newest batch."""
        return {producer: state.batches[-1].base_offset for producer, state in self._producers.states.items()}

    def replace(self, old: Sequence[Segment], new: Segment) -> None:
        """Serve a segment in place of others, which are neighbours."""
        first = self._segments.index(old[0])
        self._segments = (*self._segments[:first], new, *self._segments[first + len(old) :])


def _base_offset(segment: Segment) -> int:
    return segment.base_offset
