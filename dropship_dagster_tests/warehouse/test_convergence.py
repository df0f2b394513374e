"""PROD converges to the fold of the accepted events, in whatever order, however often and beside what the tasks run."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

import pytest

from dropship_dagster_tests.warehouse.derived import Shop, compare_derived, first_of_each
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from dropship_dagster_tests.warehouse.task_runs import Tasks
from dropship_dagster_tests.warehouse.test_fold import compare, random_life, random_order

CATEGORIES = ("Tops", "Shoes", "Coats")
SUPPLIERS = ("S001", "S002", "S003")


def life(order_id: str, chance: random.Random) -> list[dict[str, Any]]:
    """An order on any day of February and its steps; now and then the first is missing."""
    order = dataclasses.replace(random_order(order_id, chance), customer_id=f"C{chance.randint(1, 6)}")
    placed, *steps = random_life(order, chance)
    placed["event_time"] = f"2026-02-{chance.randint(1, 28):02d}T{chance.randint(0, 23):02d}:00:00.000Z"
    for step in steps:
        if step["event_type"] == "order_paid":  # no time between two steps is half way between two tenths of a day
            step["event_time"] = step["event_time"].replace(":00:00.", ":05:00.")
    return steps if steps and chance.random() < 0.1 else [placed, *steps]


def product_life(product_id: str, chance: random.Random) -> list[dict[str, Any]]:
    """Versions of a product that changes its category and supplier, and is deleted now and then."""
    supplier = product(product_id)["supplier"]
    return [
        product(product_id, version, deleted=True)
        if chance.random() < 0.2
        else product(
            product_id,
            version,
            category=chance.choice(CATEGORIES),
            supplier=supplier | {"supplier_id": chance.choice(SUPPLIERS)},
        )
        for version in range(1, 6)
    ]


def customer_life(customer_id: str, chance: random.Random) -> list[dict[str, Any]]:
    return [customer(customer_id, version, deleted=chance.random() < 0.2) for version in range(1, 4)]


def other_content(event: dict[str, Any]) -> dict[str, Any]:
    """The same version of the same entity, saying something else."""
    if event["event_type"] == "order_placed":
        lines = [*event["lines"], event["lines"][0] | {"line_no": 9, "unit_price": 0.0}]
        return event | {"lines": lines, "channel": "marketplace"}
    if "order_id" in event:
        return Order(event["order_id"]).cancelled(version=event["version"], refunded="777")
    if "product_id" in event:
        return product(event["product_id"], event["version"], category="Hats")
    return customer(event["customer_id"], event["version"], name="Somebody else")


def shuffled(lives: Sequence[list[dict[str, Any]]], chance: random.Random) -> list[dict[str, Any]]:
    """All events late and early, some of them twice, and some once more with other content."""
    events = [event for life in lives for event in life]
    events += chance.choices(events, k=len(events) // 5)
    chance.shuffle(events)
    for event in chance.sample(events, k=max(2, len(events) // 20)):
        events.insert(chance.randint(events.index(event) + 1, len(events)), other_content(event))
    return events


def converge(pipeline: Pipeline, seed: int, *, orders: int, parts: int, steps: int) -> Tasks:
    """Load events in parts while the tasks run in disorder; then two quiet passes."""
    chance = random.Random(seed)
    tasks = Tasks(pipeline, chance)
    streams = {
        pipeline.orders: shuffled([life(pipeline.id(n), chance) for n in range(orders)], chance),
        pipeline.products: shuffled([product_life(f"P{n:05d}", chance) for n in range(1, 4)], chance),
        pipeline.customers: shuffled([customer_life(f"C{n}", chance) for n in range(1, 7)], chance),
    }
    for part in range(parts):
        for topic, events in streams.items():
            first, last = (len(events) * end // parts for end in (part, part + 1))
            pipeline.send(topic, events[first:last])
        pipeline.load()
        tasks.disorder(steps)
    # what came in one run with another content of its version waits in STAGING.RETRIED_EVENTS for the second
    tasks.quiet_pass()
    tasks.quiet_pass()
    pipeline.assert_sound(events=sum(len(events) for events in streams.values()))
    for topic, entity in zip(streams, ("order_id", "product_id", "customer_id"), strict=True):
        conflicts = len(streams[topic]) - len(first_of_each(streams[topic], entity))
        rejected = pipeline.rows("SELECT REJECT_REASON FROM STAGING.REJECTED_EVENTS WHERE TOPIC = ?", topic)
        assert len(rejected) == conflicts
        assert all(reason.startswith("conflict: version ") for (reason,) in rejected)
    compare(pipeline, streams[pipeline.orders])
    compare_derived(pipeline, Shop(streams[pipeline.orders], streams[pipeline.products]))
    return tasks


def test_tasks_in_any_order_beside_each_other_killed_and_repeated_converge(own_pipeline: Pipeline) -> None:
    tasks = converge(own_pipeline, seed=1, orders=25, parts=2, steps=5)
    assert tasks.struck["beside"] > 0
    assert tasks.struck["cancelled"] + tasks.struck["sessions ended"] > 0
    assert tasks.struck["failed"] > 0


def test_what_a_task_merges_behind_the_others_reaches_every_table_that_is_computed_from_it(
    own_pipeline: Pipeline,
) -> None:
    """The others have used up their streams by then, so only what the late task leaves to them tells of its change."""
    pipeline = own_pipeline
    tasks = Tasks(pipeline, random.Random(0))
    derived = [task for task in tasks.bodies if task.startswith(("MERGE_DAILY", "MERGE_CUSTOMER_FIRST"))]
    orders: list[dict[str, Any]] = []
    products: list[dict[str, Any]] = []
    for turn, late in enumerate(("MERGE_ORDERS", "MERGE_ORDER_LINES", "MERGE_PRODUCTS"), start=1):
        order = Order(pipeline.id(turn))
        placed = order.placed(at=f"2026-02-{turn:02d}T10:00:00.000Z")
        steps = [order.paid(version=2), order.shipped(version=3), order.delivered(version=4)]
        supplier = product("P00001")["supplier"] | {"supplier_id": f"S{turn:03d}"}
        version = product("P00001", turn, category=CATEGORIES[turn - 1], supplier=supplier)
        pipeline.send(pipeline.orders, [placed, *steps])
        pipeline.send(pipeline.products, [version])
        orders += [placed, *steps]
        products.append(version)
        pipeline.load()
        tasks.run(*(task for task in tasks.bodies if task != late), late, *derived)
        compare_derived(pipeline, Shop(orders, products))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 22))
def test_tasks_in_more_disorder_converge(own_pipeline: Pipeline, seed: int) -> None:
    tasks = converge(own_pipeline, seed=seed, orders=80, parts=4, steps=15)
    assert min(tasks.struck[kind] for kind in ("beside", "cancelled", "sessions ended", "failed")) > 0
