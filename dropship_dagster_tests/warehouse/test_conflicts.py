"""One version with two contents: the first is accepted and stays whole, the others are rejected in words."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from dropship_dagster.warehouse import Selection, correct, retry_rejected
from dropship_dagster_tests.warehouse.events import Line, Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from dropship_dagster_tests.warehouse.test_fold import compare_orders

Event = dict[str, Any]


def carry(pipeline: Pipeline, *batches: dict[str, Sequence[Event]]) -> None:
    """Batches of events by topic, each sent to partition 0, loaded and refreshed once."""
    for batch in batches:
        for topic, events in batch.items():
            pipeline.send(topic, events, partition=0)
        pipeline.load()
        pipeline.refresh()


def reasons(pipeline: Pipeline, topic: str) -> dict[tuple[int, int], str]:
    """Why messages are rejected, by partition and offset."""
    rows = pipeline.rows(
        "SELECT KAFKA_PARTITION, KAFKA_OFFSET, REJECT_REASON FROM STAGING.REJECTED_EVENTS WHERE TOPIC = ?", topic
    )
    return {(int(partition), int(offset)): reason for partition, offset, reason in rows}


def conflict(pipeline: Pipeline, topic: str, version: int, entity: str, partition: int, offset: int) -> str:
    topic_id = pipeline.value("SELECT MAX(TOPIC_ID) FROM OPS.KAFKA_OFFSETS WHERE TOPIC = ?", topic)
    return (
        f"conflict: version {version} of {entity} is known with other content, "
        f"from partition {partition}, offset {offset} of topic id {topic_id}"
    )


def compare_whole(pipeline: Pipeline, accepted: Sequence[Event]) -> None:
    """Orders, lines and history say what the accepted events say, and with them verify's fold and the daily tables."""
    compare_orders(pipeline, accepted)
    mine = f"O{pipeline.name}"
    lines = pipeline.rows(
        "SELECT ORDER_ID, LINE_NO, PRODUCT_ID, QUANTITY FROM PROD.ORDER_LINES WHERE STARTSWITH(ORDER_ID, ?)", mine
    )
    assert sorted(lines) == sorted(
        (event["order_id"], line["line_no"], line["product_id"], line["quantity"])
        for event in accepted
        for line in event.get("lines", ())
    )
    history = pipeline.rows(
        "SELECT ORDER_ID, VERSION, EVENT_TYPE FROM PROD.ORDER_STATUS_HISTORY WHERE STARTSWITH(ORDER_ID, ?)", mine
    )
    assert sorted(history) == sorted((event["order_id"], event["version"], event["event_type"]) for event in accepted)
    pipeline.assert_sound()


def test_an_order_placed_again_with_one_more_line_keeps_the_lines_it_was_placed_with(pipeline: Pipeline) -> None:
    """In one batch and in two, the shorter first and the longer first, on one partition and on two."""
    accepted, expected, later = [], [], []
    ends = [0, 0, 0]

    def send(event: Event, partition: int) -> tuple[int, int]:
        pipeline.send(pipeline.orders, [event], partition=partition)
        ends[partition] += 1
        return partition, ends[partition] - 1

    for number, (batches, swapped, partitions) in enumerate(itertools.product((1, 2), (False, True), ((0, 0), (1, 2)))):
        order_id = pipeline.id(number)
        short = Order(order_id, lines=(Line("P00001", 2),)).placed(at="2026-03-02T10:00:00.000Z")
        long = Order(order_id, lines=(Line("P00001", 2), Line("P00002"))).placed()
        first, second = (long, short) if swapped else (short, long)
        place = send(first, partitions[0])
        accepted.append(first)
        if batches == 1:
            expected.append((send(second, partitions[1]), order_id, place))
        else:
            later.append((second, partitions[1], order_id, place))
    pipeline.load()
    pipeline.refresh()
    for second, partition, order_id, place in later:
        expected.append((send(second, partition), order_id, place))
    pipeline.load()
    pipeline.refresh()
    assert reasons(pipeline, pipeline.orders) == {
        rejected: conflict(pipeline, pipeline.orders, 1, order_id, *place) for rejected, order_id, place in expected
    }
    compare_whole(pipeline, accepted)


def test_of_two_steps_with_one_version_the_first_counts(pipeline: Pipeline) -> None:
    one, two, three = (Order(pipeline.id(n), lines=(Line("P00003", n),)) for n in (1, 2, 3))
    first = [one.placed(), two.placed(), three.placed(), one.paid(), two.cancelled(), three.paid(), one.cancelled()]
    carry(pipeline, {pipeline.orders: first}, {pipeline.orders: [two.paid(), three.cancelled()]})
    assert reasons(pipeline, pipeline.orders) == {
        (0, 6): conflict(pipeline, pipeline.orders, 2, one.order_id, 0, 3),
        (0, 7): conflict(pipeline, pipeline.orders, 2, two.order_id, 0, 4),
        (0, 8): conflict(pipeline, pipeline.orders, 2, three.order_id, 0, 5),
    }
    compare_whole(pipeline, first[:6])


