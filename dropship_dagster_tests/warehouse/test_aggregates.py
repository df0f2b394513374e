"""The aggregates behind the dashboard: right after late events, changed mappings and corrections, only touched keys."""

from __future__ import annotations

from typing import Any

from dropship_dagster_tests.warehouse.events import Line, Order, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from dropship_dagster_tests.warehouse.test_prod import carry, utc

TWO_SIZES = (Line("P00001", 2), Line("P00002"))


def sold(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.rows(
        "SELECT SALES_DATE::VARCHAR, PRODUCT_ID, SIZE, UNITS_ORDERED, UNITS, AMOUNT::FLOAT, COST::FLOAT "
        "FROM PROD.DAILY_PRODUCT_SALES ORDER BY 1, 2, 3"
    )


def deliveries(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.rows(
        "SELECT SALES_DATE::VARCHAR, SUPPLIER_ID, MINUTES, ORDERS, LATE, PROMISED_MINUTES "
        "FROM PROD.DAILY_SUPPLIER_DELIVERIES ORDER BY 1, 2, 3"
    )


def firsts(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.rows("SELECT CUSTOMER_ID, ORDER_ID, FIRST_AT FROM PROD.CUSTOMER_FIRST_ORDERS ORDER BY 1")


def test_product_sales_follow_late_events_of_old_days_and_touch_no_other(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    old, new = Order("O1", lines=TWO_SIZES), Order("O2")
    carry(pipeline, orders=[old.placed(), new.placed(at="2026-03-09T10:00:00.000Z")])
    assert sold(pipeline) == [
        ("2026-03-01", "P00001", "M", 2, 2, 40.0, 16.0),
        ("2026-03-01", "P00002", "M", 1, 1, 20.0, 8.0),
        ("2026-03-09", "P00001", "M", 1, 1, 20.0, 8.0),
    ]
    pipeline.rows("UPDATE PROD.DAILY_PRODUCT_SALES SET UNITS = 77 WHERE SALES_DATE = '2026-03-09'")
    carry(pipeline, orders=[old.cancelled()])
    assert sold(pipeline) == [
        ("2026-03-01", "P00001", "M", 2, 0, 0.0, 0.0),
        ("2026-03-01", "P00002", "M", 1, 0, 0.0, 0.0),
        ("2026-03-09", "P00001", "M", 1, 77, 20.0, 8.0),
    ], "the cancelled order counts as ordered only, and the other day is not counted anew"
    carry(pipeline, orders=[new.paid()])
    pipeline.assert_sound()


def test_deliveries_are_counted_once_a_supplier_and_leave_with_a_correction(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    other = product("X")["supplier"] | {"supplier_id": "S002"}
    order = Order("O1", lines=(Line("P00001"), Line("P00002"), Line("P00003")))
    carry(
        pipeline,
        products=[product("P00001"), product("P00002"), product("P00003", supplier=other)],
        orders=[order.placed(), order.delivered(), order.paid()],
    )
    promised = 5 * 1440 + 8 * 60 - 5
    taken = 42 * 144  # 4 days, 4 hours and 55 minutes are 4.2 days
    assert deliveries(pipeline) == [
        ("2026-03-01", "S001", taken, 1, 0, promised),
        ("2026-03-01", "S002", taken, 1, 0, promised),
    ]
    carry(pipeline, orders=[order.delivered(version=5, at="2026-03-07T10:05:00.000Z")])
    assert deliveries(pipeline) == [
        ("2026-03-01", "S001", 6 * 1440, 1, 1, promised),
        ("2026-03-01", "S002", 6 * 1440, 1, 1, promised),
    ]
    carry(pipeline, orders=[order.delivered(version=6, at="2026-02-28T10:05:00.000Z")])
    assert [row[2] for row in deliveries(pipeline)] == [-1440, -1440], "a clock that is off is not rounded upwards"
    pipeline.assert_sound()


def test_deliveries_follow_products_that_come_late_or_change_their_supplier(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    order = Order("O1")
    carry(pipeline, orders=[order.placed(), order.paid(), order.delivered()])
    assert deliveries(pipeline) == []
    carry(pipeline, products=[product("P00001")])
    assert [row[1] for row in deliveries(pipeline)] == ["S001"]
    carry(pipeline, products=[product("P00001", 2, stock=3)])
    moved = product("P00001")["supplier"] | {"supplier_id": "S009"}
    carry(pipeline, products=[product("P00001", 3, supplier=moved)])
    assert [row[1] for row in deliveries(pipeline)] == ["S009"]
    carry(pipeline, products=[product("P00001", 4, deleted=True)])
    assert [row[1] for row in deliveries(pipeline)] == ["S009"]
    pipeline.assert_sound()


def test_the_first_order_is_the_earliest_placed_whatever_comes_first(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    carry(pipeline, orders=[Order("O5").placed(at="2026-03-05T10:00:00.000Z"), Order("O9", "C2").paid()])
    assert firsts(pipeline) == [("C0000001", "O5", utc("2026-03-05T10:00:00.000Z"))]
    carry(pipeline, orders=[Order("O7").placed(at="2026-03-07T10:00:00.000Z")])
    assert [row[1] for row in firsts(pipeline)] == ["O5"]
    carry(pipeline, orders=[Order("O3").placed(at="2026-03-03T10:00:00.000Z"), Order("O9", "C2").placed()])
    assert [row[:2] for row in firsts(pipeline)] == [("C0000001", "O3"), ("C2", "O9")]
    pipeline.assert_sound()
