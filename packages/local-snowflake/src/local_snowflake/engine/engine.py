"""Process-wide state shared by all sessions: the store, the catalogue, streams, locks and tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local_snowflake.engine.access import Access, Need
from local_snowflake.engine.account import Account
from local_snowflake.engine.catalog import Catalog
from local_snowflake.engine.change_logs import ChangeLogs
from local_snowflake.engine.kept_plans import KeptPlans
from local_snowflake.engine.locks import LockManager, Mode
from local_snowflake.engine.plans import Versioned
from local_snowflake.engine.stages import Stages
from local_snowflake.engine.store import Store
from local_snowflake.engine.streams import Streams
from local_snowflake.engine.tasks import GraphRunner, NoGraphs, Tasks
from local_snowflake.errors import SnowflakeError
from local_snowflake.syntax.names import Name


class Engine:
    """What all sessions share.

    Attributes:
        graphs: runs the task graphs. The composition root (warehouse.py) sets it; an engine alone runs none.
        version: how often a definition has changed; plans and columns are kept with it.
        begun, commits: how many commits have begun, and ended.
    """

    def __init__(self, folder: Path, *, memory_limit: str, threads: int, account: str, user: str) -> None:
        self.account, self.user = account, user
        self.store = Store(folder, memory_limit, threads)
        self.catalog = Catalog(self.store)
        self.change_logs = ChangeLogs(self.store)
        self.streams = Streams(self.store, self.change_logs)
        self.stages = Stages(self.store)
        self.locks = LockManager()
        self.objects = Account(self.store)
        self.access = Access(self.store, user)
        self.tasks = Tasks(self.store)
        self.graphs: GraphRunner = NoGraphs()
        self.definitions = threading.RLock()
        self._guard = threading.Lock()
        self.begun = self.commits = 0
        self.version = 0
        self.plans = KeptPlans(folder / "plans.json")
        self.plans.read(self.catalog.definitions(), self.streams.find, self.version)
        self.columns: Versioned[Name, list[tuple[str, str]]] = Versioned()
        self.view_reads: Versioned[Name, tuple[Need, ...]] = Versioned()
        self._written: dict[Name, int] = {}

    @contextmanager
    def committing(self, tables: Iterable[Name]) -> Iterator[None]:
        """Number a commit that changes these tables: begun before it, in `commits` when it is over."""
        with self._guard:
            self.begun += 1
        written: Iterable[Name] = ()
        try:
            yield
            written = tables
        finally:
            with self._guard:
                self.commits += 1
                self._written.update(dict.fromkeys(written, self.commits))
        self.graphs.wake()

    @contextmanager
    def alone(self, table: Name) -> Iterator[bool]:
        """Lock a table if nobody uses it, for a change; whether it is locked."""
        owner = object()
        try:
            self.locks.acquire(owner, table, Mode.DEFINE, 0, threading.Event())
        except SnowflakeError:
            yield False
            return
        try:
            with self.committing([table]):
                yield True
        finally:
            self.locks.release(owner)

    def defined(self) -> None:
        """A definition has changed: invalidate what was translated before."""
        with self._guard:
            self.version += 1

    def last_write(self, table: Name) -> int:
        """The number of the last commit that changed the table; 0 for none since the start."""
        return self._written.get(table, 0)

    def close(self) -> None:
        """Write everything into the file."""
        if self.store.usable():
            self.plans.write(self.catalog.definitions(), self.version)
        self.store.close()
