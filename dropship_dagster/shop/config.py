"""The parameters of the shop: the models behind `shop.toml`, and how to load a copy of it.

`shop.toml` beside this module is the documented default; a user's own file has the same keys.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dropship_dagster.shop.errors import ShopError

DEFAULT_FILE = Path(__file__).with_name("shop.toml")

MAX_LINES = 8
"""Lines an order may have: the random draws of a line are numbered order * 8 + line."""

# Words that go into orders.csv and order_events.csv: never a quote, a comma or a formula.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._&-]*$", max_length=64)]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f=+\-@][^\x00-\x1f]*$", max_length=120)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]
Weights = Annotated[list[Weight], Field(min_length=1)]
Cents = Annotated[int, Field(ge=0, le=10_000_000)]
Percent = Annotated[int, Field(ge=0, le=100)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Range = tuple[int, int]
WordWeights = Annotated[dict[Word, Weight], Field(min_length=1)]
TextWeights = Annotated[dict[Text, Weight], Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _ordered(pair: Range) -> Range:
    if not 0 <= pair[0] <= pair[1]:
        raise ValueError(f"is [{pair[0]}, {pair[1]}]: give [from, to] with 0 <= from <= to")
    return pair


class Period(_Model):
    """History: from the first day, up to and without the last."""

    start: dt.date
    end: dt.date
    time_zone: str

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is no IANA time zone such as Europe/Paris") from error
        return name

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if not dt.timedelta(days=1) <= self.end - self.start <= dt.timedelta(days=3660):
            raise ValueError("end must lie between a day and ten years after start")
        if not 2000 <= self.start.year <= self.end.year <= 2099:
            raise ValueError("start and end must lie between 2000 and 2099")
        return self

    @property
    def start_ms(self) -> int:
        """Epoch milliseconds of the first midnight, UTC."""
        return _epoch_ms(self.start)

    @property
    def end_ms(self) -> int:
        """Epoch milliseconds of the first midnight after history, UTC."""
        return _epoch_ms(self.end)


def _epoch_ms(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days * 86_400_000


class Demand(_Model):
    """How many orders a day and an hour bring, against the others."""

    yearly_growth: Annotated[float, Field(ge=-0.09, le=20)]
    months: Annotated[list[Weight], Field(min_length=12, max_length=12)]
    weekdays: Annotated[list[Weight], Field(min_length=7, max_length=7)]
    hours: Annotated[list[Weight], Field(min_length=24, max_length=24)]
    day_noise: Annotated[float, Field(ge=0, lt=1)]
    hour_noise: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _somebody_buys(self) -> Self:
        if not (sum(self.months) and sum(self.weekdays) and sum(self.hours)):
            raise ValueError("months, weekdays and hours each need a weight above 0")
        return self


class Sale(_Model):
    """Days of the year with a code and more orders. `from` after `to` would wrap around the year and is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    code: Word
    first: Annotated[str, Field(alias="from", pattern=r"^\d\d-\d\d$")]
    last: Annotated[str, Field(alias="to", pattern=r"^\d\d-\d\d$")]
    percent: Annotated[int, Field(ge=1, le=90)]
    lift: Annotated[float, Field(gt=0, le=100)]
    code_share: Share

    @model_validator(mode="after")
    def _in_a_year(self) -> Self:
        for text in (self.first, self.last):
            dt.date.fromisoformat(f"2024-{text}")
        if self.first > self.last:
            raise ValueError(f"sale {self.code}: `from` lies after `to`; write two sales to cross New Year")
        return self


class Code(_Model):
    """A discount code that is always valid."""

    code: Word
    percent: Annotated[int, Field(ge=1, le=90)]
    share: Share


class Segment(_Model):
    name: Word
    share: Weight
    weight: Annotated[int, Field(ge=1, le=10_000)]


class Customers(_Model):
    founding_share: Share
    founding_days: Annotated[int, Field(ge=1, le=3650)]
    segments: Annotated[list[Segment], Field(min_length=1)]
    acquisition: WordWeights


class Orders(_Model):
    channels: WordWeights
    lines: Annotated[list[Weight], Field(min_length=1, max_length=MAX_LINES)]
    quantities: Annotated[list[Weight], Field(min_length=1, max_length=100)]


class Products(_Model):
    head: Annotated[int, Field(ge=1, le=100_000)]
    launch_share: Share
    stock: Range
    restock_below: Annotated[int, Field(ge=0, le=1_000_000)]
    restock_by: Annotated[int, Field(ge=1, le=1_000_000)]
    announce_step: Annotated[int, Field(ge=1, le=1_000_000)]
    brands: Annotated[list[Text], Field(min_length=1)]
    lines: Annotated[list[Text], Field(min_length=1)]
    colours: TextWeights

    _stock = field_validator("stock")(_ordered)


class Stream(_Model):
    """How time passes in the stream, and who comes to the shop."""

    life_cycle_speed: Annotated[float, Field(ge=1, le=10_000_000)]
    sign_up_share: Annotated[float, Field(ge=0, le=0.9)] = 0.15


