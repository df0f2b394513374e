"""Damage in PROD is mended from what it is derived from, and an accepted event can be taken out again."""

from __future__ import annotations

from typing import Any

import pytest

from dropship_dagster import warehouse
from dropship_dagster.warehouse import Selection
from dropship_dagster.warehouse.model import KEYS
from dropship_dagster_tests.warehouse.events import Line, Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from dropship_dagster_tests.warehouse.test_prod import carry

DAMAGE = {
    "CUSTOMERS": "UPDATE PROD.CUSTOMERS SET NAME = 'nobody' WHERE CUSTOMER_ID = 'C1'",
    "CUSTOMERS_HISTORY": "DELETE FROM PROD.CUSTOMERS_HISTORY WHERE VERSION = 1",
    "SUPPLIERS": "INSERT INTO PROD.SUPPLIERS (SUPPLIER_ID, SEEN_IN) VALUES ('S999', 'x')",
    "PRODUCTS": "DELETE FROM PROD.PRODUCTS",
    "PRODUCTS_HISTORY": "UPDATE PROD.PRODUCTS_HISTORY SET IS_CURRENT = FALSE",
    "ORDERS": "UPDATE PROD.ORDERS SET REVENUE = 1 WHERE ORDER_ID = 'O1'",
    "ORDER_LINES": "INSERT INTO PROD.ORDER_LINES SELECT * FROM PROD.ORDER_LINES WHERE ORDER_ID = 'O1'",
    "ORDER_STATUS_HISTORY": "DELETE FROM PROD.ORDER_STATUS_HISTORY WHERE ORDER_ID = 'O2'",
    "DAILY_SALES": "UPDATE PROD.DAILY_SALES SET SALES_DATE = '2020-01-01'",
    "DAILY_PRODUCT_SALES": "UPDATE PROD.DAILY_PRODUCT_SALES SET UNITS = 99",
    "DAILY_SUPPLIER_DELIVERIES": "DELETE FROM PROD.DAILY_SUPPLIER_DELIVERIES",
    "CUSTOMER_FIRST_ORDERS": "UPDATE PROD.CUSTOMER_FIRST_ORDERS SET ORDER_ID = 'O2' WHERE CUSTOMER_ID = 'C1'",
}


def fill(pipeline: Pipeline) -> None:
    first, second = Order("O1", "C1", lines=(Line("P1", 2), Line("P2"))), Order("O2", "C1", country="DE")
    carry(
        pipeline,
        customers=[customer("C1"), customer("C1", 2)],
        products=[product("P1"), product("P2", category="Shoes"), product("P00001")],
        orders=[
            first.placed(),
            first.paid(),
            first.delivered(),
            second.placed(at="2026-03-02T10:00:00.000Z"),
            second.cancelled(at="2026-03-02T11:00:00.000Z"),
        ],
    )
    pipeline.rows("ALTER TASK OPS.REFRESH SUSPEND")


def content(pipeline: Pipeline, table: str) -> list[tuple[Any, ...]]:
    return sorted(pipeline.rows(f"SELECT * FROM PROD.{table}"), key=repr)


