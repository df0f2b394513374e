"""The rules by which the warehouse rejects events, in its words (BROKEN_RULE in sql/03_streams_tasks).

One list for all topics. A rule whose field is read from a cell of the CSV files names that cell, so that reading and
checking the files reject the row for the same reason, before it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dropship_dagster.shop.contract import (
    CUSTOMERS,
    EVENT_TYPES,
    ORDER_EVENTS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
    SUPPLIERS,
    Table,
)


class Breach(Enum):
    """How a value breaks a rule."""

    MISSING = "there is none"
    TYPE = "it is not of the field's type, or has more digits"
    LOW = "it is below the lowest value"
    HIGH = "it is above the highest value"
    FORM = "it does not have the field's form, or is none of its values"
    LENGTH = "it is longer than an identifier may be"
    PLACEMENT = "the version and the type of an order's event do not fit"
    ENVELOPE = "only a message can break it, no cell of a file"
    LINES = "the lines of an order do not fit together, or not to the order"


@dataclass(frozen=True)
class EventRule:
    """A rule of a topic.

    Attributes:
        topic: customers, products or orders_events.
        event_types: the types of event that it holds for.
        field: the field of the value; that of a supplier or a line with `supplier.` or `lines.` in front.
        breach: how a value breaks it.
        words: the warehouse's reason.
        table, column: the cell of the CSV files that the field is read from, if there is one.
    """

    topic: str
    event_types: tuple[str, ...]
    field: str
    breach: Breach
    words: str
    table: str | None = None
    column: str | None = None


_CUSTOMER_TYPES = ("customer_upserted", "customer_deleted")
_PRODUCT_TYPES = ("product_upserted", "product_deleted")
_PLACED = ("order_placed",)
_SHIPPED = ("order_shipped",)
_CLOSED = ("order_cancelled", "order_returned")

_TIME = "is not a UTC time like 2026-01-31T12:00:00.000Z"
_YEARS = "is not between the years 1970 and 2199"
_NO_TEXT = "is not a text"
_INTEGER = "is not an integer"
_COUNTRY = "is not an ISO 3166-1 code of two letters"


@dataclass(frozen=True)
class _Topic:
    """Makes the rules of a topic's events of some types."""

    name: str
    types: tuple[str, ...]

    def only(self, *types: str) -> _Topic:
        return _Topic(self.name, types)

    def rule(self, field: str, breach: Breach, words: str, cell: tuple[Table, str] | None = None) -> EventRule:
        table, column = (cell[0].name, cell[1]) if cell else (None, None)
        return EventRule(self.name, self.types, field, breach, words, table, column)

    def cell(self, table: Table, field: str, column: str = "", **words: str) -> Iterator[EventRule]:
        """The rules of a field that is a cell: by breach, in lower case, what follows the field's name."""
        for breach, what in words.items():
            yield self.rule(field, Breach[breach.upper()], f"{field} {what}", (table, column or field))

    def amount(self, table: Table, field: str) -> Iterator[EventRule]:
        words = {"missing": "is missing", "type": "is not an amount", "low": "is negative"}
        return self.cell(table, field, **words, high="is more than a billion")

    def time(self, table: Table, field: str) -> Iterator[EventRule]:
        return self.cell(table, field, missing="is missing", type=_TIME, low=_YEARS, high=_YEARS)

    def identifier(self, table: Table, field: str, column: str = "") -> Iterator[EventRule]:
        yield from self.cell(
            table, field, column, missing="is missing", length="is not an identifier of 1 to 100 characters"
        )
        yield self.rule(field, Breach.ENVELOPE, f"{field} {_NO_TEXT}")

    def envelope(self, thing: str, table: Table) -> Iterator[EventRule]:
        """What holds for every message of the topic; type and time of an order's events are cells, others are not."""
        whole = (
            ("", "the message has no value (a tombstone)"),
            ("", "the value is not JSON in UTF-8"),
            ("", "the value is not a JSON object"),
            ("event_id", "event_id is missing"),
            ("event_id", "event_id is not a UUID"),
            ("schema_version", "schema_version is missing"),
            ("schema_version", "schema_version is not an integer"),
        )
        for field, words in whole:
            yield self.rule(field, Breach.ENVELOPE, words)
        one_of = f"is not one of {thing}"
        if table is ORDER_EVENTS:
            yield from self.cell(table, "event_type", missing="is missing", form=one_of)
            yield from self.time(table, "event_time")
        else:
            for what in ("event_type is missing", f"event_type {one_of}", "event_time is missing"):
                yield self.rule(what.split()[0], Breach.ENVELOPE, what)
            yield self.rule("event_time", Breach.ENVELOPE, f"event_time {_TIME}")
            yield self.rule("event_time", Breach.ENVELOPE, f"event_time {_YEARS}")
        yield from self.cell(table, "version", missing="is missing", type=_INTEGER, high=_INTEGER, low="is less than 1")


def _customers() -> Iterator[EventRule]:
    every = _Topic("customers", _CUSTOMER_TYPES)
    yield from every.envelope("a customer", CUSTOMERS)
    yield from every.identifier(CUSTOMERS, "customer_id")
    upserted = every.only("customer_upserted")
    yield from upserted.cell(CUSTOMERS, "name", missing="is missing")
    yield from upserted.cell(CUSTOMERS, "email", missing="is missing")
    yield from upserted.cell(CUSTOMERS, "country", missing="is missing", form=_COUNTRY)
    yield from upserted.time(CUSTOMERS, "signed_up_at")


