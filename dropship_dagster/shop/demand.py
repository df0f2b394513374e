"""When people buy: the hours of history with their weights, and the moment of every order.

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
    """The weight of every hour of history."""

    def __init__(self, parameters: Parameters, rng: Rng) -> None:
        period = parameters.period
        self._start_ms = period.start_ms
        self._end_ms = period.end_ms
        self._rng = rng
        weights = _hour_weights(parameters, rng)
        self._before: Ints = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights)])
        self._weights = np.maximum(weights, 1)

    def moments(self, rows: Ints, total: int) -> Ints:
        """Epoch milliseconds of the orders with these rows (0 to total - 1), rising."""
        return self._at((rows + self._rng.fractions("order.moment", rows)) / total)

    def registrations(self, rows: Ints, total: int) -> Ints:
        """Epoch milliseconds at which customers register during history, rising."""
        return self._at((rows + self._rng.fractions("customer.moment", rows)) / total)

    def _at(self, fractions: Floats) -> Ints:
        position = fractions * float(self._before[-1])
        hour = np.searchsorted(self._before, position, side="right") - 1
        hour = np.clip(hour, 0, len(self._weights) - 1)
        within = (position - self._before[hour]) / self._weights[hour]
        moment = self._start_ms + hour * HOUR_MS + (within * HOUR_MS).astype(np.int64)
        return np.minimum(moment, self._end_ms - 1)


def _hour_weights(parameters: Parameters, rng: Rng) -> Ints:
    """One whole number an hour (UTC) of history."""
    period, demand = parameters.period, parameters.demand
    hours = np.arange(period.start_ms, period.end_ms, HOUR_MS, dtype=np.int64)
    zone = ZoneInfo(period.time_zone)
    local = [dt.datetime.fromtimestamp(ms // 1000, zone) for ms in hours.tolist()]
    days = hours // DAY_MS
    years = (days - days[0]) / 365.0
    weight = (1.0 + demand.yearly_growth * years) * _WEIGHT_UNIT
    weight = weight * np.array([_season(demand.months, moment) for moment in local]) / max(demand.months)
    weight = weight * np.array([demand.weekdays[moment.weekday()] for moment in local]) / max(demand.weekdays)
    weight = weight * np.array([demand.hours[moment.hour] for moment in local]) / max(demand.hours)
    weight = weight * _noise(rng, "demand.day", days, demand.day_noise)
    weight = weight * _noise(rng, "demand.hour", hours // HOUR_MS, demand.hour_noise)
    sale = SalesCalendar(parameters).at(hours)
    lifts = np.array([*(sale.lift for sale in parameters.sales), 1.0])
    weights: Ints = (weight * lifts[sale]).astype(np.int64)
    if not weights.any():
        weights[:] = 1  # a period of a few hours that nobody buys in: spread evenly
    return weights


def _season(months: list[int], moment: dt.datetime) -> float:
    """The month's weight, sliding over to the next month's from the middle of one to the middle of the other."""
    position = (moment.day - 1) / 31.0 + 0.5
    other = months[moment.month % 12] if position >= 1.0 else months[moment.month - 2]
    share = position - 1.0 if position >= 1.0 else 1.0 - position
    return months[moment.month - 1] * (1.0 - share) + other * share


def _noise(rng: Rng, column: str, rows: Ints, size: float) -> Floats:
    return 1.0 + (rng.fractions(column, rows) * 2.0 - 1.0) * size
