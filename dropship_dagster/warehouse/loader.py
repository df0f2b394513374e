"""The loader: Kafka into RAW, exactly once, in bounded batches or for as long as it is let.

One engine for both: fetch up to a number of messages, bytes or seconds, encode, upload, commit. While a batch is
committed the next one is fetched and uploaded, and never more than that: with the warehouse slow or away, the loader
holds two batches and the consumer's bounded queue, whatever the backlog.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import Assignment, GroupMembership, OffsetOutOfRangeError, PartitionReader, partitions
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.warehouse.batch import EncodedBatch, LoadedTopic, gather
from dropship_dagster.warehouse.commit import Committed, commit_batch
from dropship_dagster.warehouse.connection import close_quietly, open_connection, with_retries
from dropship_dagster.warehouse.errors import (
    CredentialsRefusedError,
    DataLostError,
    KafkaUnreachableError,
    NotDeployedError,
    OffsetsMovedError,
    WarehouseUnavailableError,
)
from dropship_dagster.warehouse.failures import StandingAt, record_failure
from dropship_dagster.warehouse.load_options import LoadOptions
from dropship_dagster.warehouse.load_report import LoadProgress, LoadReport, Totals
from dropship_dagster.warehouse.observer import LoadLog, LoadObserver, Observers
from dropship_dagster.warehouse.offsets import accept_gap, read_positions, register
from dropship_dagster.warehouse.refresher import Refresher
from dropship_dagster.warehouse.stage import Staged, Stager, remove_abandoned
from dropship_dagster.warehouse.topics import GROUP, MEMBERS_GROUP, LagReporter, TopicWatch

logger = logging.getLogger(__name__)

GATHER_SECONDS = 5.0
SILENCE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 10.0

_REQUEST_SECONDS = 120
# A batch that the warehouse waits for is smaller, the first one even more.
_AWAITED_PART, _FIRST_PART = 3, 8
# What the consumer fetches ahead; with it and two batches the whole loader stays below 400 MB. A quarter of the bytes a
# partition would take five times the broker's processor time.
_FETCH_AHEAD = {"queued.max.messages.kbytes": "8192", "fetch.message.max.bytes": "524288"}

Place = tuple[str, int]
Result = TypeVar("Result")


@dataclass
class _Plan:
    """Where each of this consumer's partitions stands, and in a bounded run where it ends."""

    topics: list[LoadedTopic]
    positions: dict[Place, int]
    ends: dict[Place, int]
    generation: int = 0

    def expected(self, topic: str) -> dict[int, int]:
        return {number: at for (name, number), at in self.positions.items() if name == topic}


class _TopicsChangedError(Exception):
    """A topic was made again or got partitions, or the group gave this consumer others: plan anew."""


def load(
    endpoint: WarehouseEndpoint,
    client_config: ClientConfig,
    tables: Mapping[str, str],
    options: LoadOptions | None = None,
    *,
    run_id: str | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[LoadProgress], None] | None = None,
    on_state: Callable[[str], None] | None = None,
    observer: LoadObserver | None = None,
) -> LoadReport:
    """Load topics into RAW. Any number may run, be killed and run again: every message is loaded once.

    Without `follow`, loads what the topics held when it began.

    Args:
        endpoint: the deployed warehouse.
        client_config: librdkafka settings.
        tables: RAW table by topic (`raw_tables`).
        options: how far and how.
        run_id: OPS.LOADS.RUN_ID and the session's query tag; made up without one.
        stop: when set, what has been fetched is committed and the run ends.
        progress: told after each commit.
        on_state: told in words when the loader waits for the warehouse or for Kafka, and when it goes on ("loading").
        observer: told every plan, commit, retry and state, for metrics and logs.

    Raises:
        DataLostError: Kafka no longer has messages that were not loaded.
        OffsetsMovedError: another consumer loads the same partitions; nothing of this one's last batch is loaded. One
            that follows or concedes does not give up: it goes on from where the other one got.
        NotDeployedError, CredentialsRefusedError, WarehouseUnavailableError, StreamError: it cannot begin or go on.
    """
    loader = _Loader(endpoint, client_config, tables, options or LoadOptions(), run_id or str(uuid.uuid4()))
    return loader.run(stop or threading.Event(), progress, on_state, observer)