def test_every_table_is_mended_and_a_right_one_stays_as_it_is(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    assert set(DAMAGE) == set(KEYS)
    fill(pipeline)
    before = {table: content(pipeline, table) for table in KEYS}
    assert all(before.values())
    untouched = warehouse.rebuild(pipeline.endpoint, ["ALL"])
    assert [(one.table, one.removed, one.changed) for one in untouched.tables] == [(table, 0, 0) for table in KEYS]
    assert {table: content(pipeline, table) for table in KEYS} == before
    for table, damage in DAMAGE.items():
        pipeline.rows(damage)
        assert content(pipeline, table) != before[table]
        [mended] = warehouse.rebuild(pipeline.endpoint, [f"prod.{table.lower()}"]).tables
        assert mended.removed + mended.changed > 0
        drop_time = [row[:-1] for row in content(pipeline, table)] if table == "ORDERS" else content(pipeline, table)
        assert drop_time == ([row[:-1] for row in before[table]] if table == "ORDERS" else before[table]), table
    pipeline.refresh()
    pipeline.assert_sound()


def test_a_table_that_is_not_in_prod_is_refused_by_name(emptied_pipeline: Pipeline) -> None:
    with pytest.raises(
        warehouse.WarehouseError, match=r"PROD has no table SALES to rebuild: it is one of CUSTOMERS, .*ALL"
    ):
        warehouse.rebuild(emptied_pipeline.endpoint, ["SALES"])


def place(pipeline: Pipeline, order_id: str, version: int) -> tuple[int, int]:
    [(partition, offset)] = pipeline.rows(
        "SELECT KAFKA_PARTITION, KAFKA_OFFSET FROM STAGING.ORDER_EVENTS WHERE ORDER_ID = ? AND VERSION = ?",
        order_id,
        version,
    )
    return int(partition), int(offset)


def test_an_event_that_is_set_aside_leaves_prod_and_comes_back_once_when_it_is_retried(
    emptied_pipeline: Pipeline,
) -> None:
    pipeline = emptied_pipeline
    fill(pipeline)
    before = {table: content(pipeline, table) for table in KEYS if table != "ORDERS"}
    where = place(pipeline, "O1", 4)
    rejected = warehouse.set_aside(pipeline.endpoint, pipeline.orders, *where, "the parcel was not delivered")
    assert rejected.reason == "set aside: the parcel was not delivered"
    assert pipeline.order("O1")["STATUS"] == "PAID"
    pipeline.refresh()
    assert pipeline.value("SELECT COUNT(*) FROM PROD.DAILY_SUPPLIER_DELIVERIES") == 0
    pipeline.assert_sound()
    assert warehouse.retry_rejected(pipeline.endpoint, Selection(reason="set aside")).retried == 1
    pipeline.refresh()
    assert pipeline.order("O1")["STATUS"] == "DELIVERED"
    assert {table: content(pipeline, table) for table in KEYS if table != "ORDERS"} == before
    pipeline.assert_sound()


def test_an_order_whose_only_event_is_set_aside_leaves_its_day_and_its_customer(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    fill(pipeline)
    only = Order("O0", "C1", lines=(Line("P1"),))
    carry(pipeline, orders=[only.placed(at="2026-02-01T10:00:00.000Z")])
    assert pipeline.rows("SELECT ORDER_ID FROM PROD.CUSTOMER_FIRST_ORDERS WHERE CUSTOMER_ID = 'C1'") == [("O0",)]
    warehouse.set_aside(pipeline.endpoint, pipeline.orders, *place(pipeline, "O0", 1), "a test order")
    pipeline.refresh()
    assert pipeline.rows("SELECT ORDER_ID FROM PROD.CUSTOMER_FIRST_ORDERS WHERE CUSTOMER_ID = 'C1'") == [("O1",)]
    assert pipeline.value("SELECT COUNT(*) FROM PROD.DAILY_SALES WHERE SALES_DATE = '2026-02-01'") == 0
    assert pipeline.value("SELECT COUNT(*) FROM PROD.DAILY_PRODUCT_SALES WHERE SALES_DATE = '2026-02-01'") == 0
    pipeline.assert_sound()


def test_an_event_that_no_task_has_read_yet_can_be_set_aside_and_is_retried_after_they_did(
    emptied_pipeline: Pipeline,
) -> None:
    pipeline = emptied_pipeline
    fill(pipeline)
    pipeline.send(pipeline.orders, [Order("O3", "C1").placed()])
    pipeline.load()
    [(stage,)] = pipeline.rows(
        "SELECT DEFINITION FROM TABLE(INFORMATION_SCHEMA.TASK_DEPENDENTS(TASK_NAME => 'OPS.REFRESH')) "
        "WHERE NAME = 'STAGE_ORDER_EVENTS'"
    )
    pipeline.rows(stage)
    where = place(pipeline, "O3", 1)
    warehouse.set_aside(pipeline.endpoint, pipeline.orders, *where, "a double")
    with pytest.raises(warehouse.WarehouseError, match="still waits in a stream"):
        warehouse.retry_rejected(pipeline.endpoint, Selection(reason="set aside"))
    pipeline.refresh()
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDERS WHERE ORDER_ID = 'O3'") == 0
    pipeline.assert_sound()
    warehouse.retry_rejected(pipeline.endpoint, Selection(reason="set aside"))
    pipeline.refresh()
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDERS WHERE ORDER_ID = 'O3'") == 1
    pipeline.assert_sound()


def test_what_is_not_accepted_cannot_be_set_aside(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    fill(pipeline)
    with pytest.raises(warehouse.WarehouseError, match="partition 0, offset 99 is accepted in STAGING"):
        warehouse.set_aside(pipeline.endpoint, pipeline.orders, 0, 99, "no such event")
    with pytest.raises(warehouse.WarehouseError, match="--reason"):
        warehouse.set_aside(pipeline.endpoint, pipeline.orders, 0, 0, " ")
