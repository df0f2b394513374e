"""A cache of open files, so that thousands of partitions live under a small limit of file descriptors."""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Descriptors that are not log files: SQLite's, the lock, sockets of the event loop, standard streams, folders.
_RESERVED = 48
_MOST_FILES = 512
_FEWEST_FILES = 16
# What stands for no limit: as many as macOS lets a process open (its OPEN_MAX).
_UNLIMITED = 10_240


@dataclass(slots=True)
class _OpenFile:
    descriptor: int
    users: int = 0
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class DescriptorBudget:
    """How the process's limit of descriptors is shared."""

    files: int
    connections: int

    @classmethod
    def of_this_process(cls) -> DescriptorBudget:
        """A third for log files, the rest for connections."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        available = (_UNLIMITED if limit == resource.RLIM_INFINITY else limit) - _RESERVED
        files = max(_FEWEST_FILES, min(_MOST_FILES, available // 3))
        return cls(files=files, connections=max(_FEWEST_FILES, available - files))


def raise_file_limit() -> None:
    """Let this process open as many files as its hard limit allows; many shells set the soft one far below it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _UNLIMITED if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class FileCache:
    """Open files by path, the least recently used closed first. Safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._files: OrderedDict[Path, _OpenFile] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def use(self, path: Path, *, create: bool = False) -> Iterator[int]:
        """The descriptor of a file, open for reading and writing, and kept open while the block runs."""
        file = self._acquire(path, create)
        try:
            yield file.descriptor
        finally:
            self._release(path, file)

    def forget(self, path: Path) -> None:
        """Close a file that is about to be removed."""
        with self._lock:
            file = self._files.pop(path, None)
            if file is None:
                return
            file.forgotten = True
            if file.users == 0:
                os.close(file.descriptor)

    def close(self) -> None:
        """Close everything; no file may be in use."""
        for path in list(self._files):
            self.forget(path)

    def _acquire(self, path: Path, create: bool) -> _OpenFile:
        with self._lock:
            file = self._files.get(path)
            if file is None:
                self._make_room()
                flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
                file = self._files[path] = _OpenFile(os.open(path, flags, 0o600))
            else:
                self._files.move_to_end(path)
            file.users += 1
            return file

    def _release(self, path: Path, file: _OpenFile) -> None:
        with self._lock:
            file.users -= 1
            if file.forgotten and file.users == 0:
                os.close(file.descriptor)

    def _make_room(self) -> None:
        """Close idle files until one more fits; those in use are as many as there are disk workers at most."""
        if len(self._files) < self._limit:
            return
        for path in [path for path, file in self._files.items() if file.users == 0]:
            os.close(self._files.pop(path).descriptor)
            if len(self._files) < self._limit:
                return