def _products() -> Iterator[EventRule]:
    every = _Topic("products", _PRODUCT_TYPES)
    yield from every.envelope("a product", PRODUCTS)
    yield from every.identifier(PRODUCTS, "product_id")
    upserted = every.only("product_upserted")
    yield from upserted.cell(PRODUCTS, "name", missing="is missing")
    yield from upserted.cell(PRODUCTS, "category", missing="is missing")
    yield from upserted.amount(PRODUCTS, "price")
    yield from upserted.amount(PRODUCTS, "cost")
    yield from upserted.identifier(SUPPLIERS, "supplier.supplier_id", "supplier_id")
    yield from upserted.cell(SUPPLIERS, "supplier.name", "name", missing="is missing")
    yield from upserted.cell(SUPPLIERS, "supplier.country", "country", form=_COUNTRY)
    days = {"type": _INTEGER, "low": "is negative"}
    yield from upserted.cell(SUPPLIERS, "supplier.lead_time_days", "lead_time_days", missing="is missing", **days)
    yield from upserted.cell(SUPPLIERS, "supplier.return_window_days", "return_window_days", **days)
    share = dict.fromkeys(("type", "low", "high"), "is not between 0 and 1")
    yield from upserted.cell(SUPPLIERS, "supplier.reliability", "reliability", missing="is missing", **share)
    yield from upserted.cell(PRODUCTS, "stock", missing="is missing", type=_INTEGER, high=_INTEGER)
    yield from upserted.time(PRODUCTS, "created_at")


def _orders() -> Iterator[EventRule]:
    every = _Topic("orders_events", EVENT_TYPES)
    yield from every.envelope("an order", ORDER_EVENTS)
    yield from every.identifier(ORDER_EVENTS, "order_id")
    version = (ORDER_EVENTS, "version")
    yield every.only(*_PLACED).rule("version", Breach.PLACEMENT, NOT_VERSION_1, version)
    yield every.only(*EVENT_TYPES[1:]).rule("version", Breach.PLACEMENT, NOT_PLACED, version)
    shipped = every.only(*_SHIPPED)
    yield from shipped.cell(ORDER_EVENTS, "carrier", missing="is missing")
    yield from shipped.cell(ORDER_EVENTS, "tracking_number", missing="is missing")
    closed = every.only(*_CLOSED)
    yield from closed.cell(ORDER_EVENTS, "reason", missing="is missing")
    yield from closed.amount(ORDER_EVENTS, "refunded_amount")
    yield from _placed_orders(every.only(*_PLACED))


def _placed_orders(placed: _Topic) -> Iterator[EventRule]:
    yield from placed.identifier(ORDERS, "customer_id")
    yield from placed.cell(ORDERS, "channel", missing="is missing")
    yield from placed.cell(ORDERS, "country", missing="is missing", form=_COUNTRY)
    yield from placed.cell(ORDERS, "currency", missing="is missing", form="is not an ISO 4217 code of three letters")
    rate = {"missing": "is missing", "type": "is not a number", "low": "is not positive"}
    yield from placed.cell(ORDERS, "exchange_rate", **rate)
    yield from placed.cell(ORDERS, "payment_method", missing="is missing")
    for name in ("discount", "shipping_fee", "total"):
        yield from placed.amount(ORDERS, name)
    yield from placed.time(ORDERS, "promised_at")
    yield placed.rule("lines", Breach.ENVELOPE, "lines is missing")
    yield placed.rule("lines", Breach.ENVELOPE, "lines is not an array")
    yield placed.rule("lines", Breach.LINES, NO_LINES, (ORDERS, "order_id"))
    integer, amount = "is missing or not an integer", "is missing or not an amount"
    in_line = {
        "line_no": {"missing": integer, "type": integer},
        "product_id": {"missing": "is missing", "length": "is not an identifier of 1 to 100 characters"},
        "quantity": {
            **dict.fromkeys(("missing", "type", "high"), f"{integer} of at most 7 digits"),
            "low": "is less than 1",
        },
        "unit_price": {"missing": amount, "type": amount, "low": "is negative"},
        "unit_cost": {"missing": amount, "type": amount, "low": "is negative"},
    }
    for column, words in in_line.items():
        for breach, what in words.items():
            cell = (ORDER_LINES, column)
            yield placed.rule(f"lines.{column}", Breach[breach.upper()], f"lines: {column} {what}", cell)
    yield placed.rule("lines.product_id", Breach.ENVELOPE, f"lines: product_id {_NO_TEXT}")
    yield placed.rule("lines", Breach.LINES, LINE_TWICE, (ORDER_LINES, "line_no"))
    yield placed.rule("lines", Breach.LINES, TOO_MUCH, (ORDERS, "order_id"))
    yield placed.rule("total", Breach.LINES, WRONG_TOTAL, (ORDERS, "total"))


NOT_VERSION_1 = "order_placed is not version 1"
NOT_PLACED = "version 1 is not order_placed"
NO_LINES = "lines is empty"
LINE_TWICE = "lines: line_no is not unique"
TOO_MUCH = "lines: the sum is beyond all reason"
WRONG_TOTAL = "total is not goods - discount + shipping_fee"

MOST_UNITS = 1_000_000
"""Units of an order above which its lines are beyond all reason."""

MOST_EUR = 1_000_000_000
"""The same for what its goods are sold for, and for what they cost."""

EVENT_RULES = (*_customers(), *_products(), *_orders())

_WORDS = {(rule.table, rule.column, rule.breach): rule.words for rule in EVENT_RULES if rule.table}


def words_for(table: str, column: str, breach: Breach) -> str | None:
    """What the warehouse says of a cell that breaks a rule so; None where it has no such rule."""
    return _WORDS.get((table, column, breach))
