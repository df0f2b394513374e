"""Everything small: topics, committed offsets, groups, producer ids, in one SQLite database.

State is cached in memory by its owners; SQLite is its durable store. Writes run in one thread and are durable
(fsync) when they return; those that come together share a commit.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

# 2: compacted segments, and when an offset was committed.
FORMAT = 2
_READ_FORMATS = ("1", "2")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL, configs TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_starts (
    topic_id TEXT NOT NULL, partition INTEGER NOT NULL, start_offset INTEGER NOT NULL,
    PRIMARY KEY (topic_id, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deleted_topics (topic_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed_offsets (
    group_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, committed_offset INTEGER NOT NULL,
    leader_epoch INTEGER NOT NULL, metadata TEXT NOT NULL, committed_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups (group_id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
"""


class Statement(NamedTuple):
    """A SQL statement, run once for each row of parameters."""

    sql: str
    rows: Sequence[tuple[Any, ...]]


class UnsupportedFormatError(Exception):
    """The data folder was written by a newer broker."""


class _Write(NamedTuple):
    statements: Sequence[Statement]
    future: asyncio.Future[None]


class MetadataStore:
    """The database of a broker."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SCHEMA}")
        found = self.setting("format", str(FORMAT))
        if found not in _READ_FORMATS:
            raise UnsupportedFormatError(
                f"{path} has format {found}, this version reads {FORMAT}: use the version that wrote it, "
                "or another data folder."
            )
        if found != str(FORMAT):
            self._migrate()
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def _migrate(self) -> None:
        """What was committed before its time was noted counts as committed now."""
        now = time.time_ns() // 1_000_000
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(f"ALTER TABLE committed_offsets ADD COLUMN committed_at INTEGER NOT NULL DEFAULT {now}")
        self._database.execute("UPDATE settings SET value = ? WHERE name = 'format'", (str(FORMAT),))
        self._database.execute("COMMIT")

    def setting(self, name: str, default: str) -> str:
        """A setting, which is `default` for ever when there is none yet. Only before `start`."""
        self._database.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, default))
        ((value,),) = self._database.execute("SELECT value FROM settings WHERE name = ?", (name,))
        return str(value)

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query. Only before `start`."""
        return self._database.execute(sql).fetchall()

    def forget_deleted_topics(self) -> None:
        """Nothing is left of the topics whose deletion was noted. Only before `start`."""
        self._database.execute("DELETE FROM deleted_topics")

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to take writes."""
        self._thread = threading.Thread(target=self._work, args=(loop,), name="metadata", daemon=True)
        self._thread.start()

    async def write(self, *statements: Statement) -> None:
        """Run statements in one transaction; returns when it is durable.

        Raises:
            sqlite3.Error: nothing of it happened; the disk may be full.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.put(_Write(statements, future))
        await asyncio.shield(future)

    def close(self) -> None:
        """Finish the writes that were begun and close the database."""
        if self._thread:
            self._writes.put(None)
            self._thread.join()
        self._database.close()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (write := self._writes.get()) is not None:
            writes = [write]
            # What came meanwhile shares the commit; the end mark goes back to be found by the outer loop.
            while not self._writes.empty():
                following = self._writes.get()
                if following is None:
                    self._writes.put(None)
                    break
                writes.append(following)
            error = self._commit(writes)
            loop.call_soon_threadsafe(_finish, writes, error)

    def _commit(self, writes: list[_Write]) -> Exception | None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for write in writes:
                for statement in write.statements:
                    self._database.executemany(statement.sql, statement.rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            return error
        return None


def _finish(writes: list[_Write], error: Exception | None) -> None:
    for write in writes:
        if write.future.done():
            continue
        if error is None:
            write.future.set_result(None)
        else:
            write.future.set_exception(error)