class Category(_Model):
    category: Text
    subcategory: Text
    share: Weight
    price: Range
    sizes: str
    returns: Percent
    months: Annotated[list[Weight], Field(min_length=12, max_length=12)]
    materials: Annotated[list[Text], Field(min_length=1)]

    @field_validator("price")
    @classmethod
    def _price(cls, pair: Range) -> Range:
        if pair[0] < 200 or pair[1] > 1_000_000:
            raise ValueError("prices lie between 200 and 1,000,000 cents")
        return _ordered(pair)


class Supplier(_Model):
    name: Text
    country: Country
    share: Weight
    lead_time_days: Annotated[int, Field(ge=0, le=120)]
    reliability: Percent
    return_window_days: Annotated[int, Field(ge=1, le=365)]
    cost_percent: Annotated[int, Field(ge=1, le=99)]
    haul: Range

    _haul = field_validator("haul")(_ordered)


class LifeCycle(_Model):
    never_paid: Share
    customer_cancels: Share
    unreliable_cancels: Share
    lost_parcels: Share
    late_return_factor: Annotated[float, Field(ge=1, le=10)]
    partial_returns: Share
    cancel_reasons: WordWeights
    return_reasons: WordWeights


class Carrier(_Model):
    name: Word
    share: Weight
    days: Range

    _days = field_validator("days")(_ordered)


class Rate(_Model):
    at_start: Annotated[float, Field(gt=0.0001, le=100_000)]
    drift: Annotated[float, Field(ge=0, le=0.5)]


class Market(_Model):
    """A country the shop delivers to."""

    code: Country
    share: Weight
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    rate: Rate | None = None
    locales: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z]{2}_[A-Z]{2}$")], Weight], Field(min_length=1)]
    phone: Annotated[str, Field(pattern=r"^\+[0-9# ]{6,24}$")]
    fee: Cents
    free_from: Cents
    payments: WordWeights
    carriers: Annotated[list[Carrier], Field(min_length=1)]
    cities: TextWeights

    @model_validator(mode="after")
    def _rate_for_others(self) -> Self:
        if (self.currency == "EUR") != (self.rate is None):
            raise ValueError(f"country {self.code}: a currency other than EUR needs `rate`, and EUR has none")
        return self


class Parameters(_Model):
    """The whole of `shop.toml`."""

    period: Period
    demand: Demand
    sales: list[Sale]
    codes: list[Code]
    customers: Customers
    orders: Orders
    products: Products
    size_runs: Annotated[dict[str, WordWeights], Field(min_length=1)]
    categories: Annotated[list[Category], Field(min_length=1)]
    suppliers: Annotated[list[Supplier], Field(min_length=1)]
    life_cycle: LifeCycle
    stream: Stream
    payment_delays: dict[Word, Range]
    countries: Annotated[list[Market], Field(min_length=1)]

    _delays = field_validator("payment_delays")(lambda delays: {name: _ordered(pair) for name, pair in delays.items()})

    @model_validator(mode="after")
    def _references(self) -> Self:
        for category in self.categories:
            if category.sizes not in self.size_runs:
                raise ValueError(f"sub-category {category.subcategory}: size_runs has no {category.sizes!r}")
        for market in self.countries:
            for method in market.payments:
                if method not in self.payment_delays:
                    raise ValueError(f"country {market.code}: payment_delays has no {method!r}")
        if sum(code.share for code in self.codes) + max((sale.code_share for sale in self.sales), default=0) > 1:
            raise ValueError("codes: their shares and the largest code_share of the sales exceed 1")
        return self


def _default_parameters() -> Parameters:
    return load_parameters(DEFAULT_FILE)


class ShopConfig(_Model):
    """What to generate: the sizes, the seed, and the parameters of the shop.

    `dirty` is the share of rows (0 to 0.5) that get a fault; the truth is written beside the files.
    """

    customers: Annotated[int, Field(ge=1, le=20_000_000)] = 1_000
    products: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    orders: Annotated[int, Field(ge=1, le=500_000_000)] = 5_000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    dirty: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    parameters: Parameters = Field(default_factory=_default_parameters)


def load_parameters(path: Path = DEFAULT_FILE) -> Parameters:
    """Read and validate a parameter file.

    Raises:
        ShopError: the file is missing, is no TOML, or breaks a rule; the sentence names the key.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise ShopError(
            f"The shop's parameters {path} cannot be read ({error.strerror}): name an existing file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShopError(f"The shop's parameters {path} are not valid TOML: {error}.") from error
    try:
        return Parameters.model_validate(values)
    except ValidationError as error:
        raise ShopError(f"The shop's parameters {path} are not valid: {explain(error)}.") from error


def explain(error: ValidationError) -> str:
    """Pydantic's findings as one sentence: where, and what is wrong there."""
    parts = []
    for finding in error.errors(include_url=False, include_context=False):
        where = ".".join(str(step) for step in finding["loc"]) or "the file"
        parts.append(f"{where}: {finding['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
