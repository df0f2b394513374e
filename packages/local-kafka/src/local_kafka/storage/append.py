"""Turns what producers sent for a partition into one write: numbering, de-duplication, and the disk job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from kio.schema.errors import ErrorCode

from local_kafka.storage.batch import (
    LEADER_EPOCH,
    PLACE,
    TIMESTAMP_TYPE_FLAG,
    BatchHeader,
    RefusedError,
)
from local_kafka.storage.files import FileCache
from local_kafka.storage.producers import ProducerUpdate
from local_kafka.storage.validation import RecordRules, check_records
from local_service.files import sync_folder

# A write takes two buffers a batch, and IOV_MAX is 1024.
MOST_BATCHES = 500


class Durability(Enum):
    """When a batch is forced to the disk (fsync). Without it a killed broker loses nothing, a power cut may."""

    ALWAYS = "always"
    INTERVAL = "interval"
    NEVER = "never"


class AppendResult(NamedTuple):
    """The answer for one batch: where it stands, or why it does not."""

    error: ErrorCode
    base_offset: int
    sentence: str | None = None
    # The broker's time (ms), where the topic's timestamps are the broker's.
    append_time: int = -1
    wrong_records: tuple[int, ...] = ()


Appended = Callable[[AppendResult], None]


@dataclass(slots=True, eq=False)
class QueuedBatch:
    """A batch that waits for its place. One whose records are being checked holds up those behind it."""

    header: BatchHeader
    data: memoryview
    answer: Appended
    checked: bool = False
    refusal: RefusedError | None = None

    def check(self, rules: RecordRules) -> None:
        """Check the records; what is wrong with them is kept."""
        try:
            self.header, self.data = check_records(self.header, self.data, rules, now_ms())
        except RefusedError as refusal:
            self.refusal = refusal

    def refuse(self, refusal: RefusedError) -> None:
        """Tell the producer that the batch is not stored, and why."""
        self.answer(AppendResult(refusal.code, -1, str(refusal), wrong_records=refusal.wrong_records))


class PlacedBatch(NamedTuple):
    """A batch with its place in the log."""

    offset: int
    position: int
    header: BatchHeader
    answer: Appended


@dataclass(slots=True)
class WritePlan:
    """One write to one segment file. Made in the event loop, run by a disk worker."""

    path: Path
    position: int
    update: ProducerUpdate
    end_offset: int
    # Whether an earlier write failed and may have left a part of itself behind the end of the file.
    clear_tail: bool
    placed: list[PlacedBatch] = field(default_factory=list)
    duplicates: list[tuple[QueuedBatch, int]] = field(default_factory=list)
    buffers: list[bytes | memoryview] = field(default_factory=list)
    size: int = 0

    def add(self, batch: QueuedBatch) -> None:
        """Give a checked batch its offset, or find that it is stored already; a refused one is answered here."""
        if batch.refusal:
            batch.refuse(batch.refusal)
            return
        header = batch.header
        if header.producer_id >= 0:
            try:
                stored = self.update.stored_before(header)
            except RefusedError as refusal:
                batch.refuse(refusal)
                return
            if stored is not None:
                self.duplicates.append((batch, stored))
                return
            self.update.add(header, self.end_offset)
        self.placed.append(PlacedBatch(self.end_offset, self.position + self.size, header, batch.answer))
        self.buffers.append(PLACE.pack(self.end_offset, header.length, LEADER_EPOCH))
        self.buffers.append(batch.data[PLACE.size :])
        self.size += header.size
        self.end_offset += header.record_count

    def write(self, files: FileCache, durability: Durability) -> None:
        """Write the batches, all or none.

        Raises:
            OSError: the disk is full or failing; the file is as before.
        """
        created = self.position == 0 and not self.path.exists()
        with files.use(self.path, create=True) as descriptor:
            if self.clear_tail:
                os.ftruncate(descriptor, self.position)
            try:
                write_fully(descriptor, self.buffers, self.position, self.size)
                if durability is Durability.ALWAYS:
                    os.fdatasync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self.position)
                raise
        if created:
            sync_folder(self.path.parent)

    def answer_all(self, error: ErrorCode, sentence: str | None = None) -> None:
        """Tell every producer of the plan how the write went."""
        stored = error is ErrorCode.none
        for batch in self.placed:
            at = batch.header.max_timestamp if batch.header.attributes & TIMESTAMP_TYPE_FLAG else -1
            batch.answer(AppendResult(error, batch.offset if stored else -1, sentence, at))
        for repeated, offset in self.duplicates:
            at = repeated.header.max_timestamp if repeated.header.attributes & TIMESTAMP_TYPE_FLAG else -1
            repeated.answer(AppendResult(error, offset if stored else -1, sentence, at))


def write_fully(descriptor: int, buffers: Sequence[bytes | memoryview], position: int, size: int) -> None:
    """Write buffers to a place in a file, whole; a full disk may take the first part and refuse the rest."""
    written = os.pwritev(descriptor, buffers, position)
    if written < size:
        rest = b"".join(buffers)[written:]
        while rest:
            written = os.pwrite(descriptor, rest, position + size - len(rest))
            rest = rest[written:]


def now_ms() -> int:
    """The wall clock in milliseconds."""
    return time.time_ns() // 1_000_000
