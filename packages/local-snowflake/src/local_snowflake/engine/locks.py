"""Table and stream locks, held to the end of a transaction as Snowflake does for UPDATE, DELETE and MERGE.

They also keep DuckDB's optimistic conflicts from ever reaching a client: a writer waits instead of failing.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Hashable

from local_snowflake.errors import Code, SnowflakeError


class Mode(enum.IntEnum):
    """What a statement does to a table, weakest first."""

    APPEND = 0  # INSERT and COPY: they do not wait for each other
    CHANGE = 1  # UPDATE, DELETE, MERGE, TRUNCATE, any DML on a table with a stream, consuming a stream
    DEFINE = 2  # DDL


def _compatible(one: Mode, other: Mode) -> bool:
    return (one is Mode.APPEND and other is not Mode.DEFINE) or (other is Mode.APPEND and one is not Mode.DEFINE)


class LockManager:
    """Locks by key; an owner is a session, which keeps what it took until `release`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[Hashable, dict[object, Mode]] = {}
        self._waiting: dict[object, set[object]] = {}

    def acquire(self, owner: object, key: Hashable, mode: Mode, timeout: float, cancelled: threading.Event) -> None:
        """Wait for the lock.

        Raises:
            SnowflakeError: 000625 after `timeout` seconds (LOCK_TIMEOUT), 000619 for a deadlock, 000604 when cancelled.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            held = self._held.get(key, {}).get(owner)
            if held is not None and held >= mode:
                return
            while blockers := self._blockers(owner, key, mode):
                self._waiting[owner] = blockers
                try:
                    self._wait(owner, key, deadline, cancelled)
                finally:
                    self._waiting.pop(owner, None)
            self._held.setdefault(key, {})[owner] = mode

    def _wait(self, owner: object, key: Hashable, deadline: float, cancelled: threading.Event) -> None:
        if cancelled.is_set():
            raise SnowflakeError("SQL execution canceled", Code.CANCELED, "57014")
        if self._deadlocked(owner):
            raise SnowflakeError(
                f"Statement aborted because it would deadlock with another transaction on '{key}'",
                Code.DEADLOCK,
                "40001",
            )
        left = deadline - time.monotonic()
        if left <= 0:
            raise SnowflakeError(
                f"Statement has locked table '{key}' in another transaction: lock wait timeout (LOCK_TIMEOUT) exceeded",
                Code.CONFLICT,
                "57014",
            )
        self._changed.wait(min(left, 0.2))

    def _blockers(self, owner: object, key: Hashable, mode: Mode) -> set[object]:
        holders = self._held.get(key, {})
        return {other for other, held in holders.items() if other is not owner and not _compatible(held, mode)}

    def _deadlocked(self, owner: object) -> bool:
        seen: set[object] = set()
        todo = list(self._waiting.get(owner, ()))
        while todo:
            other = todo.pop()
            if other is owner:
                return True
            if other not in seen:
                seen.add(other)
                todo.extend(self._waiting.get(other, ()))
        return False

    def blocking(self) -> set[object]:
        """The owners that somebody waits for."""
        with self._changed:
            return set().union(*self._waiting.values())

    def release(self, owner: object) -> None:
        """Give back every lock of the owner."""
        with self._changed:
            for key in [key for key, holders in self._held.items() if owner in holders]:
                del self._held[key][owner]
                if not self._held[key]:
                    del self._held[key]
            self._changed.notify_all()
