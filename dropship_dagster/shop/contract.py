"""The contract of the CSV files: one definition for writing, reading, checking, the docs and the tests.

A column has a type, may or may not be empty, and may carry a pattern, a range or a closed list of values. What the
files mean is in docs/data-contracts.md. `shop.rules` has the warehouse's words for a cell that breaks them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import pyarrow as pa

LONGEST_IDENTIFIER = 100
"""Characters of an identifier, at most."""

TIMESTAMP = pa.timestamp("ms", tz="UTC")
MONEY = pa.decimal128(12, 2)
RATE = pa.decimal128(12, 4)
SHARE = pa.decimal128(5, 3)

EVENT_TYPES = (
    "order_placed",
    "order_paid",
    "order_shipped",
    "order_delivered",
    "order_cancelled",
    "order_returned",
)


class Kind(Enum):
    """How a cell is written, and the Arrow type it is read into."""

    TEXT = pa.string()
    INTEGER = pa.int64()
    MONEY = MONEY
    RATE = RATE
    SHARE = SHARE
    TIME = TIMESTAMP

    @property
    def pattern(self) -> str | None:
        """What a cell of the kind looks like; None for any text."""
        return _PATTERNS.get(self)

    @property
    def wording(self) -> str:
        """The kind in a sentence that says what was expected."""
        return _WORDINGS[self]


_PATTERNS = {
    Kind.INTEGER: r"-?[0-9]{1,18}",
    Kind.MONEY: r"-?[0-9]{1,10}(\.[0-9]{1,2})?",
    Kind.RATE: r"-?[0-9]{1,8}(\.[0-9]{1,4})?",
    Kind.SHARE: r"-?[0-9]{1,2}(\.[0-9]{1,3})?",
    Kind.TIME: r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z",
}

_WORDINGS = {
    Kind.TEXT: "text without control characters",
    Kind.INTEGER: "a whole number",
    Kind.MONEY: "an amount with at most two decimals, such as 12.90",
    Kind.RATE: "a number with at most four decimals, such as 0.9450",
    Kind.SHARE: "a number with at most three decimals, such as 0.950",
    Kind.TIME: "a UTC time such as 2025-03-01T12:30:00.000Z",
}


_Types: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column: its name, kind and rules. `minimum` and `maximum` are in the column's unit, both included; of a time
    they are years.

    `positive` excludes 0. `needed_by`: the types of event that need a cell here, where others leave it empty.
    """

    name: str
    kind: Kind
    nullable: bool = False
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    positive: bool = False
    needed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A file: its name without `.csv`, its columns in order, its key, and the column it is sorted by, if any."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    sorted_by: str | None = None

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.name}.csv"

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that reading yields and writing takes."""
        return pa.schema([pa.field(column.name, column.kind.value, column.nullable) for column in self.columns])

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def _text(name: str, *, nullable: bool = False, pattern: str | None = None, needed_by: _Types = ()) -> Column:
    return Column(name, Kind.TEXT, nullable, pattern, needed_by=needed_by)


def _integer(name: str, minimum: int, maximum: int | None = None) -> Column:
    return Column(name, Kind.INTEGER, minimum=minimum, maximum=maximum)


def _money(name: str, *, nullable: bool = False, needed_by: _Types = ()) -> Column:
    return Column(name, Kind.MONEY, nullable, minimum=0, maximum=1_000_000_000, needed_by=needed_by)


def _price_of_line(name: str) -> Column:
    """Of these only the sum over an order is bounded."""
    return Column(name, Kind.MONEY, minimum=0)


def _time(name: str) -> Column:
    return Column(name, Kind.TIME, minimum=1970, maximum=2199)


_SHIPPED = ("order_shipped",)
_CLOSED = ("order_cancelled", "order_returned")
_VERSION = _integer("version", 1, 9_999_999_999)

_CUSTOMER_ID = _text("customer_id", pattern=r"C[0-9]{7,18}")
_SUPPLIER_ID = _text("supplier_id", pattern=r"S[0-9]{3,18}")
_PRODUCT_ID = _text("product_id", pattern=r"P[0-9]{5,18}")
_ORDER_ID = _text("order_id", pattern=r"O[0-9]{8,18}")
_COUNTRY = _text("country", pattern=r"[A-Z]{2}")
_SIZE = r"[^|]+"

CUSTOMERS = Table(
    "customers",
    (
        _CUSTOMER_ID,
        _text("name"),
        _text("email", pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+"),
        _text("phone", nullable=True),
        _text("city"),
        _COUNTRY,
        _text("locale", pattern=r"[a-z]{2}_[A-Z]{2}"),
        _text("acquisition_channel"),
        _text("segment"),
        _time("signed_up_at"),
        _VERSION,
    ),
    key=("customer_id",),
)

SUPPLIERS = Table(
    "suppliers",
    (
        _SUPPLIER_ID,
        _text("name"),
        _COUNTRY,
        _integer("lead_time_days", 0, 365),
        Column("reliability", Kind.SHARE, minimum=0, maximum=1),
        _integer("return_window_days", 0, 3650),
    ),
    key=("supplier_id",),
)

PRODUCTS = Table(
    "products",
    (
        _PRODUCT_ID,
        _text("name"),
        _text("category"),
        _text("subcategory"),
        _text("brand"),
        _text("material"),
        _text("colour"),
        _text("sizes", pattern=rf"{_SIZE}(\|{_SIZE})*"),
        _money("price"),
        _money("cost"),
        _SUPPLIER_ID,
        _integer("stock", 0, 999_999_999_999),
        _time("created_at"),
        _VERSION,
    ),
    key=("product_id",),
)

ORDERS = Table(
    "orders",
    (
        _ORDER_ID,
        _CUSTOMER_ID,
        _time("ordered_at"),
        _text("channel"),
        _COUNTRY,
        _text("currency", pattern=r"[A-Z]{3}"),
        Column("exchange_rate", Kind.RATE, minimum=0, positive=True),
        _text("payment_method"),
        _text("discount_code", nullable=True),
        _money("discount"),
        _money("shipping_fee"),
        _money("total"),
        _time("promised_at"),
    ),
    key=("order_id",),
    sorted_by="order_id",
)

ORDER_LINES = Table(
    "order_lines",
    (
        _ORDER_ID,
        _integer("line_no", 1, 10_000),
        _PRODUCT_ID,
        _text("size"),
        _integer("quantity", 1, 9_999_999),
        _price_of_line("unit_price"),
        _price_of_line("unit_cost"),
    ),
    key=("order_id", "line_no"),
    sorted_by="order_id",
)

ORDER_EVENTS = Table(
    "order_events",
    (
        _ORDER_ID,
        _VERSION,
        Column("event_type", Kind.TEXT, choices=EVENT_TYPES),
        _time("event_time"),
        _text("carrier", nullable=True, needed_by=_SHIPPED),
        _text("tracking_number", nullable=True, needed_by=_SHIPPED),
        _text("reason", nullable=True, needed_by=_CLOSED),
        _money("refunded_amount", nullable=True, needed_by=_CLOSED),
    ),
    key=("order_id", "version"),
    sorted_by="event_time",
)

TABLES = (CUSTOMERS, SUPPLIERS, PRODUCTS, ORDERS, ORDER_LINES, ORDER_EVENTS)


def table(name: str) -> Table:
    """The table of that name; KeyError when there is none."""
    return {entry.name: entry for entry in TABLES}[name]
