"""What all logs of a broker share."""

from __future__ import annotations

from dataclasses import dataclass

from local_kafka.storage.append import Durability
from local_kafka.storage.files import FileCache
from local_kafka.storage.index import IndexCache
from local_kafka.storage.reserve import Reserve
from local_kafka.storage.workers import DiskWorkers


@dataclass(frozen=True, slots=True)
class Disk:
    """The broker's threads, open files and room."""

    workers: DiskWorkers
    # One thread: the checks of large batches take the interpreter, and much memory for each that is under way.
    checker: DiskWorkers
    # One thread: a log is compacted after the other.
    cleaner: DiskWorkers
    files: FileCache
    indexes: IndexCache
    durability: Durability
    reserve: Reserve
