"""The broker: opens what is on disk, listens, keeps house, and ends in order."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Coroutine

from local_kafka.apis.call import BrokerState
from local_kafka.connection import Connection
from local_kafka.frames import RequestMemory
from local_kafka.groups.coordinator import GroupCoordinator
from local_kafka.options import BrokerOptions
from local_kafka.producer_ids import ProducerIds
from local_kafka.storage.append import Durability, now_ms
from local_kafka.storage.disk import Disk
from local_kafka.storage.files import DescriptorBudget, FileCache
from local_kafka.storage.index import IndexCache
from local_kafka.storage.log import PartitionLog
from local_kafka.storage.metadata import MetadataStore
from local_kafka.storage.reserve import Reserve
from local_kafka.storage.workers import DiskWorkers
from local_kafka.strays import METADATA_FILE, TOPICS_FOLDER, check_metadata_file
from local_kafka.topics import TopicRegistry

log = logging.getLogger("kafka.broker")

# How long a stop waits for answers that are owed, and begins to save; the whole stop takes less than ten seconds.
_DRAIN_SECONDS = 5.0
_SAVE_SECONDS = 3.0
_DRAIN_STEP = 0.02
# As many as there are disk workers.
_SAVERS = 4
_RESERVE_CHECK_SECONDS = 1.0
# So long half a request may stand still while others wait for its memory.
_STALLED_SECONDS = 10.0
# A connection is closed at most this part of its time too late.
_IDLE_CHECKS = 10


class Broker:
    """A broker on one data folder. Made inside a running event loop; the caller holds the folder's lock."""

    def __init__(self, options: BrokerOptions, reserve: Reserve) -> None:
        self._options = options
        loop = asyncio.get_running_loop()
        budget = DescriptorBudget.of_this_process()
        self._most_connections = budget.connections
        check_metadata_file(options.data_dir)
        self._store = MetadataStore(options.data_dir / METADATA_FILE)
        disk = Disk(
            workers=DiskWorkers(loop),
            checker=DiskWorkers(loop, "checks", threads=1),
            cleaner=DiskWorkers(loop, "cleaner", threads=1),
            files=FileCache(budget.files),
            indexes=IndexCache(),
            durability=options.durability,
            reserve=reserve,
        )
        self.state = BrokerState(
            options=options,
            cluster_id=self._store.setting("cluster_id", _new_cluster_id()),
            disk=disk,
            topics=TopicRegistry(options.data_dir / TOPICS_FOLDER, disk, self._store),
            groups=GroupCoordinator(self._store, options.initial_rebalance_delay_ms / 1000),
            producer_ids=ProducerIds(self._store),
            memory=RequestMemory(options.queued_max_request_bytes),
        )
        self._connections: set[Connection] = set()
        self._housekeeping: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None

    def open(self) -> None:
        """Find what earlier processes left; blocks until it is all there.

        Raises:
            LostMetadataError: there are records, and nothing that says what they are.
            OSError: the folder cannot be used.
        """
        began = time.monotonic()
        self.state.topics.open()
        self.state.groups.open()
        self.state.disk.reserve.take()
        logs = self.state.topics.logs()
        log.info(
            "opened %d topics with %d partitions in %.2f s",
            len(self.state.topics.by_name),
            len(logs),
            time.monotonic() - began,
        )

    async def listen(self) -> int:
        """Begin to serve; the port.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._store.start(loop)
        options = self._options
        self._server = await loop.create_server(
            lambda: Connection(self.state, self._opened, self._closed), options.host, options.port
        )
        self.state.port = self._server.sockets[0].getsockname()[1]
        self._run(self.state.groups.watch_sessions())
        self._run(self._every(options.retention_check_ms, self._retain))
        self._run(self._every(options.compaction_check_ms, self._compact))
        self._run(self._watch_reserve())
        self._run(self._watch_memory())
        self._run(self._expire_offsets())
        if options.connections_max_idle_ms >= 0:
            self._run(self._close_idle(options.connections_max_idle_ms / 1000))
        if options.durability is Durability.INTERVAL:
            self._run(self._every(options.sync_interval_ms, self._sync))
        return int(self.state.port)

    async def close(self) -> None:
        """Stop taking requests, finish what was taken, save everything."""
        if self._server:
            self._server.close()
        for task in self._housekeeping:
            task.cancel()
        await asyncio.gather(*self._housekeeping, return_exceptions=True)
        for connection in self._connections:
            connection.drain()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline and not all(connection.idle for connection in self._connections):
            await asyncio.sleep(_DRAIN_STEP)
        for connection in list(self._connections):
            connection.close()
        await self._save()
        await self.state.groups.finish()
        self.abandon()

    def abandon(self) -> None:
        """Let go of threads and files."""
        self.state.disk.checker.close()
        self.state.disk.cleaner.close()
        self.state.disk.workers.close()
        self.state.disk.files.close()
        self._store.close()

    async def _save(self) -> None:
        """Force the records to the disk, then save the indexes, which only make the next start faster.

        What is not begun in time is left: it was written, so that only a power cut within seconds could take it.
        """
        deadline = time.monotonic() + _SAVE_SECONDS
        logs = self.state.topics.logs()
        unsynced = await self._sync_logs([each for each in logs if each.needs_sync], deadline, checkpoint=False)
        unsaved = await self._sync_logs(logs, deadline, checkpoint=True)
        if unsynced or unsaved:
            log.warning(
                "stopped without forcing the records of %d logs to the disk and without saving the indexes of %d: "
                "the next start reads them again",
                unsynced,
                unsaved,
            )

    async def _sync_logs(self, logs: list[PartitionLog], deadline: float, *, checkpoint: bool) -> int:
        """Sync logs, some at a time; how many were not begun before the deadline."""
        left = [each for each in reversed(logs) if each.needs_sync or (checkpoint and each.needs_checkpoint)]

        async def work() -> None:
            while left and time.monotonic() < deadline:
                each = left.pop()
                try:
                    await each.sync(checkpoint=checkpoint)
                except OSError as error:
                    # What was acknowledged is in the file already; the next start only takes longer.
                    log.error("%s: cannot save: %s", each.name, error)  # noqa: TRY400 - one line an event

        await asyncio.gather(*(work() for _ in range(_SAVERS)))
        return len(left)

    # Housekeeping

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_stop_on_failure)
        self._housekeeping.append(task)

    async def _every(self, interval_ms: int, act: Callable[[PartitionLog], Coroutine[None, None, None]]) -> None:
        while True:
            await asyncio.sleep(interval_ms / 1000)
            for each in self.state.topics.logs():
                try:
                    await act(each)
                except OSError as error:
                    log.error("%s: %s", each.name, error)  # noqa: TRY400 - one line an event

    async def _sync(self, partition: PartitionLog) -> None:
        if partition.needs_sync:
            await partition.sync()

    async def _retain(self, partition: PartitionLog) -> None:
        topic = self.state.topics.by_name.get(partition.topic)
        if topic:
            await partition.retain(now_ms(), topic.retention)

    async def _compact(self, partition: PartitionLog) -> None:
        topic = self.state.topics.by_name.get(partition.topic)
        if topic and topic.clean_rules:
            await partition.compaction.run(now_ms(), topic.clean_rules)

    async def _watch_reserve(self) -> None:
        while True:
            await asyncio.sleep(_RESERVE_CHECK_SECONDS)
            await self.state.disk.reserve.restore()

    async def _close_idle(self, seconds: float) -> None:
        """Close connections on which nothing moves (Kafka's connections.max.idle.ms)."""
        while True:
            await asyncio.sleep(seconds / _IDLE_CHECKS)
            oldest = asyncio.get_running_loop().time() - seconds
            for connection in [each for each in self._connections if each.moved_at < oldest and not each.waits]:
                connection.end_idle()

    async def _watch_memory(self) -> None:
        """End requests that came to a stop while others wait for their memory."""
        while True:
            await asyncio.sleep(_STALLED_SECONDS / _IDLE_CHECKS)
            oldest = asyncio.get_running_loop().time() - _STALLED_SECONDS
            if self.state.memory.wanted:
                for connection in [each for each in self._connections if each.stalls and each.moved_at < oldest]:
                    connection.end_stalled()

    async def _expire_offsets(self) -> None:
        while True:
            await asyncio.sleep(self._options.retention_check_ms / 1000)
            try:
                await self.state.groups.expire_offsets(now_ms(), self._options.offsets_retention_minutes * 60_000)
            except sqlite3.Error as error:
                log.error("cannot remove old offsets of groups: %s", error)  # noqa: TRY400 - one line an event

    # Connections

    def _opened(self, connection: Connection) -> bool:
        if len(self._connections) >= self._most_connections:
            log.error(
                "refused a connection: %d are open; raise the hard limit of open files (ulimit -Hn)",
                len(self._connections),
            )
            return False
        self._connections.add(connection)
        return True

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)


def _new_cluster_id() -> str:
    return uuid.uuid4().hex[:22]


def _stop_on_failure(task: asyncio.Task[None]) -> None:
    """A broker without its housekeeping would go wrong silently; better it ends, and what it knows is on disk."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("housekeeping failed", exc_info=task.exception())
        os._exit(1)
