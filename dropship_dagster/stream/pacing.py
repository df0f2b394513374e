"""Sending by schedule: each message has a moment at which it is due, so delays do not add up.

A loop that sleeps 1 / rate after each message falls behind by what each turn costs: 9,900 of 50,000 a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dropship_dagster.shop.rng import Ints
from dropship_dagster.stream.errors import StreamError

_LONGEST_NAP = 0.1
_SHORTEST_NAP = 0.001

MOST = 1e9
"""No rate, speed or duration (31 years) is larger; what is, is a slip."""


def check_number(name: str, value: float, least: float, most: float) -> None:
    """Check what a user gave.

    Raises:
        StreamError: it lies outside least to most, or is no number; names it and the range.
    """
    if not least <= value <= most:  # NaN is not in any range
        raise StreamError(f"A {name} of {value:g} cannot be: give {least:,.10g} to {most:,.10g}.")


class Schedule(Protocol):
    """When messages are due, in seconds from the start, counted over the whole run."""

    def due(self, elapsed: float, first: int, times_ms: Ints, start: int) -> int:
        """How many messages from `start` on may go now; `first` is the number of message 0 of `times_ms`."""

    def next_due(self, first: int, times_ms: Ints, start: int) -> float:
        """When message `start` is due."""

    def end(self, count: int) -> float:
        """When the slot of the last of `count` messages is over."""


@dataclass(frozen=True)
class Unlimited:
    """Everything is due at once."""

    def due(self, elapsed: float, first: int, times_ms: Ints, start: int) -> int:
        return len(times_ms) - start

    def next_due(self, first: int, times_ms: Ints, start: int) -> float:
        return 0.0

    def end(self, count: int) -> float:
        return 0.0


@dataclass(frozen=True)
class EvenRate:
    """Message i is due at i / rate."""

    rate: float

    def due(self, elapsed: float, first: int, times_ms: Ints, start: int) -> int:
        reached = math.floor(elapsed * self.rate) + 1 - first
        return max(0, min(reached, len(times_ms)) - start)

    def next_due(self, first: int, times_ms: Ints, start: int) -> float:
        return (first + start) / self.rate

    def end(self, count: int) -> float:
        return count / self.rate


class TimeLapse:
    """Messages keep their distances in time, `factor` times as fast. One that lies back in time is due at once.

    The first message that is asked for is due when it is asked for.
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._first_ms: int | None = None
        self._began = 0.0
        self._last = 0.0

    def due(self, elapsed: float, first: int, times_ms: Ints, start: int) -> int:
        if self._first_ms is None:
            self._first_ms, self._began = int(times_ms[start]), elapsed
        until = self._first_ms + (elapsed - self._began) * 1000.0 * self._factor
        late = times_ms[start:] > until
        return int(late.argmax()) if late.any() else len(late)

    def next_due(self, first: int, times_ms: Ints, start: int) -> float:
        moment = int(times_ms[start])
        begin = self._first_ms if self._first_ms is not None else moment
        self._last = self._began + (moment - begin) / 1000.0 / self._factor
        return self._last

    def end(self, count: int) -> float:
        return self._last


class Clock:
    """The time since the run began, and waiting on it while the client is served."""

    def __init__(self, serve: Callable[[float], object]) -> None:
        """`serve(seconds)` waits up to that long; it is the client's poll."""
        self._serve = serve
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def wait_until(self, moment: float, stopped: Callable[[], bool]) -> None:
        """Wait for a moment of the run, unless asked to stop."""
        while not stopped():
            left = moment - self.elapsed
            if left <= 0:
                return
            nap = min(max(left, _SHORTEST_NAP), _LONGEST_NAP)
            began = time.monotonic()
            self._serve(nap)
            # The client's poll returns early when it has something to tell.
            spent = time.monotonic() - began
            if spent < nap and left > spent:
                time.sleep(min(nap - spent, left - spent))
