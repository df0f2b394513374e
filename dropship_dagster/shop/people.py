"""Customers: who they are, where they live, when they registered, how often they come back."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from faker import Generator

from dropship_dagster.shop.config import Market, Parameters
from dropship_dagster.shop.contract import CUSTOMERS, TIMESTAMP
from dropship_dagster.shop.demand import Demand
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.rng import Choice, Ints, Rng
from dropship_dagster.shop.text import CUSTOMER_DIGITS, DAY_MS, identifiers, labels

_FIRST_NAMES = 160
_LAST_NAMES = 320
# Letters that Unicode does not take apart into a base letter and an accent.
_UNDECOMPOSED = str.maketrans("øØłŁæÆ", "oOlLaA") | {ord("ß"): "ss"}
_MAIL_HOSTS = ("example.com", "example.org", "example.net")  # reserved by RFC 2606: nobody gets this mail


@dataclass(frozen=True)
class NamePool:
    """Names of a locale, and the same in the letters of a mail address."""

    first: tuple[str, ...]
    last: tuple[str, ...]

    @property
    def first_slugs(self) -> list[str]:
        return [slug(name) for name in self.first]

    @property
    def last_slugs(self) -> list[str]:
        return [slug(name) for name in self.last]


def slug(name: str) -> str:
    """Lower-case ASCII letters of a name: "Noël-Ørsted" gives "noel-orsted"."""
    letters = unicodedata.normalize("NFKD", name.translate(_UNDECOMPOSED)).encode("ascii", "ignore").decode().lower()
    return "".join(letter if letter.isalnum() else "-" for letter in letters).strip("-") or "x"


@cache
def name_pool(locale: str) -> NamePool:
    """Names as they occur in a locale, repeated as often as Faker draws them; always the same ones.

    Raises:
        ShopError: Faker does not know the locale.
    """
    try:
        provider = import_module(f"faker.providers.person.{locale}").Provider
    except ModuleNotFoundError as error:
        raise ShopError(f"Faker has no names for the locale {locale!r}: name another one under countries.") from error
    fake = Generator()  # with names alone: a whole Faker(locale) takes ten times as long to start
    fake.add_provider(provider)
    fake.seed_instance(1)
    first = tuple(fake.format("first_name") for _ in range(_FIRST_NAMES))
    last = tuple(fake.format("last_name") for _ in range(_LAST_NAMES))
    return NamePool(first, last)


class Customers:
    """All customers of a shop, by their index (customer C0000001 has index 0), in the order they registered.

    Held in memory: 18 bytes a customer. The text of a customer is made when it is written.
    """

    def __init__(self, parameters: Parameters, rng: Rng, demand: Demand, count: int) -> None:
        self.count = count
        self._parameters = parameters
        self._rng = rng
        self._demand = demand
        self._founders = max(1, int(count * parameters.customers.founding_share))
        self._others = count - self._founders
        self.signed_up_ms = self._registrations()
        self._market_choice = Choice([market.share for market in parameters.countries])
        segments = parameters.customers.segments
        self._segment_choice = Choice([segment.share for segment in segments])
        self._weights: Ints = np.array([segment.weight for segment in segments], dtype=np.int64)
        self.market = np.empty(0, dtype=np.int8)
        self._segment = np.empty(0, dtype=np.int8)
        self._weight_before: Ints = np.zeros(1, dtype=np.int64)
        self.grow(count)

    def grow(self, count: int) -> None:
        """Know the customers up to this many, those that register after history included."""
        rows: Ints = np.arange(len(self.market), count, dtype=np.int64)
        if not len(rows):
            return
        market = self._rng.choose("customer.market", rows, self._market_choice)
        segment = self._rng.choose("customer.segment", rows, self._segment_choice)
        weight = self._weight_before[-1] + np.cumsum(self._weights[segment])
        self.market = np.concatenate([self.market, market.astype(np.int8)])
        self._segment = np.concatenate([self._segment, segment.astype(np.int8)])
        self._weight_before = np.concatenate([self._weight_before, weight])

    def buyers(self, rng: Rng, rows: Ints, moments: Ints, registered: Ints | None = None) -> Ints:
        """Who places these orders: somebody registered by then, by the weight of the segment.

        `registered`: how many customers there are when each order is placed; by default as history tells.
        """
        if registered is None:
            registered = np.searchsorted(self.signed_up_ms, moments, side="right")
        weight = self._weight_before[np.maximum(registered, 1)]
        position = (rng.fractions("order.customer", rows) * weight).astype(np.int64)
        return np.searchsorted(self._weight_before, position, side="right") - 1

    def table(self, start: int, stop: int, signed_up_ms: Ints | None = None) -> pa.Table:
        """Customers with the indices start to stop - 1, by the contract.

        `signed_up_ms`: when they registered (epoch ms), for those of after history.
        """
        if signed_up_ms is None:
            signed_up_ms = self.signed_up_ms[start:stop]
        rows: Ints = np.arange(start, stop, dtype=np.int64)
        rng, words = self._rng, self._words
        market = self.market[start:stop].astype(np.int64)
        locale = words.locale_of[market, rng.choose("customer.locale", rows, words.locale_choice, market)]
        first = pa.array(rng.below("customer.first", rows, _FIRST_NAMES) + locale * _FIRST_NAMES)
        last = pa.array(rng.below("customer.last", rows, _LAST_NAMES) + locale * _LAST_NAMES)
        city = words.city_of[market, rng.choose("customer.city", rows, words.city_choice, market)]
        host = pa.array(_MAIL_HOSTS).take(pa.array(rng.below("customer.host", rows, len(_MAIL_HOSTS))))
        local_part = pc.binary_join_element_wise(
            words.first_slugs.take(first), words.last_slugs.take(last), pa.array(rows + 1).cast(pa.string()), "."
        )
        acquisition = self._parameters.customers.acquisition
        channel = rng.choose("customer.channel", rows, Choice(list(acquisition.values())))
        markets = self._parameters.countries
        segments = [segment.name for segment in self._parameters.customers.segments]
        columns = [
            identifiers("C", rows + 1, CUSTOMER_DIGITS),
            pc.binary_join_element_wise(words.first.take(first), words.last.take(last), " "),
            pc.binary_join_element_wise(local_part, host, "@"),
            pa.array(_phones(rng, rows, market, markets), pa.string()),
            labels(city, words.cities),
            labels(market, [entry.code for entry in markets]),
            labels(locale, words.locales),
            labels(channel, list(acquisition)),
            labels(self._segment[start:stop].astype(np.int64), segments),
            pa.array(signed_up_ms, TIMESTAMP),
            pa.array(np.ones(len(rows), dtype=np.int64)),
        ]
        return pa.table(columns, names=CUSTOMERS.names)

    def registrations_after(self, start_ms: int, stop_ms: int) -> Ints:
        """When customers register between these times after history, as often as they did: epoch ms, rising."""
        return self._demand.registrations_after(self._others, start_ms, stop_ms)

    def _registrations(self) -> Ints:
        """Epoch milliseconds, rising: the founders before history starts, the others during it."""
        founders, others = self._founders, self._others
        start, days = self._parameters.period.start_ms, self._parameters.customers.founding_days
        rows: Ints = np.arange(founders, dtype=np.int64)
        early = (rows + self._rng.fractions("customer.founder", rows)) / founders
        before = start - days * DAY_MS + (early * (days * DAY_MS)).astype(np.int64)
        if not others:
            return before
        return np.concatenate([before, self._demand.registrations(np.arange(others, dtype=np.int64), others)])

    @cached_property
    def _words(self) -> _Words:
        return _Words(self._parameters.countries)


class _Words:
    """The pools of all markets, flattened, with the position of each market's own."""

    def __init__(self, markets: list[Market]) -> None:
        self.locales = sorted({locale for market in markets for locale in market.locales})
        pools = [name_pool(locale) for locale in self.locales]
        self.first = pa.array([name for pool in pools for name in pool.first])
        self.last = pa.array([name for pool in pools for name in pool.last])
        self.first_slugs = pa.array([name for pool in pools for name in pool.first_slugs])
        self.last_slugs = pa.array([name for pool in pools for name in pool.last_slugs])
        self.locale_choice = Choice(*[list(market.locales.values()) for market in markets])
        self.locale_of = _positions([[self.locales.index(locale) for locale in market.locales] for market in markets])
        self.cities = [city for market in markets for city in market.cities]
        self.city_choice = Choice(*[list(market.cities.values()) for market in markets])
        starts = np.cumsum([0, *(len(market.cities) for market in markets)]).tolist()
        self.city_of = _positions([list(range(a, b)) for a, b in pairwise(starts)])


def _positions(rows: list[list[int]]) -> Ints:
    width = max(len(row) for row in rows)
    return np.array([row + [0] * (width - len(row)) for row in rows], dtype=np.int64)


def _phones(rng: Rng, rows: Ints, market: Ints, markets: list[Market]) -> list[str]:
    """Numbers by the market's form; where a country reserves numbers for fiction, shop.toml uses those."""
    digits = rng.below("customer.phone", rows, 2**31 - 1).tolist()
    forms = [entry.phone.replace("#", "%s") for entry in markets]
    holes = [entry.phone.count("#") for entry in markets]
    numbers = []
    for which, number in zip(market.tolist(), digits, strict=True):
        text = f"{number:010d}"[10 - min(holes[which], 10) :]
        numbers.append(forms[which] % tuple(text.rjust(holes[which], "0")) if holes[which] else forms[which])
    return numbers