class _Loader:
    def __init__(
        self,
        endpoint: WarehouseEndpoint,
        client_config: ClientConfig,
        tables: Mapping[str, str],
        options: LoadOptions,
        run_id: str,
    ) -> None:
        self._endpoint, self._client_config, self._tables = endpoint, client_config, tables
        self._options, self._run_id = options, run_id
        self._watch = TopicWatch(client_config)
        self._lag = LagReporter(client_config)
        self._connection: SnowflakeConnection | None = None
        self._loaded: dict[Place, int] = {}
        self._totals = Totals()
        self._stop = threading.Event()
        self._progress: Callable[[LoadProgress], None] | None = None
        self._on_state: Callable[[str], None] | None = None
        self._observer: LoadObserver = LoadLog(run_id)
        self._state = "loading"
        self._began = time.monotonic()
        self._expected: int | None = None
        self._taken = 0
        self._refresher: Refresher | None = None
        self._membership: GroupMembership | None = None
        self._looked_at = -math.inf
        self._plan_now: _Plan | None = None
        self._ends: dict[tuple[str, int], int] = {}
        self._failed_at: list[StandingAt] = []

    def run(
        self,
        stop: threading.Event,
        progress: Callable[[LoadProgress], None] | None,
        on_state: Callable[[str], None] | None,
        observer: LoadObserver | None,
    ) -> LoadReport:
        self._stop, self._progress, self._on_state = stop, progress, on_state
        if observer:
            self._observer = Observers(self._observer, observer)
        if self._options.follow and self._options.refresh:
            self._refresher = Refresher(self._endpoint, lambda why: self._enter(f"the refresh failed: {why}"))
        try:
            if self._options.group:
                self._membership = GroupMembership(self._client_config, self._tables, MEMBERS_GROUP)
            ended = self._run()
        except OffsetsMovedError:
            raise  # the other consumer goes on
        except Exception as error:
            self._record(error)
            raise
        finally:
            if self._membership:
                self._membership.close()
            if self._refresher:
                self._refresher.close()
            self._close_connection()
            self._lag.close()
        return self._totals.report(self._run_id, ended, time.monotonic() - self._began)

    def _run(self) -> str:
        self._retrying(lambda: remove_abandoned(self._session()))
        while True:
            plan = self._plan_now = self._retrying(self._plan)
            self._observer.planned(dict(plan.positions))
            self._enter("loading")
            if self._expected is None and not self._options.follow:
                self._expected = sum(plan.ends[place] - at for place, at in plan.positions.items())
            try:
                return self._read(plan)
            except (_TopicsChangedError, OffsetOutOfRangeError) as change:
                # Planning anew reads the warehouse's offsets again, and says what was lost.
                logger.info("Planning anew: %s", change)
            except OffsetsMovedError as moved:
                if not (self._options.follow or self._options.concede):
                    raise
                logger.info("Planning anew: %s", moved)
                self._enter("waiting: another consumer loads the same partitions")
                self._stop.wait(self._options.flush_seconds)

    # -- planning ---------------------------------------------------------------------------------------------------

    def _plan(self) -> _Plan:
        """Where to read from: the warehouse's offsets, with rows made for partitions that have none."""
        connection, self._failed_at = self._session(), []
        generation, assigned = self._membership.assigned() if self._membership else (0, frozenset())
        plan = _Plan([], {}, {}, generation)
        for name, offsets in partitions(self._client_config, self._tables).items():
            topic = LoadedTopic(name, str(offsets.topic_id), self._tables[name])
            mine = {
                state.partition: state
                for state in offsets.partitions
                if self._is_mine(state.partition) and (not self._membership or (name, state.partition) in assigned)
            }
            known = {position.partition: position for position in read_positions(connection, topic.topic_id)}
            new = {number: state.low for number, state in mine.items() if number not in known}
            register(connection, name, topic.topic_id, new, self._run_id)
            after = {**new, **{number: known[number].next_offset for number in mine if number in known}}
            for number, state in mine.items():
                after[number] = self._check_held(topic, number, after[number], state.low, state.high)
                plan.positions[name, number] = after[number]
                # A bounded run that plans anew still ends where the topics ended when it began.
                end = state.high if self._options.follow else self._ends.setdefault((name, number), state.high)
                plan.ends[name, number] = max(end, after[number])
            plan.topics.append(topic)
        return plan

    def _check_held(self, topic: LoadedTopic, partition: int, after: int, low: int, high: int) -> int:
        """The offset to go on from, once the broker is known to hold it."""
        self._failed_at = [StandingAt(topic.name, topic.topic_id, partition, after)]
        if after > high:
            raise DataLostError(
                f"Partition {partition} of topic {topic.name} is loaded to offset {after}, but the broker ends at "
                f"{high}: it lost messages that RAW still has, and would give their offsets to new ones. Replay what "
                "is missing into a new topic (delete this one and let it be made again)."
            )
        if after >= low:
            self._failed_at = []
            return after
        if not self._options.accept_gaps:
            raise DataLostError(
                f"Partition {partition} of topic {topic.name}: offsets {after} to {low - 1} ({low - after} messages) "
                "were not loaded and the broker no longer has them. Restore the topic, or accept the gap and load on "
                f"from offset {low}: dropship consume --accept-gaps"
            )
        accept_gap(self._session(), topic.name, topic.topic_id, partition, after, low, self._run_id)
        self._failed_at = []
        self._totals.gaps += low - after
        return low

    def _is_mine(self, partition: int) -> bool:
        index, count = self._options.share
        return partition % count == index

    # -- reading ----------------------------------------------------------------------------------------------------

    def _read(self, plan: _Plan) -> str:
        assignments = [Assignment(topic, number, at) for (topic, number), at in plan.positions.items()]
        with (
            PartitionReader({**_FETCH_AHEAD, **self._client_config}, assignments, group=GROUP) as reader,
            Stager(self._open_session) as stager,
            ThreadPoolExecutor(1, "commit") as committer,
        ):
            pending: Future[None] | None = None
            while True:
                ended, batches = self._next(plan, reader, pending)
                files = [
                    stager.submit(batch.topic.table.lower(), batch.batch_id, batch.parquet) if batch.rows else None
                    for batch in batches
                ]
                if pending:
                    self._settle(pending)
                pending = committer.submit(self._commit_all, plan, batches, files) if batches else None
                if ended:
                    if pending:
                        self._settle(pending)
                    return ended

    def _settle(self, pending: Future[None]) -> None:
        """Wait for a commit, and say so when it takes long."""
        began = time.monotonic()
        while not pending.done():
            wait_for([pending], timeout=SILENCE_SECONDS)
            if not pending.done():
                self._enter(f"waiting: the warehouse has not answered for {time.monotonic() - began:.0f} s")
        pending.result()

    def _next(
        self, plan: _Plan, reader: PartitionReader, pending: Future[None] | None
    ) -> tuple[str | None, list[EncodedBatch]]:
        """Fetch and encode while a commit is `pending`; why it was the last time, if it was."""
        options, began = self._options, time.monotonic()
        events_left = math.inf if options.max_events is None else options.max_events - self._taken
        seconds_left = math.inf if options.max_seconds is None else options.max_seconds - (began - self._began)
        if self._stop.is_set():
            return "stopped", []
        if events_left <= 0:
            return "max events", []
        if seconds_left <= 0:
            return "max seconds", []
        if options.follow:
            self._look_again(plan)
            reader.watch()
            if not plan.positions:  # more consumers than partitions: be there when one of the others goes
                self._stop.wait(options.flush_seconds)
                return None, []
        gathered = gather(
            reader,
            {topic: plan.expected(topic.name) for topic in plan.topics},
            max_messages=min(options.batch_events, events_left),
            max_bytes=lambda: self._enough_bytes(pending),
            max_seconds=min(options.flush_seconds if options.follow else GATHER_SECONDS, seconds_left),
            until=None if options.follow else plan.ends,
            stop=self._stop,
        )
        self._note_silence(reader.silent_seconds)
        plan.positions.update(gathered.next_offsets)
        self._taken += gathered.rows
        return "caught up" if gathered.at_end and not options.follow else None, gathered.batches

    def _enough_bytes(self, pending: Future[None] | None) -> int:
        """Where a batch ends: the busier the warehouse, the larger, because each costs it a transaction."""
        if pending is not None and not pending.done():
            return self._options.batch_bytes
        return max(1, self._options.batch_bytes // (_AWAITED_PART if self._taken else _FIRST_PART))

    def _look_again(self, plan: _Plan) -> None:
        """Notice what changes while no message comes that would be committed."""
        if self._membership and self._membership.generation != plan.generation:
            raise _TopicsChangedError("the group shares out its partitions anew")
        if time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS:
            self._looked_at = time.monotonic()
            try:
                self._check_identity(plan)
            except KafkaUnreachableError as error:
                logger.info("The topics cannot be looked at: %s", error)  # the silence is told where it is measured

    def _note_silence(self, seconds: float) -> None:
        if seconds < SILENCE_SECONDS:
            return
        try:
            self._watch.identities(self._tables)
        except KafkaUnreachableError as error:
            self._enter(f"stalled: Kafka has not answered for {seconds:.0f} s")
            if seconds > self._options.patience:
                raise KafkaUnreachableError(f"Kafka has not answered for {seconds:.0f} s: {error}") from error
        else:
            self._enter("loading")

    # -- committing (the committer's thread) ------------------------------------------------------------------------

    def _commit_all(
        self, plan: _Plan, batches: Sequence[EncodedBatch], files: Sequence[Future[Staged | None] | None]
    ) -> None:
        for batch, file in zip(batches, files, strict=True):
            try:
                committed = self._retrying(partial(self._commit, plan, batch, [file.result() if file else None]))
            except Exception:
                topic = batch.topic
                self._failed_at = [
                    StandingAt(topic.name, topic.topic_id, part.partition, part.start) for part in batch.ranges
                ]
                raise
            self._note(committed)

    def _commit(self, plan: _Plan, batch: EncodedBatch, unused: list[Staged | None]) -> Committed:
        """`unused`: the uploaded file until the first attempt takes it; each further attempt has one of its own."""
        self._check_identity(plan)
        return commit_batch(self._session(), batch, self._run_id, unused.pop() if unused else None)

    def _check_identity(self, plan: _Plan) -> None:
        """After the fetch and before the commit: messages of a topic made again must not get the old one's id."""
        now = self._watch.identities(self._tables)
        for topic in plan.topics:
            identity = now.get(topic.name)
            if identity is None or identity.topic_id != topic.topic_id:
                raise _TopicsChangedError(f"topic {topic.name} was deleted or made again")
            # A group notices new partitions by itself and shares them out.
            mine = set() if self._membership else {number for number in identity.partitions if self._is_mine(number)}
            if mine - set(plan.expected(topic.name)):
                raise _TopicsChangedError(f"topic {topic.name} has new partitions")

    def _note(self, committed: Committed) -> None:
        batch = committed.batch
        self._totals.add(batch)
        self._loaded.update({(batch.topic.name, covered.partition): covered.end for covered in batch.ranges})
        self._lag.report(self._loaded)
        if self._refresher:
            self._refresher.notify()
        self._enter("loading")
        self._observer.committed(committed)
        if self._progress:
            self._progress(LoadProgress(self._totals.events, self._expected, time.monotonic() - self._began))

    def _record(self, error: Exception) -> None:
        """Record where this run ended: at a batch or a partition, or else wherever it stood."""
        if isinstance(error, CredentialsRefusedError | WarehouseUnavailableError | NotDeployedError):
            return  # there is no warehouse to record it in
        places = self._failed_at
        if not places and self._plan_now:
            ids = {topic.name: topic.topic_id for topic in self._plan_now.topics}
            places = [StandingAt(name, ids[name], at, to) for (name, at), to in self._plan_now.positions.items()]
        record_failure(self._endpoint, places, error, self._run_id)

    # -- the warehouse ----------------------------------------------------------------------------------------------

    def _session(self) -> SnowflakeConnection:
        if self._connection is None:
            self._connection = self._open_session()
        return self._connection

    def _open_session(self) -> SnowflakeConnection:
        return open_connection(
            self._endpoint,
            query_tag=f"dropship consume {self._run_id}",
            network_timeout=_REQUEST_SECONDS,
            keep_alive=self._options.follow,
        )

    def _close_connection(self) -> None:
        if self._connection is not None:
            close_quietly(self._connection)
            self._connection = None

    def _retrying(self, action: Callable[[], Result]) -> Result:
        def attempt() -> Result:
            try:
                return action()
            except (snowflake_errors.Error, OSError):
                # Its transaction is rolled back by the server; what it was doing is settled under the next one's lock.
                self._close_connection()
                raise

        def waiting(reason: str, seconds: float) -> None:
            self._observer.retrying(reason, seconds)
            self._enter(f"waiting: {reason} (next attempt in {seconds:.0f} s)")

        return with_retries(attempt, patience_seconds=self._options.patience, stop=self._stop, on_wait=waiting)

    def _enter(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._observer.entered(state)
            if self._on_state:
                self._on_state(state)
