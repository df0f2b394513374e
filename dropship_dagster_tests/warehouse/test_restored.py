"""Rows that are taken out of RAW and put back, from a copy of the table or by hand, are staged once."""

from __future__ import annotations

import pytest

from dropship_dagster.warehouse import Selection, correct, retry_rejected
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline


@pytest.fixture
def own_pipeline(own_pipeline: Pipeline) -> Pipeline:
    """With a table beside each of RAW, for its rows."""
    for table in own_pipeline.tables.values():
        own_pipeline.rows(f"CREATE TABLE OPS.KEPT_{table} LIKE RAW.{table}")
    return own_pipeline


def put_back(pipeline: Pipeline, *topics: str) -> None:
    """Delete the topics' rows of RAW and insert the same again."""
    for table in map(pipeline.tables.__getitem__, topics):
        pipeline.rows(f"INSERT OVERWRITE INTO OPS.KEPT_{table} SELECT * FROM RAW.{table}")
        pipeline.rows(f"DELETE FROM RAW.{table}")
        pipeline.rows(f"INSERT INTO RAW.{table} SELECT * FROM OPS.KEPT_{table}")


def staged(pipeline: Pipeline) -> dict[str, int]:
    """How many messages of the orders topic are accepted and rejected."""
    accepted = pipeline.value(
        "SELECT COUNT(*) FROM STAGING.ORDER_EVENTS WHERE TOPIC_ID IN "
        "(SELECT TOPIC_ID FROM OPS.KAFKA_OFFSETS WHERE TOPIC = ?)",
        pipeline.orders,
    )
    rejected = pipeline.value("SELECT COUNT(*) FROM STAGING.REJECTED_EVENTS WHERE TOPIC = ?", pipeline.orders)
    return {"accepted": accepted, "rejected": rejected}


def test_rows_put_back_into_raw_are_staged_once(own_pipeline: Pipeline) -> None:
    pipeline = own_pipeline
    good, wrong, nameless = (Order(pipeline.id(n)) for n in (1, 2, 3))
    pipeline.send(pipeline.orders, [good.placed(), good.paid(), good.paid(), b"no json"], partition=0)
    pipeline.send(pipeline.orders, [wrong.placed(total=1.0), nameless.placed(order_id=None)], partition=0)
    # the second content of a version waits for a second run
    pipeline.send(pipeline.orders, [good.placed(channel="marketplace")], partition=0)
    pipeline.send(pipeline.customers, [customer(pipeline.id(1, "C")), b"[]"])
    pipeline.send(pipeline.products, [product(pipeline.id(1, "P")), b"[]"])
    pipeline.load()
    put_back(pipeline, *pipeline.tables)
    pipeline.refresh()
    assert staged(pipeline) == {"accepted": 3, "rejected": 4}
    put_back(pipeline, *pipeline.tables)
    pipeline.refresh()
    assert staged(pipeline) == {"accepted": 3, "rejected": 4}
    pipeline.assert_sound(events=11)

    mine = Selection(topic=pipeline.orders)
    correct(pipeline.endpoint, pipeline.orders, 0, 4, wrong.placed())
    correct(pipeline.endpoint, pipeline.orders, 0, 5, nameless.placed())
    assert retry_rejected(pipeline.endpoint, mine).retried == 4
    put_back(pipeline, pipeline.orders)  # beside the retries
    pipeline.refresh()
    assert staged(pipeline) == {"accepted": 5, "rejected": 2}
    put_back(pipeline, pipeline.orders)  # whose payloads are not what was accepted
    pipeline.refresh()
    assert staged(pipeline) == {"accepted": 5, "rejected": 2}
    pipeline.assert_sound(events=11)
