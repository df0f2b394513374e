"""The continuous stream: the shop goes on selling where its history ends."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dropship_dagster.clock import (
    DAY_SECONDS,
    FASTEST,
    LEASE_SECONDS,
    SLOWEST,
    TIME_LAPSE,
    ShopClock,
    beside,
    read,
    shown,
    wall_ms,
    write,
)
from dropship_dagster.shop.config import ShopConfig
from dropship_dagster.shop.datasets import Record
from dropship_dagster.shop.history import Shop
from dropship_dagster.shop.manifest import read_manifest
from dropship_dagster.stream import livestate
from dropship_dagster.stream.ahead import ahead
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.stream.errors import StreamError
from dropship_dagster.stream.heads import records
from dropship_dagster.stream.livestate import Saved
from dropship_dagster.stream.pacing import MOST, Clock, check_number
from dropship_dagster.stream.report import ProduceReport
from dropship_dagster.stream.roles import ORDERS_EVENTS
from dropship_dagster.stream.sender import Sender
from dropship_dagster.stream.simulation import Interval, Pace, Simulation, State, time_lapse

Progress = Callable[[str, int, int | None], None]

_INTERVALS_A_SAVE = 10
_OPENING_ORDERS, _OPENING_INTERVALS = 20, 300
_LEAST_RATE, _MAX_RATE = 0.001, 1_000_000
_LEAST_SPEED = 0.01

FIRST_START, LAST_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(2150, 1, 1, tzinfo=dt.UTC)
"""Times are written for 1970 to 2199 (`shop.text.times`): an order lives for weeks, at the slowest speed for years."""
_ROUNDING = 1e-9
_MOST_BEHIND = LEASE_SECONDS + 30.0
"""The clock goes on for so long after the last word of a producer, whose state may be from some seconds before."""


def live(
    client_config: ClientConfig,
    seed_dir: Path,
    *,
    state: Path,
    rate: float | None = None,
    clock: float = TIME_LAPSE,
    duration: float | None = None,
    seed: int | None = None,
    start: dt.datetime | None = None,
    daily_curve: bool = False,
    life_cycle_speed: float | None = None,
    followed: bool = False,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
    rejected_messages: Path | None = None,
    topic_names: Mapping[str, str] | None = None,
) -> ProduceReport:
    """Send new customers and orders, the steps of open ones, and changed stock, until told to stop.

    The shop's clock begins where the folder's history ends. Without a rate it goes `clock` times as fast as ours, and
    the shop sells by its history's demand. At a rate it goes as fast as ours, and as much is sold as the rate wants.
    The same folder, seed and options give the same bytes. A later run goes on where this one ended, also after a kill.
    Where the clock stands is in a file beside the state (`dropship_dagster.clock`).

    Args:
        client_config: librdkafka settings, bootstrap.servers inside.
        seed_dir: a generated folder: its manifest says how to go on.
        state: the file in which the shop's state outlives the process.
        rate: events a second over all topics, kept by schedule: a load test. None sells by demand.
        clock: shop seconds a second, without a rate.
        duration: seconds; None goes on until `stop` is set.
        seed: for the orders of the stream; the folder's own when None.
        start: moves the clock forward to this moment (with a zone); None leaves it where it is.
        daily_curve: spreads the rate over the hours of the day as the shop's customers do. Without a rate they do so
            anyway.
        life_cycle_speed: how many times as fast orders live at a rate; None takes the parameter file's.
        followed: another run is to follow at once, so the clock does not stop at the end of this one.
        stop: when set, the run drains and ends.
        progress: called with a word, the events so far, and how many there will be, if that is known.
        rejected_messages: a JSON-lines file for refused messages.
        topic_names: other names than customers, products, orders_events.

    Raises:
        ShopError, StreamError: the folder or the state cannot be used, or the client cannot go on.
    """
    _check_pace(rate, clock, life_cycle_speed, daily_curve)
    if duration is not None:
        check_number("duration", duration, 0, MOST)
    if start is not None:
        _microseconds(start)
    stop = stop or threading.Event()
    config = _config_of(seed_dir)
    simulation = Simulation(Shop(config, order_seed=seed))
    pace = _pace(config, rate, clock, life_cycle_speed, daily_curve)
    identity = _identity(config, seed)
    with livestate.only_producer(state):
        saved = livestate.load(state, identity)
        if saved is None:
            first = simulation.first_state(pace.life_cycle_speed)
            saved = Saved(identity, first, pace, slots_done=0, begun=0)
        sender = Sender(client_config, origin="stream", stop=stop, rejects=rejected_messages, topic_names=topic_names)
        run = _Run(simulation, sender, stop, state, saved, progress)
        try:
            run.go(pace, duration, start)
        finally:
            began = run.clock.elapsed
            sender.close()
            flush_seconds = run.clock.elapsed - began
            run.tell_time(running=followed and not stop.is_set())
        if not any(counts.failed for counts in sender.counts.values()):
            run.save_ended()
    return ProduceReport(
        topics=sender.counts,
        seconds=run.seconds,
        flush_seconds=flush_seconds,
        requested_rate=rate or 0.0,
        achieved_rate=run.done / run.seconds if run.seconds else 0.0,
        resent=run.resent,
        stopped=stop.is_set(),
        errors=sender.errors,
        shop_clock=shown(beside(state)),
    )


def opening(
    seed_dir: Path,
    *,
    state: Path,
    rate: float | None = None,
    clock: float = TIME_LAPSE,
    seed: int | None = None,
    start: dt.datetime | None = None,
    daily_curve: bool = False,
    life_cycle_speed: float | None = None,
) -> list[Record]:
    """The first orders that `live` would place with these arguments; none where it goes on from a saved state.

    A stream that begins anew beside one that began before with other options uses its order ids for other orders.

    Raises:
        ShopError, StreamError: the folder or the state cannot be used.
    """
    _check_pace(rate, clock, life_cycle_speed, daily_curve)
    config = _config_of(seed_dir)
    if livestate.load(state, _identity(config, seed)) is not None:
        return []
    simulation = Simulation(Shop(config, order_seed=seed))
    # Which orders a time-lapse places does not depend on its speed, so that a slow one need not be simulated for long.
    pace = _pace(config, rate, max(clock, DAY_SECONDS), life_cycle_speed, daily_curve)
    now = simulation.first_state(pace.life_cycle_speed)
    if start is not None:
        now = replace(now, clock_us=max(now.clock_us, _microseconds(start)))
    placed: list[Record] = []
    for _ in range(_OPENING_INTERVALS):
        interval = simulation.next_interval(now, pace)
        placed += records(ORDERS_EVENTS, interval.orders.values.to_pylist())
        now = interval.state
        if len(placed) >= _OPENING_ORDERS:
            break
    return placed


def moment(text: str) -> dt.datetime:
    """A start for `live` from a user's words: `now`, or an ISO 8601 time with a zone.

    Raises:
        StreamError: it is neither, or outside FIRST_START to LAST_START.
    """
    if text == "now":
        return dt.datetime.now(dt.UTC)
    try:
        start = dt.datetime.fromisoformat(text)
    except ValueError:
        raise StreamError(f"The start {text!r} is no time: give now, or a time such as 2026-07-01T09:00:00Z.") from None
    _microseconds(start)
    return start


def _check_pace(rate: float | None, clock: float, life_cycle_speed: float | None, daily_curve: bool) -> None:
    """Check what a user gave.

    Raises:
        StreamError: a number outside its range, or an option of a rate without one.
    """
    if rate is not None:
        check_number("rate", rate, _LEAST_RATE, _MAX_RATE)
    check_number("shop's clock", clock, SLOWEST, FASTEST)
    if life_cycle_speed is not None:
        check_number("life cycle speed", life_cycle_speed, _LEAST_SPEED, MOST)
    if rate is None and (daily_curve or life_cycle_speed is not None):
        raise StreamError(
            "A daily curve and a life cycle speed belong to a rate: without one the shop sells by its own curve, and "
            "its orders live as long as its clock says. Give a rate, or leave them out."
        )


def _pace(
    config: ShopConfig, rate: float | None, clock: float, life_cycle_speed: float | None, daily_curve: bool
) -> Pace:
    if rate is None:
        return time_lapse(clock)
    return Pace(rate, daily_curve, life_cycle_speed or config.parameters.stream.life_cycle_speed)


def _config_of(seed_dir: Path) -> ShopConfig:
    manifest = read_manifest(seed_dir)
    if manifest is None:
        raise StreamError(f"{seed_dir} has no manifest.json: the stream goes on from a folder of `dropship generate`.")
    return ShopConfig.model_validate(manifest.config)


def _identity(config: ShopConfig, seed: int | None) -> str:
    values = {"config": config.model_dump(mode="json", by_alias=True), "seed": config.seed if seed is None else seed}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Planned:
    """Slots first to until - 1 of an interval, the state before it, and the second of the run when it begins."""

    before: State
    interval: Interval
    first: int
    until: int
    begin: float

    def due(self, slot: int) -> float:
        """The second of the run at which a slot is due; of the slot behind the last, when the interval is over."""
        return self.begin + float(self.interval.due[slot])


class _Run:
    """One process's share of the stream."""

    def __init__(
        self,
        simulation: Simulation,
        sender: Sender,
        stop: threading.Event,
        path: Path,
        saved: Saved,
        progress: Progress | None,
    ) -> None:
        self.clock = Clock(sender.serve)
        self.seconds = 0.0
        self.done = 0
        self.resent = 0
        self._simulation = simulation
        self._sender = sender
        self._stop = stop
        self._path = path
        self._saved = saved
        self._progress = progress
        self._state = saved.state
        self._pace = saved.pace
        self._slots_done = saved.slots_done
        self._started_us = saved.state.clock_us
        """The shop's time when the run began."""

    def go(self, pace: Pace, duration: float | None, start: dt.datetime | None) -> None:
        """Finish what an earlier run began at its own pace, then send at ours."""
        moved = start is not None and _microseconds(start) > self._state.clock_us
        if pace != self._saved.pace or moved:
            self._finish_earlier()
        if start is not None:
            self._state = replace(self._state, clock_us=max(self._state.clock_us, _microseconds(start)))
        self._pace = pace
        behind = 0.0 if moved else self._seconds_behind()
        if self._slots_done:  # the first slot that is left is due now
            begun = self._simulation.next_interval(self._state, pace)
            behind = max(behind, float(begun.due[self._slots_done]))
        self.clock = Clock(self._sender.serve)
        self._started_us = self._state.clock_us + round(behind * pace.speed * 1_000_000)
        self._send_intervals(behind, duration)

    def tell_time(self, *, running: bool) -> None:
        """Write where the shop's clock stands, for those who speak of its time."""
        shop_us = self._started_us + round(self.clock.elapsed * self._pace.speed * 1_000_000)
        write(beside(self._path), ShopClock(shop_us // 1000, wall_ms(), self._pace.speed, self._pace.rate, running))

    def save_ended(self) -> None:
        """Everything that was sent is acknowledged: remember exactly where that was."""
        self._save(begun=1 if self._slots_done else 0)

    def _seconds_behind(self) -> float:
        """How many seconds of ours the state is behind the shop's clock, which goes on between two runs.

        What happened meanwhile is sent at once. A clock that stood still is behind nothing.
        """
        told = read(beside(self._path)) if self._pace.clock else None
        if told is None:
            return 0.0
        behind = (told.at(wall_ms()) * 1000 - self._state.clock_us) / 1_000_000 / self._pace.clock
        return min(max(behind, 0.0), _MOST_BEHIND)

    def _finish_earlier(self) -> None:
        """Send what was begun at once, at the pace it was begun with: its order ids must not mean other orders."""
        for _ in range(self._saved.begun):
            interval = self._simulation.next_interval(self._state, self._pace)
            self._send(interval, self._slots_done, interval.slots)
            self.resent += interval.slots - self._slots_done
            self._state, self._slots_done = interval.state, 0

    def _send_intervals(self, behind: float, duration: float | None) -> None:
        since_save = _INTERVALS_A_SAVE
        for planned in ahead(self._plan(behind, duration), self._stop):
            self.clock.wait_until(planned.begin, self._stop.is_set)
            self._state = planned.before
            if since_save >= _INTERVALS_A_SAVE and self._sender.drain():
                self._save(begun=_INTERVALS_A_SAVE)
                self.tell_time(running=True)
                since_save = 0
            since_save += 1
            self._send_paced(planned)
            if self._slots_done == planned.interval.slots and not self._stop.is_set():
                self._state, self._slots_done = planned.interval.state, 0
        if duration is not None and self._pace.clock:  # its last seconds may have had nothing to send
            self.clock.wait_until(duration, self._stop.is_set)
            self.seconds = self.clock.elapsed

    def _plan(self, behind: float, duration: float | None) -> Iterator[_Planned]:
        """The intervals of this run, up to its duration, each with the second at which it begins.

        The first began `behind` seconds before the run.
        """
        state, first, begin = self._state, self._slots_done, -behind
        while duration is None or begin < duration - _ROUNDING:
            if self._pace.clock and state.clock_us > _microseconds(LAST_START):
                raise StreamError(
                    f"The shop's clock has reached {LAST_START:%Y}, the end of its calendar: begin anew with topics "
                    "and a database of its own."
                )
            interval = self._simulation.next_interval(state, self._pace)
            until = interval.slots
            if duration is not None:
                until = int(np.searchsorted(interval.due[:-1], duration - begin - _ROUNDING, side="left"))
            yield _Planned(state, interval, first, max(first, until), begin)
            begin += float(interval.due[-1])
            state, first = interval.state, 0

    def _send_paced(self, planned: _Planned) -> None:
        """Send the slots when they are due, and wait for the end of the last one."""
        interval, slot = planned.interval, planned.first
        while slot < planned.until and not self._stop.is_set():
            since = self.clock.elapsed - planned.begin
            until = min(int(np.searchsorted(interval.due[:-1], since, side="right")), planned.until)
            if until > slot:
                self._send(interval, slot, until)
                self.done += until - slot
                slot = self._slots_done = until
                self.seconds = max(self.clock.elapsed, planned.due(slot))
                if self._progress:
                    self._progress("events", self.done, None)
            self.clock.wait_until(planned.due(slot), self._stop.is_set)
        if not self._stop.is_set():
            self.seconds = self.clock.elapsed

    def _send(self, interval: Interval, first: int, until: int) -> None:
        for messages, slots in (
            (interval.customers, interval.customer_slots),  # before the orders they may place
            (interval.products, interval.product_slots),
            (interval.orders, interval.order_slots),
        ):
            low, high = slots.searchsorted([first, until])
            if high > low:
                self._sender.send(messages, int(low), int(high))

    def _save(self, *, begun: int) -> None:
        livestate.save(self._path, Saved(self._saved.identity, self._state, self._pace, self._slots_done, begun))


def _microseconds(moment: dt.datetime) -> int:
    if moment.tzinfo is None:
        raise StreamError(f"The start {moment} has no zone: give it one, such as {moment.isoformat()}Z.")
    if not FIRST_START <= moment <= LAST_START:
        raise StreamError(
            f"The start {moment.isoformat()} is outside the shop's calendar: give a time from "
            f"{FIRST_START:%Y-%m-%d} to {LAST_START:%Y-%m-%d}."
        )
    return int(moment.timestamp() * 1000) * 1000