def test_a_deletion_and_an_upsert_of_one_version_are_a_conflict(pipeline: Pipeline) -> None:
    kept, deleted = pipeline.id(1, "X"), pipeline.id(2, "X")
    tables = {"CUSTOMERS": (pipeline.customers, customer), "PRODUCTS": (pipeline.products, product)}
    first, second = (
        {topic: make_events(make) for topic, make in tables.values()}
        for make_events in (
            lambda make: [
                make(kept), make(deleted), make(kept, 2), make(deleted, 2, deleted=True), make(kept, 2, deleted=True),
            ],
            lambda make: [make(deleted, 2), make(kept, 1, name="Another name")],
        )
    )  # fmt: skip
    carry(pipeline, first, second)
    for table, (topic, _) in tables.items():
        key = f"{table[:-1]}_ID"
        assert reasons(pipeline, topic) == {
            (0, 4): conflict(pipeline, topic, 2, kept, 0, 2),
            (0, 5): conflict(pipeline, topic, 2, deleted, 0, 3),
            (0, 6): conflict(pipeline, topic, 1, kept, 0, 0),
        }
        newest = f"SELECT {key}, VERSION, IS_DELETED FROM PROD.{table} WHERE {key} IN (?, ?)"
        assert sorted(pipeline.rows(newest, kept, deleted)) == [(kept, 2, False), (deleted, 2, True)]
        history = f"SELECT {key}, VERSION, IS_DELETED FROM PROD.{table}_HISTORY WHERE {key} IN (?, ?)"
        assert sorted(pipeline.rows(history, kept, deleted)) == [
            (kept, 1, False), (kept, 2, False), (deleted, 1, False), (deleted, 2, True),
        ]  # fmt: skip
    pipeline.assert_sound(events=14)


def test_the_same_content_again_is_no_conflict_and_the_first_place_is_named(pipeline: Pipeline) -> None:
    order, before = Order(pipeline.id(1)), Order(pipeline.id(2))
    other = order.placed(channel="marketplace")
    first = [*[before.placed()] * 9, order.placed(), order.placed()]
    carry(pipeline, {pipeline.orders: first}, {pipeline.orders: [order.placed(), other]})
    assert reasons(pipeline, pipeline.orders) == {(0, 12): conflict(pipeline, pipeline.orders, 1, order.order_id, 0, 9)}
    assert pipeline.value("SELECT COUNT(*) FROM STAGING.ORDER_EVENTS WHERE ORDER_ID = ?", order.order_id) == 3
    compare_whole(pipeline, [before.placed(), order.placed()])


def test_a_version_written_otherwise_is_the_same_version(pipeline: Pipeline) -> None:
    name = pipeline.id(1, "C")
    carry(pipeline, {pipeline.customers: [customer(name), customer(name, name="Somebody else") | {"version": "01"}]})
    assert list(reasons(pipeline, pipeline.customers)) == [(0, 1)]
    assert pipeline.rows("SELECT NAME FROM PROD.CUSTOMERS WHERE CUSTOMER_ID = ?", name) == [(f"Customer {name} v1",)]
    pipeline.assert_sound(events=2)


def test_a_good_event_behind_a_broken_one_of_its_version_is_accepted_by_the_same_refresh(pipeline: Pipeline) -> None:
    order = Order(pipeline.id(1))
    broken, good, late = order.placed(total=1.0), order.placed(), order.placed(channel="marketplace")
    carry(pipeline, {pipeline.orders: [broken, good, late]})
    assert reasons(pipeline, pipeline.orders) == {
        (0, 0): "total is not goods - discount + shipping_fee",
        (0, 2): conflict(pipeline, pipeline.orders, 1, order.order_id, 0, 1),
    }
    compare_whole(pipeline, [good])


def test_a_conflict_that_is_corrected_is_accepted(pipeline: Pipeline) -> None:
    order = Order(pipeline.id(1))
    carry(pipeline, {pipeline.orders: [order.placed(), order.paid(), order.cancelled()]})
    correct(pipeline.endpoint, pipeline.orders, 0, 2, order.cancelled(version=3))
    assert retry_rejected(pipeline.endpoint, Selection(topic=pipeline.orders)).retried == 1
    pipeline.refresh()
    assert reasons(pipeline, pipeline.orders) == {}
    compare_whole(pipeline, [order.placed(), order.paid(), order.cancelled(version=3)])
