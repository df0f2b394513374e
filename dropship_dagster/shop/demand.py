"""When people buy: the hours of history, and of what follows, with their weights, and the moment of every order.

An order's moment is a pure function of its row: row i of n falls at the fraction (i + draw) / n of the summed weights,
so moments rise with the row and the curve is followed at any size.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np

from dropship_dagster.shop.config import Parameters
from dropship_dagster.shop.rng import Floats, Ints, Rng
from dropship_dagster.shop.text import DAY_MS, HOUR_MS

_WEIGHT_UNIT = 10_000
_LEAST_DEMAND = 0.05
"""What is left, of the first day's, of a shop that shrinks for long after its history; in ten years it keeps 0.1."""
_EXTENSION_MS = 366 * DAY_MS
_SPARE = 2
"""Numbers at either end of a span that may lie in it: a moment is drawn within its number's share of the curve."""


class SalesCalendar:
    """Which sale runs on a day of the year."""

    def __init__(self, parameters: Parameters) -> None:
        self._by_day: Ints = np.full(12 * 32, -1, dtype=np.int64)
        for index, sale in enumerate(parameters.sales):
            day = dt.date.fromisoformat(f"2024-{sale.first}")
            while day <= dt.date.fromisoformat(f"2024-{sale.last}"):
                self._by_day[(day.month - 1) * 32 + day.day] = index
                day += dt.timedelta(days=1)

    def at(self, epoch_ms: Ints) -> Ints:
        """The index of the sale that runs then, or -1."""
        days = epoch_ms.astype("datetime64[ms]").astype("datetime64[D]")
        months = days.astype("datetime64[M]")
        in_month = (days - months).astype(np.int64)
        sale: Ints = self._by_day[(months.astype(np.int64) % 12) * 32 + in_month + 1]
        return sale


class Demand:
    """The weight of every hour of history, and of the hours after it as far as they are asked for."""

    def __init__(self, parameters: Parameters, rng: Rng) -> None:
        period = parameters.period
        self._parameters = parameters
        self._start_ms = period.start_ms
        self._end_ms = period.end_ms
        self._rng = rng
        weights = _hour_weights(parameters, rng, period.start_ms, period.end_ms)
        self._even = not weights.any()
        if self._even:
            weights[:] = 1  # a period of a few hours that nobody buys in: spread evenly
        self._before: Ints = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights)])
        self._weights = np.maximum(weights, 1)
        self._history = float(self._before[-1])

    def moments(self, rows: Ints, total: int) -> Ints:
        """Epoch milliseconds of the orders with these rows (0 to total - 1), rising."""
        return self._at((rows + self._rng.fractions("order.moment", rows)) / total)

    def registrations(self, rows: Ints, total: int) -> Ints:
        """Epoch milliseconds at which customers register during history, rising."""
        return self._at((rows + self._rng.fractions("customer.moment", rows)) / total)

    def moments_after(self, total: int, start_ms: int, stop_ms: int) -> Ints:
        """Epoch milliseconds from `start_ms` to before `stop_ms` at which orders are placed after history, rising.

        History has `total` orders. The curve goes on as it was: the same season, hours, sales, growth and noise, so
        that order `total` + i of a longer history of this shop would lie at the same moment. Which moments lie in a
        span depends on nothing but the span: however time is cut into spans, each order lies in one of them.
        """
        return self._after("order.moment", total, start_ms, stop_ms)

    def registrations_after(self, total: int, start_ms: int, stop_ms: int) -> Ints:
        """The same for registrations, of which history has `total`."""
        return self._after("customer.moment", total, start_ms, stop_ms)

    def _after(self, column: str, total: int, start_ms: int, stop_ms: int) -> Ints:
        if not total:
            return np.empty(0, dtype=np.int64)
        self._extend(stop_ms)
        share = total / self._history
        first = max(total, int(self._position(start_ms) * share) - _SPARE)
        numbers: Ints = np.arange(first, int(self._position(stop_ms) * share) + _SPARE, dtype=np.int64)
        moments = self._along((numbers + self._rng.fractions(column, numbers)) / total)
        return moments[(moments >= start_ms) & (moments < stop_ms)]

    def _extend(self, until_ms: int) -> None:
        """Know the weights up to a time, and a year more, so that a stream asks seldom."""
        known_ms = self._start_ms + len(self._weights) * HOUR_MS
        if until_ms < known_ms:
            return
        weights = _hour_weights(self._parameters, self._rng, known_ms, max(until_ms, known_ms) + _EXTENSION_MS)
        if self._even:
            weights[:] = 1
        self._before = np.concatenate([self._before, self._before[-1] + np.cumsum(weights)])
        self._weights = np.concatenate([self._weights, np.maximum(weights, 1)])

    def _position(self, moment_ms: int) -> float:
        """The summed weights up to a time that is known."""
        hour, within = divmod(moment_ms - self._start_ms, HOUR_MS)
        return float(self._before[hour] + (self._before[hour + 1] - self._before[hour]) * (within / HOUR_MS))

    def _at(self, fractions: Floats) -> Ints:
        return np.minimum(self._along(fractions), self._end_ms - 1)

    def _along(self, fractions: Floats) -> Ints:
        """The moments at which these fractions of history's weights are reached; above 1, after history."""
        position = fractions * self._history
        hour = np.searchsorted(self._before, position, side="right") - 1
        hour = np.clip(hour, 0, len(self._weights) - 1)
        within = (position - self._before[hour]) / self._weights[hour]
        moment: Ints = self._start_ms + hour * HOUR_MS + (within * HOUR_MS).astype(np.int64)
        return moment


def _hour_weights(parameters: Parameters, rng: Rng, start_ms: int, stop_ms: int) -> Ints:
    """One whole number an hour (UTC), in history or after it."""
    period, demand = parameters.period, parameters.demand
    hours = np.arange(start_ms, stop_ms, HOUR_MS, dtype=np.int64)
    zone = ZoneInfo(period.time_zone)
    local = [dt.datetime.fromtimestamp(ms // 1000, zone) for ms in hours.tolist()]
    days = hours // DAY_MS
    years = (days - period.start_ms // DAY_MS) / 365.0
    weight = np.maximum(1.0 + demand.yearly_growth * years, _LEAST_DEMAND) * _WEIGHT_UNIT
    weight = weight * np.array([_season(demand.months, moment) for moment in local]) / max(demand.months)
    weight = weight * np.array([demand.weekdays[moment.weekday()] for moment in local]) / max(demand.weekdays)
    weight = weight * np.array([demand.hours[moment.hour] for moment in local]) / max(demand.hours)
    weight = weight * _noise(rng, "demand.day", days, demand.day_noise)
    weight = weight * _noise(rng, "demand.hour", hours // HOUR_MS, demand.hour_noise)
    sale = SalesCalendar(parameters).at(hours)
    lifts = np.array([*(sale.lift for sale in parameters.sales), 1.0])
    weights: Ints = (weight * lifts[sale]).astype(np.int64)
    return weights


def _season(months: list[int], moment: dt.datetime) -> float:
    """The month's weight, sliding over to the next month's from the middle of one to the middle of the other."""
    position = (moment.day - 1) / 31.0 + 0.5
    other = months[moment.month % 12] if position >= 1.0 else months[moment.month - 2]
    share = position - 1.0 if position >= 1.0 else 1.0 - position
    return months[moment.month - 1] * (1.0 - share) + other * share


def _noise(rng: Rng, column: str, rows: Ints, size: float) -> Floats:
    return 1.0 + (rng.fractions(column, rows) * 2.0 - 1.0) * size
