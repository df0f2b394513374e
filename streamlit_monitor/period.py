"""The span of time every page shows, and the span it is compared with.

All times are UTC and naive, like the warehouse's TIMESTAMP_NTZ columns. A span is half open: start <= t < end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

Preset = Literal["today", "7d", "28d", "90d", "year", "custom"]
Comparison = Literal["previous", "year", "none"]

PRESETS: tuple[Preset, ...] = ("today", "7d", "28d", "90d", "year", "custom")
COMPARISONS: tuple[Comparison, ...] = ("previous", "year", "none")
DEFAULT_PRESET: Preset = "28d"

# The year is 52 whole weeks, so that it and the one before hold the same weekdays and no week is cut.
_DAYS: dict[Preset, int] = {"today": 1, "7d": 7, "28d": 28, "90d": 90, "year": 364}
_YEAR = timedelta(days=364)
_HOUR = 3600

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
"""The days that a page can show. Times of the data and of an address may lie anywhere; far within the calendar of
`datetime`, adding and taking away days never overflows."""


@dataclass(frozen=True)
class Span:
    """From `start` (a midnight) to before `end`."""

    start: datetime
    end: datetime

    @property
    def days(self) -> int:
        """Days begun."""
        return -(-(self.end - self.start) // timedelta(days=1))

    @property
    def step(self) -> int:
        """Width in seconds of a point in a chart: at most 124 points, until a span exceeds nine years."""
        if self.days <= 2:
            return _HOUR
        if self.days <= 124:
            return 24 * _HOUR
        return (7 if self.days <= 868 else 28) * 24 * _HOUR

    @property
    def points(self) -> list[datetime]:
        """The start of every point in a chart."""
        count = -(-(self.end - self.start) // timedelta(seconds=self.step))
        return [self.start + timedelta(seconds=index * self.step) for index in range(count)]

    @property
    def last_day(self) -> date:
        """The last day in it."""
        return (self.end - timedelta(microseconds=1)).date()


@dataclass(frozen=True)
class Period:
    """What a page shows."""

    current: Span
    previous: Span | None
    """What it is compared with. It stops at the hour the data does, so that a day in progress is compared fairly."""
    until: datetime
    """Where the data of the current span ends, up to the next whole hour: charts show nothing after it."""

    @property
    def shift(self) -> timedelta:
        """How much earlier the comparison is; nothing where there is none."""
        return self.current.start - self.previous.start if self.previous else timedelta()


def period(
    anchor: datetime,
    preset: Preset = DEFAULT_PRESET,
    comparison: Comparison = "previous",
    custom: tuple[date, date] | None = None,
) -> Period:
    """The period that ends with the day of `anchor`, the time of the newest order.

    The newest order and not the clock decides what "today" is: a replay of last year's file shows last year's end.

    Args:
        anchor: a time outside FIRST_DAY to LAST_DAY counts as the nearest of them.
        custom: first and last day, both inside, for the preset "custom"; None (not chosen yet) shows the default. Days
            outside FIRST_DAY to LAST_DAY count as the nearest of them.
    """
    anchor = min(max(anchor, _midnight(FIRST_DAY)), _midnight(LAST_DAY) + timedelta(hours=23))
    if preset == "custom" and custom:
        first, last = (min(max(day, FIRST_DAY), LAST_DAY) for day in (min(custom), max(custom)))
        current = Span(_midnight(first), _midnight(last) + timedelta(days=1))
    else:
        days = _DAYS.get(preset, _DAYS[DEFAULT_PRESET])
        end = _midnight(anchor.date()) + timedelta(days=1)
        current = Span(end - timedelta(days=days), end)
    until = max(current.start, min(current.end, _next_hour(anchor)))
    if comparison == "none":
        return Period(current, None, until)
    shift = _YEAR if comparison == "year" else current.end - current.start
    known_end = until if until > current.start else current.end  # one that is all to come is compared whole
    return Period(current, Span(current.start - shift, known_end - shift), until)


def _next_hour(anchor: datetime) -> datetime:
    return anchor.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - naive UTC, as in the warehouse
