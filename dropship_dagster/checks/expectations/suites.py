"""What is expected of the tables, column by column. One entry becomes one expectation and one asset check.

Expectations look at one table and are the same on every warehouse. What concerns several tables, or offsets and
versions, is a rule of our own in `dropship_dagster.checks.warehouse_rules` or `exactly_once`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from dropship_dagster.assets import names
from dropship_dagster.warehouse import model

STATUSES = ("PLACED", "PAID", "SHIPPED", "DELIVERED", "CANCELLED", "RETURNED")


@dataclass(frozen=True)
class Expected:
    """An expectation: the name of its check, its class in great_expectations.expectations, and its arguments."""

    check: str
    type: str
    arguments: Mapping[str, Any]
    description: str
    critical: bool = True


@dataclass(frozen=True)
class Suite:
    """The expectations of one table."""

    table: names.Table
    expected: tuple[Expected, ...] = field(repr=False)

    def check_key(self, expected: Expected) -> dg.AssetCheckKey:
        """The asset check of an expectation."""
        return dg.AssetCheckKey(self.table.key, expected.check)


def _present(column: str) -> Expected:
    return Expected(
        f"{column}_is_present", "ExpectColumnValuesToNotBeNull", {"column": column}, f"{column.upper()} is never NULL."
    )


def _unique(column: str) -> Expected:
    return Expected(
        f"{column}_is_unique", "ExpectColumnValuesToBeUnique", {"column": column}, f"No {column.upper()} occurs twice."
    )


def _unique_together(*columns: str) -> Expected:
    listed = ", ".join(columns)
    return Expected(
        "key_is_unique", "ExpectCompoundColumnsToBeUnique", {"column_list": list(columns)}, f"{listed} is unique."
    )


def _at_least(column: str, minimum: float, *, critical: bool = True) -> Expected:
    return Expected(
        f"{column}_is_at_least_{minimum:g}",
        "ExpectColumnValuesToBeBetween",
        {"column": column, "min_value": minimum},
        f"{column.upper()} is {minimum:g} or more.",
        critical,
    )


def _between(column: str, minimum: float, maximum: float, *, critical: bool = True) -> Expected:
    return Expected(
        f"{column}_is_in_range",
        "ExpectColumnValuesToBeBetween",
        {"column": column, "min_value": minimum, "max_value": maximum},
        f"{column.upper()} lies between {minimum:g} and {maximum:g}.",
        critical,
    )


def _one_of(column: str, values: tuple[str, ...]) -> Expected:
    return Expected(
        f"{column}_is_known",
        "ExpectColumnValuesToBeInSet",
        {"column": column, "value_set": list(values)},
        f"{column.upper()} is one of {', '.join(values)}.",
    )


def _two_letters(column: str) -> Expected:
    return Expected(
        f"{column}_is_a_code",
        "ExpectColumnValueLengthsToEqual",
        {"column": column, "value": 2},
        f"{column.upper()} has the two letters of ISO 3166-1.",
        critical=False,
    )


def _in_order(later: str, earlier: str) -> Expected:
    return Expected(
        f"{later}_follows_{earlier}",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": later, "column_B": earlier, "or_equal": True, "ignore_row_if": "either_value_is_missing"},
        f"{later.upper()} is not before {earlier.upper()}.",
        critical=False,
    )


def _no_more_than(part: str, whole: str) -> Expected:
    return Expected(
        f"{part}_are_among_{whole}",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": whole, "column_B": part, "or_equal": True},
        f"{part.upper()} is not above {whole.upper()}.",
    )


def _has_rows() -> Expected:
    return Expected(
        "has_rows", "ExpectTableRowCountToBeBetween", {"min_value": 1}, "The table is not empty.", critical=False
    )


def _suite(asset: str, *expected: Expected) -> Suite:
    return Suite(names.table(names.key(asset)), expected)


_WRITTEN = (
    _suite(
        "prod/customers",
        _has_rows(),
        _present("customer_id"),
        _unique("customer_id"),
        _at_least("version", 1),
        _two_letters("country"),
    ),
    _suite(
        "prod/customers_history",
        _unique_together("customer_id", "version"),
        _at_least("version", 1),
        _in_order("valid_to", "valid_from"),
    ),
    _suite(
        "prod/products",
        _has_rows(),
        _present("product_id"),
        _unique("product_id"),
        _at_least("price", 0),
        _at_least("cost", 0),
        _at_least("stock", 0, critical=False),
    ),
    _suite(
        "prod/products_history",
        _unique_together("product_id", "version"),
        _at_least("version", 1),
        _in_order("valid_to", "valid_from"),
    ),
    _suite(
        "prod/suppliers",
        _has_rows(),
        _present("supplier_id"),
        _unique("supplier_id"),
        _between("reliability", 0, 1),
    ),
    _suite(
        "prod/orders",
        _has_rows(),
        _present("order_id"),
        _unique("order_id"),
        _one_of("status", STATUSES),
        _at_least("version", 1),
        _at_least("total", 0),
        _at_least("refunded_amount", 0),
        _two_letters("country"),
        _in_order("paid_at", "placed_at"),
        _in_order("shipped_at", "paid_at"),
        _in_order("delivered_at", "shipped_at"),
        _in_order("promised_at", "placed_at"),
    ),
    _suite(
        "prod/order_lines",
        _has_rows(),
        _present("order_id"),
        _present("product_id"),
        _unique_together("order_id", "line_no"),
        _at_least("quantity", 1),
        _at_least("unit_price", 0),
        _at_least("unit_cost", 0),
    ),
    _suite(
        "prod/order_status_history",
        _present("event_id"),
        _unique("event_id"),
        _at_least("version", 1),
    ),
    _suite(
        "prod/daily_sales",
        _unique_together("sales_date", "country", "category", "channel"),
        _at_least("orders", 0),
        _at_least("units", 0),
        _at_least("cost", 0),
    ),
    _suite(
        "prod/daily_product_sales",
        _unique_together("sales_date", "product_id", "size"),
        _at_least("units", 0),
        _no_more_than("units", "units_ordered"),
        _at_least("amount", 0),
        _at_least("cost", 0),
    ),
    _suite(
        "prod/daily_supplier_deliveries",
        _unique_together("sales_date", "supplier_id", "minutes"),
        _at_least("minutes", 0, critical=False),  # clocks that are off deliver before they are paid
        _at_least("orders", 1),
        _at_least("late", 0),
        _no_more_than("late", "orders"),
    ),
    _suite(
        "prod/customer_first_orders",
        _present("customer_id"),
        _unique("customer_id"),
        _unique("order_id"),
    ),
)


def _by_key(table: names.Table) -> Suite:
    """What is expected of a table that has no suite of its own: its key is there, and once."""
    key = [column.lower() for column in model.KEYS[table.name.upper()]]
    unique = _unique(key[0]) if len(key) == 1 else _unique_together(*key)
    return Suite(table, (*map(_present, key), unique))


_SUITE_OF = {suite.table: suite for suite in _WRITTEN}
SUITES = tuple(_SUITE_OF.get(table) or _by_key(table) for table in names.PROD_TABLES)
