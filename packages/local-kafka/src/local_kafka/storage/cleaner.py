"""What compaction does in a thread: finds the newest record of each key and writes segments without the others.

As Apache Kafka's cleaner (kafka.apache.org/documentation/#compaction): what stays keeps its offset, and a record that
deletes its key stays for `delete.retention.ms` from the first pass that meets it, which is written into its batch
(KIP-534). A producer's last batch stays, empty if need be, so that its sequence number is known.

A new file has the offsets that it stands for in its name and takes its place by one rename. Until then the old files
are the log; from then on a start knows by the names that they are replaced, whenever they are removed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from local_kafka.storage.batch import (
    CODEC_MASK,
    DELETE_HORIZON_FLAG,
    HEADER_SIZE,
    BatchHeader,
    unpack_header,
)
from local_kafka.storage.files import FileCache
from local_kafka.storage.index import SegmentIndex
from local_kafka.storage.keyed import KeyedRecord, emptied, parse_records, rebuild
from local_kafka.storage.records import UnreadableError, unpack
from local_kafka.storage.scan import Damage, scan
from local_kafka.storage.segment import Segment, report_damage, save_index
from local_service.files import sync_folder

# Bounds the memory of a pass: an entry takes about 200 bytes. The next pass goes on with the keys behind these.
MOST_KEYS = 250_000
CLEANED_SUFFIX = ".cleaned"
# Keys up to this are kept as they are, longer ones as a digest of one byte more, so that none can be taken for another.
_SHORT_KEY = 15
# It works so long at a time (s) and rests as long, which leaves the interpreter to those who produce and read.
_TURN_SECONDS = 0.005


class UncleanableError(Exception):
    """A part of the log cannot be read, so that it is not known what may go."""


class AbandonedError(Exception):
    """Nobody wants the result any more."""


class Newest(NamedTuple):
    """The newest offset of each key in the part of a log up to an offset."""

    offsets: Mapping[bytes, int]
    end_offset: int


@dataclass(slots=True)
class Turns:
    """Work in short turns, until it is abandoned."""

    abandoned: Callable[[], bool]
    _began: float = field(default_factory=time.monotonic)

    def rest(self) -> None:
        """Let others work.

        Raises:
            AbandonedError: the work is in vain.
        """
        if self.abandoned():
            raise AbandonedError
        worked = time.monotonic() - self._began
        if worked >= _TURN_SECONDS:
            time.sleep(worked)
            self._began = time.monotonic()


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a log."""

    files: FileCache
    turns: Turns
    now: int
    delete_retention_ms: int
    # The offset of each producer's newest batch.
    last_batches: Mapping[int, int]

    def find_newest(self, segments: Sequence[Segment], dirty_from: int, dirty_to: int) -> Newest:
        """Read what was not compacted yet, and as much of it as fits into memory.

        Raises:
            UncleanableError: it cannot be read.
        """
        offsets: dict[bytes, int] = {}
        for segment in segments:
            for header, batch in self._batches(segment):
                if header.last_offset < dirty_from:
                    continue
                if offsets and len(offsets) + header.record_count > MOST_KEYS:
                    return Newest(offsets, header.base_offset)
                for record in _records(segment, header, batch)[1]:
                    offset = header.base_offset + record.offset_delta
                    if record.key is not None and offset >= dirty_from:
                        offsets[_digest(record.key)] = offset
        return Newest(offsets, dirty_to)

    def write(self, old: Sequence[Segment], new: Segment, newest: Newest) -> None:
        """Write the new segment in place of old ones, durably; it is the log when this returns.

        Raises:
            UncleanableError: an old one cannot be read.
            OSError: the disk refuses; the old ones are the log.
        """
        path = new.log_path.with_name(new.log_path.name + CLEANED_SUFFIX)
        new.index = SegmentIndex()
        new.written_at = old[-1].written_at
        try:
            with path.open("xb") as file:
                for segment in old:
                    for header, batch in self._batches(segment):
                        kept = self._kept(segment, header, batch, newest)
                        if kept:
                            new.note(new.size, header.base_offset, unpack_header(kept))
                            file.write(kept)
                file.flush()
                os.fsync(file.fileno())
            os.utime(path, ns=(new.written_at * 1_000_000,) * 2)
            save_index(new, path, new.compacted_to or 0)
            path.rename(new.log_path)
        except BaseException:
            _remove(path, new.index_path)
            raise
        new.index = None
        sync_folder(new.folder)

    def _batches(self, segment: Segment) -> Iterator[tuple[BatchHeader, bytes]]:
        if not segment.size:
            return
        with self.files.use(segment.log_path) as descriptor:
            for found in scan(descriptor, 0, segment.size, segment.base_offset, compacted=segment.compacted):
                if isinstance(found, Damage):
                    report_damage(segment, found)
                    raise UncleanableError(f"{segment.log_path} is damaged at byte {found.position}")
                self.turns.rest()
                yield found.header, os.pread(descriptor, found.header.size, found.position)

    def _kept(self, segment: Segment, header: BatchHeader, batch: bytes, newest: Newest) -> bytes | None:
        """What stays of a batch."""
        is_last = self.last_batches.get(header.producer_id) == header.base_offset
        if not header.record_count:
            return batch if is_last else None
        records, parsed = _records(segment, header, batch)
        has_horizon = bool(header.attributes & DELETE_HORIZON_FLAG)
        expired = has_horizon and header.first_timestamp <= self.now
        kept = [
            record
            for record in parsed
            if record.key is not None
            and header.base_offset + record.offset_delta >= newest.offsets.get(_digest(record.key), -1)
            and (record.has_value or not expired)
        ]
        if not kept:
            return emptied(header) if is_last else None
        horizon = None
        if not has_horizon and not all(record.has_value for record in kept):
            horizon = self.now + self.delete_retention_ms
        if horizon is None and len(kept) == len(parsed):
            return batch
        return rebuild(header, records, kept, horizon)


def _records(segment: Segment, header: BatchHeader, batch: bytes) -> tuple[bytes, list[KeyedRecord]]:
    try:
        records = unpack(memoryview(batch)[HEADER_SIZE:], header.attributes & CODEC_MASK)
        return records, list(parse_records(records, header.record_count))
    except (UnreadableError, IndexError) as error:
        raise UncleanableError(
            f"{segment.log_path}: the batch of offset {header.base_offset} cannot be read ({error})"
        ) from error


def _digest(key: bytes) -> bytes:
    return key if len(key) <= _SHORT_KEY else hashlib.blake2b(key, digest_size=_SHORT_KEY + 1).digest()


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
