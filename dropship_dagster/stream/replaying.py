"""Replaying a folder of CSV files as events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from dropship_dagster.shop.rejects import REJECT_SHARE, Rejects
from dropship_dagster.stream.checkpoint import Checkpoint
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.stream.errors import StreamError
from dropship_dagster.stream.events import Messages
from dropship_dagster.stream.pacing import MOST, Clock, EvenRate, Schedule, TimeLapse, Unlimited, check_number
from dropship_dagster.stream.reader import WORTH_A_PROCESS, open_reader
from dropship_dagster.stream.report import ProduceReport
from dropship_dagster.stream.roles import ORDERS_EVENTS
from dropship_dagster.stream.sender import Sender
from dropship_dagster.stream.source import Seeds

Progress = Callable[[str, int, int | None], None]
"""Called with the topic, the messages of all topics so far, and how many there are, if that is known."""

_SLICE = 2_000


def replay(
    client_config: ClientConfig,
    seed_dir: Path,
    *,
    rate: float = 0,
    speed: float | None = None,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
    resume: Path | None = None,
    checkpoint_seconds: float = 10.0,
    rejected_rows: Path | None = None,
    rejected_messages: Path | None = None,
    reject_share: float = REJECT_SHARE,
    topic_names: Mapping[str, str] | None = None,
    process_from: int = WORTH_A_PROCESS,
) -> ProduceReport:
    """Send customers, products, then order events in event order; return when all of them are acknowledged.

    Replaying twice sends the same event ids, so it has one effect.

    Args:
        client_config: librdkafka settings, bootstrap.servers inside.
        seed_dir: a folder with the CSV files of the contract: all six, or new orders (see `shop.parts`).
        rate: messages a second, kept by schedule; 0 for no limit.
        speed: time-lapse: order events keep their distances in time, this many times as fast.
        stop: when set, nothing more is sent, what was sent is drained, and the report says so.
        progress: see Progress.
        resume: a file that remembers how far a replay of this very folder came; a killed one goes on from there.
        checkpoint_seconds: how often that file is written; what was sent since is sent again after a kill.
        rejected_rows: a CSV file for the rows that break the contract.
        rejected_messages: a JSON-lines file for messages that are too large or were refused.
        reject_share: more bad rows than this share of a file stop the replay.
        topic_names: other names than customers, products, orders_events.
        process_from: bytes of orders, lines and events from which a process of its own reads them.

    Raises:
        ShopError: a file is missing or breaks the contract as a whole.
        TooManyRejectsError: see reject_share.
        StreamError: the client cannot go on.
    """
    check_number("rate", rate, 0, MOST)
    if speed is not None:
        check_number("speed", speed, 1 / MOST, MOST)
    if rate and speed:
        raise StreamError("Both a rate and a speed are given: choose one.")
    stop = stop or threading.Event()
    seeds = Seeds(seed_dir, Rejects())
    reader = open_reader(
        seeds, stop=stop, rejected_rows=rejected_rows, reject_share=reject_share, process_from=process_from
    )
    checkpoint = Checkpoint(resume, seeds.identity) if resume else None
    sender = Sender(client_config, origin="replay", stop=stop, rejects=rejected_messages, topic_names=topic_names)
    run = _Run(sender, stop, _schedule(rate, speed), checkpoint, checkpoint_seconds, progress, seeds.events)
    try:
        with closing(reader.messages()) as blocks:
            run.send_all(blocks)
    finally:
        began = run.clock.elapsed
        sender.close()
        flush_seconds = run.clock.elapsed - began
    if checkpoint is not None and not any(counts.failed for counts in sender.counts.values()):
        checkpoint.save(run.done)
    return ProduceReport(
        topics=sender.counts,
        seconds=run.seconds,
        flush_seconds=flush_seconds,
        requested_rate=rate,
        achieved_rate=(run.done - run.skipped) / run.seconds if run.seconds else 0.0,
        rejected_rows=reader.rejected,
        skipped=run.skipped,
        stopped=stop.is_set(),
        rejects_file=str(rejected_rows) if rejected_rows and reader.rejected else None,
        errors=sender.errors,
    )


def _schedule(rate: float, speed: float | None) -> Schedule:
    if speed is not None:
        return TimeLapse(speed)
    return EvenRate(rate) if rate else Unlimited()


class _Run:
    """One pass over the messages of a folder."""

    def __init__(
        self,
        sender: Sender,
        stop: threading.Event,
        schedule: Schedule,
        checkpoint: Checkpoint | None,
        checkpoint_seconds: float,
        progress: Progress | None,
        total: int | None,
    ) -> None:
        self.clock = Clock(sender.serve)
        self.seconds = 0.0
        self.done = 0
        self.skipped = checkpoint.position if checkpoint else 0
        self._sender = sender
        self._stop = stop
        self._schedule = schedule
        self._checkpoint = checkpoint
        self._checkpoint_seconds = checkpoint_seconds
        self._saved_at = 0.0
        self._progress = progress
        self._total = total

    def send_all(self, blocks: Iterable[Messages]) -> None:
        """Send what the checkpoint does not hold yet, each message when it is due."""
        begun = False
        for messages in blocks:
            skip = min(len(messages), max(0, self.skipped - self.done))
            self.done += skip
            if skip == len(messages):
                continue
            if not begun:
                self.clock = Clock(self._sender.serve)  # the time it took to read is not the schedule's
                begun = True
            self._send(messages, skip)
            if self._stop.is_set():
                break
        if not self._stop.is_set():
            self.clock.wait_until(self._schedule.end(self.done - self.skipped), self._stop.is_set)
            self.seconds = self.clock.elapsed if begun else 0.0

    def _send(self, messages: Messages, start: int) -> None:
        schedule = self._schedule
        if isinstance(schedule, TimeLapse) and messages.topic != ORDERS_EVENTS:
            schedule = Unlimited()  # customers and products must be known before the first order
        while start < len(messages) and not self._stop.is_set():
            first = self.done - self.skipped - start
            count = min(schedule.due(self.clock.elapsed, first, messages.times_ms, start), _SLICE)
            if not count:
                self.clock.wait_until(schedule.next_due(first, messages.times_ms, start), self._stop.is_set)
                continue
            self._sender.send(messages, start, start + count)
            start += count
            self.done += count
            # Up to the end of the last slot, so that a run that is stopped is measured like one that ends.
            self.seconds = max(self.clock.elapsed, self._schedule.end(self.done - self.skipped))
            if self._progress:
                self._progress(messages.topic, self.done, self._total)
            self._save_now_and_then()

    def _save_now_and_then(self) -> None:
        if self._checkpoint is None or self.clock.elapsed - self._saved_at < self._checkpoint_seconds:
            return
        if self._sender.drain():
            self._checkpoint.save(self.done)
        self._saved_at = self.clock.elapsed
