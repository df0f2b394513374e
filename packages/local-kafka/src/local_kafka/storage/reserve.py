"""Room that is kept on the disk for making room: on a full one deletions and a start still work.

While it is spent no batch is stored, so that nobody but those who make room takes what it left.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

log = logging.getLogger("kafka.reserve")

T = TypeVar("T")

RESERVE_FILE = "reserve"
RESERVE_BYTES = 8 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# SQLite says "I/O error" or "cannot open" where a file beside the database cannot grow or be made.
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_PRIMARY_CODE = 0xFF


def is_full(error: BaseException) -> bool:
    """Whether a full disk, or a quota, can be the reason of an error."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _SQLITE_FULL


class Reserve:
    """A file of a data folder that is removed when its room is needed, and written again when there is room."""

    def __init__(self, data_dir: Path) -> None:
        self.held = False
        self._path = data_dir / RESERVE_FILE
        self._lock = asyncio.Lock()

    def take(self) -> None:
        """Write the file if it is not there; `held` says whether there was room for it. Blocks."""
        try:
            if not self._path.exists() or self._path.stat().st_size != RESERVE_BYTES:
                # Random, because zeros would take no room on a file system that compresses.
                self._path.write_bytes(os.urandom(RESERVE_BYTES))
            self.held = True
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if not is_full(error):
                raise

    def spend_at_start(self, step: Callable[[], T]) -> T:
        """Run a step of a start, again without the reserve where the disk is full. Blocks.

        Raises:
            OSError, sqlite3.Error: it fails for another reason, or nevertheless.
        """
        try:
            return step()
        except (OSError, sqlite3.Error) as error:
            if not is_full(error) or not self._path.exists():
                raise
            self._release()
        return step()

    async def spend(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that makes room, again without the reserve where the disk is full.

        Raises:
            OSError, sqlite3.Error: it fails for another reason, or nevertheless.
        """
        try:
            return await change()
        except (OSError, sqlite3.Error) as error:
            if not is_full(error):
                raise
        async with self._lock:
            await asyncio.to_thread(self._release)
            return await change()

    async def restore(self) -> None:
        """Write the file again where it was spent and there is room."""
        if self.held:
            return
        async with self._lock:
            await asyncio.to_thread(self.take)
        if self.held:
            log.info("the disk has room again")

    def _release(self) -> None:
        if self._path.exists():
            log.warning(
                "the disk is full: the room of %s is used, and no batch is stored until there is more", self._path
            )
        self.held = False
        self._path.unlink(missing_ok=True)
