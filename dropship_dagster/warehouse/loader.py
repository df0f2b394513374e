"""The loader: Kafka into RAW, exactly once, in bounded batches or until it is stopped.

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
from functools import partial

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import Assignment, GroupMembership, OffsetOutOfRangeError, PartitionReader
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.stream.topics import Partition
from dropship_dagster.warehouse.batch import EncodedBatch, poll_batch
from dropship_dagster.warehouse.commit import Committed, commit_batch
from dropship_dagster.warehouse.errors import (
    CredentialsRefusedError,
    KafkaUnreachableError,
    NotDeployedError,
    OffsetsMovedError,
    WarehouseUnavailableError,
)
from dropship_dagster.warehouse.failures import Position, record_failure
from dropship_dagster.warehouse.load_options import LoadOptions
from dropship_dagster.warehouse.load_plan import Plan, Planner, TopicsChangedError
from dropship_dagster.warehouse.load_report import LoadProgress, LoadReport, Totals
from dropship_dagster.warehouse.load_session import LoadSession
from dropship_dagster.warehouse.observer import LoadLog, LoadObserver, Observers
from dropship_dagster.warehouse.refresher import Refresher
from dropship_dagster.warehouse.stage import Staged, Stager, remove_abandoned
from dropship_dagster.warehouse.topics import GROUP, MEMBERS_GROUP, LagReporter, TopicWatch

logger = logging.getLogger(__name__)

GATHER_SECONDS = 5.0
SILENCE_SECONDS = 10.0
TOPIC_CHECK_SECONDS = 10.0

# A batch that the warehouse waits for is smaller, the first one even more.
_AWAITED_PART, _FIRST_PART = 3, 8
# What the consumer fetches ahead; with it and two batches the whole loader stays below 400 MB. A quarter of the bytes a
# partition would take five times the broker's processor time.
_FETCH_AHEAD = {"queued.max.messages.kbytes": "8192", "fetch.message.max.bytes": "524288"}


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
            that follows or resumes after a conflict does not give up: it goes on from where the other one got.
        NotDeployedError, CredentialsRefusedError, WarehouseUnavailableError, StreamError: it cannot begin or go on.
    """
    run_id = run_id or str(uuid.uuid4())
    return _Loader(
        endpoint,
        client_config,
        tables,
        options or LoadOptions(),
        run_id,
        stop or threading.Event(),
        progress,
        on_state,
        Observers(LoadLog(run_id), observer) if observer else LoadLog(run_id),
    ).run()


