"""Files on this machine: replaced so that a crash leaves the old content or the new, and locked for one process."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_service import privacy


def replace_durably(path: Path, data: bytes) -> None:
    """As `write_atomically`; missing folders are created.

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    privacy.make_folder(path.parent)
    write_atomically(path, data)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step, for its owner alone, in a folder that must be there.

    What has returned survives a power cut, and so does the file's new name (man 2 fsync).

    Raises:
        OSError: it cannot be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "wb", opener=privacy.opener) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names that were created, renamed or removed in a folder survive a power cut.

    Raises:
        OSError: the disk refuses.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[int]:
    """Hold the lock of a file, which is created for its owner alone, over all processes; gives its descriptor.

    The kernel releases it when the process ends in whatever way.

    Raises:
        BlockingIOError: another process holds it, and `wait` is off.
        OSError: the file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield handle
    finally:
        os.close(handle)
