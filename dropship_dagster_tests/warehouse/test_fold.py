"""PROD is the fold of the accepted events: random sequences, folded once more in plain Python."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from dropship_dagster_tests.warehouse.events import Line, Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

CENT = Decimal("0.01")
STATUS = {
    "order_placed": "PLACED",
    "order_paid": "PAID",
    "order_shipped": "SHIPPED",
    "order_delivered": "DELIVERED",
    "order_cancelled": "CANCELLED",
    "order_returned": "RETURNED",
}


def random_life(order: Order, chance: random.Random) -> list[dict[str, Any]]:
    """Steps of an order; any step may be missing or come twice under a new version."""
    steps = [order.placed()]
    makers = [order.paid, order.shipped, order.delivered, order.cancelled, order.returned, order.shipped]
    version = 1
    for make in makers:
        if chance.random() < 0.6:
            version += chance.choice([1, 1, 1, 2])
            at = f"2026-03-{chance.randint(1, 28):02d}T{chance.randint(0, 23):02d}:00:00.000Z"
            extra = {"refunded": str(chance.randint(0, 20))} if make in (order.cancelled, order.returned) else {}
            steps.append(make(version=version, at=at, **extra))
    return steps


def random_order(order_id: str, chance: random.Random) -> Order:
    lines = tuple(
        Line(
            f"P{chance.randint(1, 4):05d}",
            chance.randint(1, 4),
            str(Decimal(chance.randint(0, 9999)) / 100),
            str(Decimal(chance.randint(0, 4000)) / 100),
        )
        for _ in range(chance.randint(1, 4))
    )
    return Order(
        order_id, country=chance.choice(["FR", "DE"]), channel=chance.choice(["web", "mobile_app"]), lines=lines
    )


def fold(events: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The newest state of each order, by version; the newest event of each kind sets that kind's facts."""
    orders: dict[str, dict[int, dict[str, Any]]] = {}
    for event in events:
        orders.setdefault(event["order_id"], {}).setdefault(event["version"], event)
    return {order_id: _fold_one(versions) for order_id, versions in orders.items()}


def _fold_one(versions: dict[int, dict[str, Any]]) -> dict[str, Any]:
    newest: dict[str, dict[str, Any]] = {}
    for version in sorted(versions):
        newest[versions[version]["event_type"]] = versions[version]
    last = versions[max(versions)]
    status = STATUS[last["event_type"]]
    closing = max(
        (newest[kind] for kind in ("order_cancelled", "order_returned") if kind in newest),
        key=lambda event: event["version"],
        default=None,
    )
    refunded = _money(closing["refunded_amount"]) if closing else Decimal(0)
    state: dict[str, Any] = {
        "STATUS": status,
        "VERSION": last["version"],
        "REASON": closing["reason"] if closing else None,
        "REFUNDED_AMOUNT": refunded,
        "CARRIER": newest["order_shipped"]["carrier"] if "order_shipped" in newest else None,
        "TRACKING_NUMBER": newest["order_shipped"]["tracking_number"] if "order_shipped" in newest else None,
    }
    for kind, name in STATUS.items():
        event = newest.get(kind)
        state[f"{name}_AT"] = event["event_time"].removesuffix("Z") if event else None
    placed = newest.get("order_placed")
    if placed:
        total = _money(placed["total"])
        cost = sum((_money(line["unit_cost"]) * line["quantity"] for line in placed["lines"]), Decimal(0))
        state["TOTAL"] = total
        state["REVENUE"] = Decimal(0) if status == "CANCELLED" else total - refunded
        state["COST"] = Decimal(0) if status == "CANCELLED" and "order_shipped" not in newest else cost
        state["UNITS"] = sum(line["quantity"] for line in placed["lines"])
    return state


def _money(value: float) -> Decimal:
    return Decimal(str(value)).quantize(CENT)


def found_state(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    values = {name: row[name] for name in names}
    return {
        name: value.isoformat(timespec="milliseconds") if hasattr(value, "isoformat") else value
        for name, value in values.items()
    }


def run_rounds(pipeline: Pipeline, seed: int, orders: int, rounds: int) -> None:
    """Events of many orders in random order over several refreshes, with repeats, holes and rubbish between them."""
    chance = random.Random(seed)
    lives = [random_life(random_order(pipeline.id(n), chance), chance) for n in range(orders)]
    events = [event for life in lives for event in life]
    events += chance.choices(events, k=len(events) // 5)
    chance.shuffle(events)
    customers = [customer(pipeline.id(n, "C"), v, deleted=chance.random() < 0.3) for n in range(6) for v in range(1, 6)]
    products = [
        product(f"P{n:05d}", v, deleted=chance.random() < 0.2, category=chance.choice(["Tops", "Shoes", "Coats"]))
        if chance.random() < 0.8
        else product(f"P{n:05d}", v)
        for n in range(1, 4)
        for v in range(1, 6)
    ]
    chance.shuffle(customers)
    chance.shuffle(products)
    sent: list[dict[str, Any]] = []
    total = 0
    for number in range(rounds):
        batch = events[number::rounds]
        rubbish = [chance.choice([b"", None, b"{", b"[]", b"\xfe"]) for _ in range(5)]
        pipeline.send(pipeline.orders, [*batch, *rubbish])
        pipeline.send(pipeline.customers, customers[number::rounds])
        pipeline.send(pipeline.products, products[number::rounds])
        total += len(batch) + 5 + len(customers[number::rounds]) + len(products[number::rounds])
        sent += batch
        pipeline.load()
        pipeline.refresh()
        compare(pipeline, sent)
    pipeline.assert_sound(events=total)


def compare(pipeline: Pipeline, sent: Sequence[dict[str, Any]]) -> None:
    expected = compare_orders(pipeline, sent)
    revenue = sum((state.get("REVENUE") or Decimal(0) for state in expected.values()), Decimal(0))
    assert pipeline.value("SELECT SUM(REVENUE) FROM PROD.DAILY_SALES") == revenue


def compare_orders(pipeline: Pipeline, sent: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pipeline's orders in PROD are the fold of the events, which is returned."""
    expected = fold(sent)
    names = sorted({name for state in expected.values() for name in state})
    rows = pipeline.rows(
        f"SELECT ORDER_ID, {', '.join(names)} FROM PROD.ORDERS WHERE STARTSWITH(ORDER_ID, ?)", f"O{pipeline.name}"
    )
    found = {row[0]: found_state(dict(zip(names, row[1:], strict=True)), names) for row in rows}
    assert set(found) == set(expected)
    for order_id, state in expected.items():
        assert found[order_id] == {name: state.get(name) for name in names}, order_id
    return expected


def test_random_sequences_fold_to_the_same_state_as_in_plain_python(emptied_pipeline: Pipeline) -> None:
    run_rounds(emptied_pipeline, seed=1, orders=60, rounds=3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 12))
def test_more_random_sequences_fold_to_the_same_state(emptied_pipeline: Pipeline, seed: int) -> None:
    run_rounds(emptied_pipeline, seed=seed, orders=200, rounds=4)