class _Loader:
    """Reads by a plan, commits one batch while it fetches the next, and plans anew when the plan no longer holds."""

    def __init__(
        self,
        endpoint: WarehouseEndpoint,
        client_config: ClientConfig,
        tables: Mapping[str, str],
        options: LoadOptions,
        run_id: str,
        stop: threading.Event,
        progress: Callable[[LoadProgress], None] | None,
        on_state: Callable[[str], None] | None,
        observer: LoadObserver,
    ) -> None:
        self._endpoint, self._client_config, self._tables = endpoint, client_config, tables
        self._options, self._run_id, self._stop = options, run_id, stop
        self._progress, self._on_state, self._observer = progress, on_state, observer
        self._session = LoadSession(
            endpoint,
            run_id,
            keep_alive=options.follow,
            patience_seconds=options.patience,
            stop=stop,
            on_wait=self._wait_for_warehouse,
        )
        self._watch = TopicWatch(client_config)
        self._planner = Planner(client_config, tables, options, self._session, self._watch, run_id)
        self._lag = LagReporter(client_config)
        self._refresher: Refresher | None = None
        self._membership: GroupMembership | None = None
        self._plan: Plan | None = None
        self._failed_at: list[Position] = []
        self._loaded: dict[Partition, int] = {}
        self._totals = Totals()
        self._expected: int | None = None
        self._taken = 0
        self._state = "loading"
        self._asked = "the warehouse"  # of the two, by the commit that is pending
        self._began = time.monotonic()
        self._checked_at = -math.inf

    def run(self) -> LoadReport:
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
            self._session.close()
            self._lag.close()
        self._totals.gaps = self._planner.gaps
        return self._totals.report(self._run_id, ended, time.monotonic() - self._began)

    def _run(self) -> str:
        self._session.retrying(lambda: remove_abandoned(self._session.connection()))
        while True:
            self._failed_at = []
            plan = self._plan = self._session.retrying(lambda: self._planner.plan(self._membership))
            self._observer.planned(dict(plan.positions))
            self._enter("loading")
            if self._expected is None and not self._options.follow:
                self._expected = sum(plan.ends[partition] - at for partition, at in plan.positions.items())
            try:
                return self._read(plan)
            except (TopicsChangedError, OffsetOutOfRangeError) as change:
                # Planning anew reads the warehouse's offsets again, and says what was lost.
                logger.info("Planning anew: %s", change)
            except OffsetsMovedError as moved:
                if not (self._options.follow or self._options.resume_after_conflict):
                    raise
                logger.info("Planning anew: %s", moved)
                self._enter("waiting: another consumer loads the same partitions")
                self._stop.wait(self._options.flush_seconds)

    # -- reading ----------------------------------------------------------------------------------------------------

    def _read(self, plan: Plan) -> str:
        assignments = [Assignment(topic, number, at) for (topic, number), at in plan.positions.items()]
        with (
            PartitionReader({**_FETCH_AHEAD, **self._client_config}, assignments, group=GROUP) as reader,
            Stager(self._session.open) as stager,
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
                self._enter(f"waiting: {self._asked} has not answered for {time.monotonic() - began:.0f} s")
        pending.result()

    def _next(
        self, plan: Plan, reader: PartitionReader, pending: Future[None] | None
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
            self._check_topics(plan)
            reader.watch()
            if not plan.positions:  # more consumers than partitions: be there when one of the others goes
                self._stop.wait(options.flush_seconds)
                return None, []
        polled = poll_batch(
            reader,
            {topic: plan.expected(topic.name) for topic in plan.topics},
            max_messages=min(options.batch_events, events_left),
            max_bytes=lambda: self._enough_bytes(pending),
            max_seconds=min(options.flush_seconds if options.follow else GATHER_SECONDS, seconds_left),
            until=None if options.follow else plan.ends,
            stop=self._stop,
        )
        self._note_silence(reader.silent_seconds)
        plan.positions.update(polled.next_offsets)
        self._taken += polled.rows
        return "caught up" if polled.at_end and not options.follow else None, polled.batches

    def _enough_bytes(self, pending: Future[None] | None) -> int:
        """Where a batch ends: the busier the warehouse, the larger, because each costs it a transaction."""
        if pending is not None and not pending.done():
            return self._options.batch_bytes
        return max(1, self._options.batch_bytes // (_AWAITED_PART if self._taken else _FIRST_PART))

    def _check_topics(self, plan: Plan) -> None:
        """Notice what changes while no message comes that would be committed."""
        if self._membership and self._membership.generation != plan.generation:
            raise TopicsChangedError("the group shares out its partitions anew")
        if time.monotonic() - self._checked_at >= TOPIC_CHECK_SECONDS:
            self._checked_at = time.monotonic()
            try:
                self._planner.check(plan, grouped=self._membership is not None)
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
        self, plan: Plan, batches: Sequence[EncodedBatch], files: Sequence[Future[Staged | None] | None]
    ) -> None:
        for batch, file in zip(batches, files, strict=True):
            try:
                committed = self._session.retrying(
                    partial(self._commit, plan, batch, [file.result() if file else None])
                )
            except Exception:
                topic = batch.topic
                self._failed_at = [
                    Position(topic.name, topic.topic_id, part.partition, part.start) for part in batch.ranges
                ]
                raise
            self._note(committed)

    def _commit(self, plan: Plan, batch: EncodedBatch, unused: list[Staged | None]) -> Committed:
        """`unused`: the uploaded file until the first attempt takes it; each further attempt has one of its own."""
        self._asked = "Kafka"
        self._planner.check(plan, grouped=self._membership is not None)
        self._asked = "the warehouse"
        return commit_batch(self._session.connection(), batch, self._run_id, unused.pop() if unused else None)

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
        places = self._failed_at or self._planner.failed_at
        if not places and self._plan:
            ids = {topic.name: topic.topic_id for topic in self._plan.topics}
            places = [Position(name, ids[name], at, to) for (name, at), to in self._plan.positions.items()]
        record_failure(self._endpoint, places, error, self._run_id)

    # -- states -----------------------------------------------------------------------------------------------------

    def _wait_for_warehouse(self, reason: str, seconds: float) -> None:
        self._observer.retrying(reason, seconds)
        self._enter(f"waiting: {reason} (next attempt in {seconds:.0f} s)")

    def _enter(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._observer.entered(state)
            if self._on_state:
                self._on_state(state)
