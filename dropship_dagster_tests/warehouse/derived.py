"""The derived tables in plain Python, written from their descriptions in docs/data-contracts.md and sql/02_tables.sql.

An order counts on the day it was placed, once that is known. Of each (entity, version) the first event counts.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from dropship_dagster_tests.warehouse.pipeline import Pipeline
from dropship_dagster_tests.warehouse.test_fold import fold

CENT = Decimal("0.01")
TENTH_OF_A_DAY = 144

Event = Mapping[str, Any]
Table = dict[tuple[Any, ...], tuple[Any, ...]]


class Shop:
    """What the accepted events say of orders and products."""

    def __init__(self, order_events: Sequence[dict[str, Any]], product_events: Sequence[dict[str, Any]]) -> None:
        self.states = fold(order_events)
        self.placed: dict[str, Event] = {}
        for event in order_events:
            if event["event_type"] == "order_placed":
                self.placed.setdefault(event["order_id"], event)
        versions: dict[tuple[str, int], Event] = {}
        for event in product_events:
            versions.setdefault((event["product_id"], event["version"]), event)
        # a deleted product keeps the attributes of its newest upsert
        self.products = {
            product_id: event
            for (product_id, _), event in sorted(versions.items())
            if event["event_type"] == "product_upserted"
        }

    def daily_sales(self) -> Table:
        """ORDERS, UNITS and COST by day, country, category and channel; REVENUE before it is rounded to cents."""
        groups: dict[tuple[Any, ...], list[Decimal | int]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
        for order_id, event in self.placed.items():
            state = self.states[order_id]
            goods = sum(amount(line) for line in event["lines"])
            by_category: dict[str, list[Event]] = defaultdict(list)
            for line in event["lines"]:
                product = self.products.get(line["product_id"])
                by_category[product["category"] if product else "UNKNOWN"].append(line)
            for category, lines in by_category.items():
                group = groups[day(event), event["country"], category, event["channel"]]
                group[0] += 1
                group[1] += sum(line["quantity"] for line in lines)
                group[2] += state["REVENUE"] * sum(amount(line) for line in lines) / goods
                group[3] += sum(cost(line) for line in lines) if state["COST"] else 0
        return {key: tuple(group) for key, group in groups.items()}

    def daily_product_sales(self) -> Table:
        """UNITS_ORDERED and, without cancelled orders, UNITS, AMOUNT and COST by day, product and size."""
        groups: dict[tuple[Any, ...], list[Decimal | int]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
        for order_id, event in self.placed.items():
            sold = self.states[order_id]["STATUS"] != "CANCELLED"
            for line in event["lines"]:
                group = groups[day(event), line["product_id"], line["size"]]
                group[0] += line["quantity"]
                if sold:
                    group[1] += line["quantity"]
                    group[2] += amount(line)
                    group[3] += cost(line)
        return {key: tuple(group) for key, group in groups.items()}

    def daily_supplier_deliveries(self) -> Table:
        """ORDERS, LATE and PROMISED_MINUTES by day placed, supplier and time from paid to delivered."""
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
        for order_id, event in self.placed.items():
            paid, delivered = self.states[order_id]["PAID_AT"], self.states[order_id]["DELIVERED_AT"]
            if not paid or not delivered:
                continue
            products = [self.products.get(line["product_id"]) for line in event["lines"]]
            tenths = round(minutes(paid, delivered) / TENTH_OF_A_DAY)
            for supplier in {product["supplier"]["supplier_id"] for product in products if product}:
                group = groups[day(event), supplier, tenths * TENTH_OF_A_DAY]
                group[0] += 1
                group[1] += minutes(event["promised_at"], delivered) > 0
                group[2] += minutes(paid, event["promised_at"])
        return {key: tuple(group) for key, group in groups.items()}

    def customer_first_orders(self) -> Table:
        """ORDER_ID and FIRST_AT of each customer's first order; of two at once that of the smaller identifier."""
        first: dict[str, tuple[str, str]] = {}
        for order_id, event in self.placed.items():
            mine = (event["event_time"].removesuffix("Z"), order_id)
            first[event["customer_id"]] = min(mine, first.get(event["customer_id"], mine))
        return {(customer,): (order_id, at) for customer, (at, order_id) in first.items()}


def compare_derived(pipeline: Pipeline, shop: Shop) -> None:
    """The four derived tables hold what the events say."""
    assert found(pipeline, "DAILY_PRODUCT_SALES", 3, "UNITS_ORDERED, UNITS, AMOUNT, COST") == shop.daily_product_sales()
    assert (
        found(pipeline, "DAILY_SUPPLIER_DELIVERIES", 3, "ORDERS, LATE, PROMISED_MINUTES")
        == shop.daily_supplier_deliveries()
    )
    assert (
        found(pipeline, "CUSTOMER_FIRST_ORDERS", 1, "ORDER_ID, TO_VARCHAR(FIRST_AT, 'YYYY-MM-DD\"T\"HH24:MI:SS.FF3')")
        == shop.customer_first_orders()
    )
    _compare_sales(found(pipeline, "DAILY_SALES", 4, "ORDERS, UNITS, REVENUE, COST, MARGIN"), shop.daily_sales())


def _compare_sales(rows: Table, expected: Table) -> None:
    """Revenue is shared out to the cent: each part is right to a cent an order, and their sum is right exactly."""
    assert {key: (row[0], row[1], row[3]) for key, row in rows.items()} == {
        key: (row[0], row[1], row[3]) for key, row in expected.items()
    }
    wrong = {
        key: (row, expected[key])
        for key, row in rows.items()
        if abs(row[2] - expected[key][2]) > row[0] * CENT or row[4] != row[2] - row[3]
    }
    assert wrong == {}
    assert _over_categories(rows) == {key: total.quantize(CENT) for key, total in _over_categories(expected).items()}


def _over_categories(rows: Table) -> dict[tuple[Any, ...], Decimal]:
    totals: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for (on, country, _, channel), row in rows.items():
        totals[on, country, channel] += row[2]
    return dict(totals)


def found(pipeline: Pipeline, table: str, keys: int, values: str) -> Table:
    """The rows of a table of PROD by their key, which is its first columns."""
    names = pipeline.rows(
        "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'PROD' AND TABLE_NAME = ? "
        "ORDER BY ORDINAL_POSITION LIMIT ?",
        table,
        keys,
    )
    key = ", ".join(f"{name}::VARCHAR" if name.endswith("_DATE") or name == "SIZE" else name for (name,) in names)
    rows = pipeline.rows(f"SELECT {key}, {values} FROM PROD.{table}")
    assert len({row[:keys] for row in rows}) == len(rows), f"{table} has a key twice"
    return {row[:keys]: row[keys:] for row in rows}


def day(placed: Event) -> str:
    return str(placed["event_time"][:10])


def amount(line: Event) -> Decimal:
    return Decimal(str(line["unit_price"])) * line["quantity"]


def cost(line: Event) -> Decimal:
    return Decimal(str(line["unit_cost"])) * line["quantity"]


def minutes(start: str, end: str) -> int:
    """Whole minutes from one time to another."""
    between = dt.datetime.fromisoformat(end.removesuffix("Z")) - dt.datetime.fromisoformat(start.removesuffix("Z"))
    return int(between.total_seconds()) // 60


def first_of_each(events: Iterable[Event], entity: str) -> list[Event]:
    """The events that are accepted: of each (entity, version) those with the content of the first."""
    known: dict[tuple[str, int], Event] = {}
    return [event for event in events if known.setdefault((event[entity], event["version"]), event) == event]
