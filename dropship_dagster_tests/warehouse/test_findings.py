"""Conflicts and holes are counted and named, and make nothing wrong that is right."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from dropship_dagster import warehouse
from dropship_dagster.checks.warehouse_rules import RULES
from dropship_dagster.cli.warehouse import _notices
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

RULE = {rule.name: rule for rule in RULES}


def evaluated(pipeline: Pipeline, name: str) -> tuple[bool, str, int]:
    """What a rule of the asset checks says: whether it passed, its severity, its violations."""
    with warehouse.connect(pipeline.endpoint) as connection:

        def query(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
            cursor = connection.cursor().execute(sql)
            return [column.name for column in cursor.description], cursor.fetchall()

        result = RULE[name].evaluate(query)
    assert result.severity is not None
    return result.passed, result.severity.value, int(str(result.metadata["violations"].value))


def test_messages_that_contradict_an_accepted_one_are_counted_by_table(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    pipeline.send(pipeline.customers, [customer("C0000001")], partition=0)
    pipeline.send(pipeline.products, [product("P00001")], partition=0)
    pipeline.send(pipeline.orders, [Order("O1").placed(), Order("O1").paid(), b"?"], partition=0)
    pipeline.load()
    pipeline.refresh()
    found = pipeline.assert_sound(events=5)
    assert (found.conflicts.count, found.conflicts.examples, list(_notices(found))) == (0, (), [])
    assert evaluated(pipeline, "no_conflicts") == (True, "WARN", 0)

    other = [Order("O1").placed(channel="store"), Order("O1").paid(at="2026-03-01T11:00:00.000Z"), Order("O1").paid()]
    pipeline.send(pipeline.orders, other, partition=1)
    pipeline.send(pipeline.customers, [{**customer("C0000001"), "name": "Somebody Else"}], partition=1)
    pipeline.load()
    pipeline.refresh()
    report = pipeline.assert_sound(events=9)
    assert report.status == "right", "a conflict is rejected as it should be"
    assert dict(pipeline.rows("SELECT SOURCE, CONFLICTS FROM OPS.CONFLICTS")) == {
        "CUSTOMERS": 1, "PRODUCTS": 0, "ORDERS_EVENTS": 2,
    }  # fmt: skip
    told = json.loads(report.to_json())["conflicts"]
    assert told["count"] == 3
    assert {(each["source"], each["topic"], each["partition"]) for each in told["examples"]} == {
        ("CUSTOMERS", pipeline.customers, 1), ("ORDERS_EVENTS", pipeline.orders, 1),
    }  # fmt: skip
    assert all(each["reason"].startswith("conflict: version ") for each in told["examples"])
    [notice] = _notices(report)
    assert notice.startswith("3 messages contradict an accepted one")
    assert "dropship rejected list --reason conflict" in notice
    assert evaluated(pipeline, "no_conflicts") == (False, "WARN", 3)


def test_the_missing_versions_of_an_order_are_those_that_a_set_of_numbers_lacks(emptied_pipeline: Pipeline) -> None:
    pipeline, choose = emptied_pipeline, random.Random(7)
    versions = {f"O{number}": set(choose.sample(range(1, 8), choose.randint(1, 7))) for number in range(60)}
    events = [
        Order(order).placed() if version == 1 else Order(order).paid(version)
        for order, all_of_it in versions.items()
        for version in all_of_it
    ]
    choose.shuffle(events)
    pipeline.send(pipeline.orders, [*events, *events[:20]])  # what comes twice fills no hole
    pipeline.load()
    pipeline.refresh()
    lacks = {order: set(range(1, max(there))) - there for order, there in versions.items()}
    expected = {
        (order, max(versions[order]), len(missing), min(missing)) for order, missing in lacks.items() if missing
    }
    assert 20 < len(expected) < 60
    found = pipeline.rows("SELECT ORDER_ID, VERSION, MISSING, FIRST_MISSING FROM OPS.MISSING_VERSIONS")
    assert len(found) == len(expected)
    assert {(order, int(version), int(missing), int(first)) for order, version, missing, first in found} == expected
    report = pipeline.assert_sound()
    assert (report.status, report.holes.count, len(report.holes.examples)) == ("right", len(expected), 5)
    [notice] = _notices(report)
    assert notice.startswith(f"{len(expected)} orders wait for an event before their newest, first: O")


@pytest.mark.parametrize(("aged", "old"), [(1, 0), (2, 0), (3, 1)], ids=["before the hole", "its rest", "behind it"])
def test_a_hole_is_old_when_what_came_behind_it_is(emptied_pipeline: Pipeline, aged: int, old: int) -> None:
    """Versions 1, 3 and 4 are there: the hole is as old as version 3 or 4, whichever came first."""
    pipeline = emptied_pipeline
    order = Order("O1")
    pipeline.send(pipeline.orders, [order.placed(), order.paid(3), order.paid(4)], partition=0)
    pipeline.load()
    pipeline.refresh()
    assert evaluated(pipeline, "no_hole_is_old") == (True, "WARN", 0)
    pipeline.rows(
        "UPDATE STAGING.ORDER_EVENTS SET INGESTED_AT = DATEADD('hour', -25, INGESTED_AT) WHERE VERSION = ?", aged
    )
    assert evaluated(pipeline, "no_hole_is_old")[2] == old
    assert pipeline.verify().holes.count == 1
    pipeline.send(pipeline.orders, [order.paid(2)], partition=0)
    pipeline.load()
    pipeline.refresh()
    assert evaluated(pipeline, "no_hole_is_old") == (True, "WARN", 0)
    assert pipeline.verify().holes.count == 0
