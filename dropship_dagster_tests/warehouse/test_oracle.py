"""The oracle finds what is missing, doubled or wrong."""

from __future__ import annotations

import json

import pytest

from dropship_dagster.warehouse import delete_old_messages
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

DAMAGES = {
    "a row gone from RAW": ("DELETE FROM RAW.CUSTOMERS WHERE KAFKA_OFFSET = 0", "1 offsets are missing from RAW"),
    "a row twice in RAW": (
        "INSERT INTO RAW.CUSTOMERS SELECT * FROM RAW.CUSTOMERS WHERE KAFKA_OFFSET = 0",
        "1 messages are in RAW twice",
    ),
    "a row gone from STAGING": (
        "DELETE FROM STAGING.PRODUCT_EVENTS WHERE KAFKA_OFFSET = 0",
        "1 messages of RAW are not in STAGING",
    ),
    "a reject twice": (
        "INSERT INTO STAGING.REJECTED_EVENTS SELECT * FROM STAGING.REJECTED_EVENTS",
        "1 messages are in STAGING twice",
    ),
    "an amount changed": (
        "UPDATE PROD.ORDERS SET TOTAL = TOTAL + 0.01",
        "PROD.ORDERS: 1 rows, 1 expected, 2 differences",
    ),
    "a line twice": (
        "INSERT INTO PROD.ORDER_LINES SELECT * FROM PROD.ORDER_LINES",
        "PROD.ORDER_LINES: 2 rows, 1 expected, 0 differences; first: rows that are there twice",
    ),
    "a customer gone": ("DELETE FROM PROD.CUSTOMERS", "PROD.CUSTOMERS: 0 rows, 1 expected, 1 differences"),
    "a history cut": (
        "UPDATE PROD.CUSTOMERS_HISTORY SET VALID_TO = NULL",
        "PROD.CUSTOMERS_HISTORY: 2 rows, 2 expected",
    ),
    "a day changed": ("UPDATE PROD.DAILY_SALES SET REVENUE = 1", "PROD.DAILY_SALES: 1 rows, 1 expected, 2 differences"),
    "a product's day changed": (
        "UPDATE PROD.DAILY_PRODUCT_SALES SET UNITS = 77",
        "PROD.DAILY_PRODUCT_SALES: 1 rows, 1 expected, 2 differences",
    ),
    "a delivery invented": (
        "INSERT INTO PROD.DAILY_SUPPLIER_DELIVERIES VALUES ('2026-03-01', 'S1', 144, 1, 0, 1440)",
        "PROD.DAILY_SUPPLIER_DELIVERIES: 1 rows, 0 expected, 1 differences",
    ),
    "a first order gone": (
        "DELETE FROM PROD.CUSTOMER_FIRST_ORDERS",
        "PROD.CUSTOMER_FIRST_ORDERS: 0 rows, 1 expected, 1 differences",
    ),
    "an offset set back": ("UPDATE OPS.KAFKA_OFFSETS SET NEXT_OFFSET = 0", "outside the offsets that are loaded"),
}


@pytest.fixture
def sound(own_pipeline: Pipeline) -> Pipeline:
    pipeline = own_pipeline
    pipeline.send(pipeline.customers, [customer("C0000001", version) for version in (1, 2)], partition=0)
    pipeline.send(pipeline.products, [product("P00001")], partition=0)
    pipeline.send(pipeline.orders, [Order("O1").placed(), Order("O1").paid(), b"?"], partition=0)
    pipeline.load()
    pipeline.refresh()
    pipeline.assert_sound(events=6)
    return pipeline


def test_every_kind_of_damage_is_found(sound: Pipeline) -> None:
    overlooked = {}
    for name, (damage, problem) in DAMAGES.items():
        problems = damaged(sound, damage)
        if not any(problem in line for line in problems):
            overlooked[name] = problems
    assert overlooked == {}
    sound.assert_sound(events=6)


def damaged(pipeline: Pipeline, damage: str) -> tuple[str, ...]:
    """The problems the oracle finds after the damage, which is mended again from a copy."""
    table = next(
        word for word in damage.split() if "." in word and word.split(".")[0] in {"RAW", "STAGING", "PROD", "OPS"}
    )
    pipeline.rows(f"CREATE OR REPLACE TABLE OPS.KEPT AS SELECT * FROM {table}")
    pipeline.rows(damage)
    report = pipeline.verify()
    pipeline.rows(f"DELETE FROM {table}")
    pipeline.rows(f"INSERT INTO {table} SELECT * FROM OPS.KEPT")
    assert not report.ok
    return report.problems


def test_the_report_is_json_with_the_first_differences(sound: Pipeline) -> None:
    sound.rows("UPDATE PROD.ORDERS SET STATUS = 'LOST'")
    report = json.loads(sound.verify().to_json())
    assert report["ok"] is False
    assert set(report["topics"][sound.orders]) >= {
        "partitions", "first_offset", "next_offset", "broker_end", "raw_rows", "duplicates", "gaps",
    }  # fmt: skip
    assert report["staging"] == {"accepted": 5, "rejected": 1, "missing": 0, "doubled": 0}
    orders = report["prod"]["ORDERS"]
    assert (orders["rows"], orders["expected"], orders["differences"]) == (1, 1, 2)
    assert {example["SIDE"]: example["STATUS"] for example in orders["examples"]} == {
        "missing": "PAID",
        "surplus": "LOST",
    }


def test_messages_that_are_not_loaded_show_as_lag(sound: Pipeline) -> None:
    sound.send(sound.orders, [Order("O2").placed()])
    report = sound.verify()
    assert report.ok
    assert report.topics[sound.orders].lag == 1


def test_old_messages_leave_raw_and_the_rest_stays_sound(sound: Pipeline) -> None:
    sound.rows("UPDATE RAW.CUSTOMERS SET INGESTED_AT = DATEADD('DAY', -40, INGESTED_AT) WHERE KAFKA_OFFSET = 0")
    assert delete_old_messages(sound.endpoint, days=30).deleted == {"CUSTOMERS": 1, "PRODUCTS": 0, "ORDERS_EVENTS": 0}
    assert delete_old_messages(sound.endpoint, days=30).deleted["CUSTOMERS"] == 0
    verdict = sound.assert_sound(events=5).topics[sound.customers]
    assert (verdict.first_offset, verdict.raw_rows) == (1, 1)
    sound.send(sound.customers, [customer("C0000001", 3)], partition=0)
    sound.load()
    sound.refresh()
    sound.assert_sound(events=6)
