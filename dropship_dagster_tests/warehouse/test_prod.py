"""STAGING -> PROD: newest version wins, whatever comes late, twice or in the wrong order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from dropship_dagster_tests.warehouse.events import Line, Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.removesuffix("Z"))


def carry(pipeline: Pipeline, **topics: list[dict[str, object]]) -> None:
    """Send, load, refresh."""
    for name, events in topics.items():
        pipeline.send(getattr(pipeline, name), events)
    pipeline.load()
    pipeline.refresh()


def test_an_order_is_folded_from_its_events(pipeline: Pipeline) -> None:
    order = Order(
        pipeline.id(1), lines=(Line("P1", 2, "19.90", "7.50"), Line("P2", 1, "49.00", "20.00")), discount="8.88"
    )
    carry(
        pipeline,
        orders=[order.placed(), order.paid(), order.shipped(), order.delivered(), order.returned(refunded="19.90")],
    )
    row = pipeline.order(order.order_id)
    assert (row["STATUS"], row["VERSION"], row["REASON"]) == ("RETURNED", 5, "too_small")
    assert row["TOTAL"] == Decimal("84.82")
    assert row["REVENUE"] == Decimal("64.92")
    assert row["COST"] == Decimal("35.00")
    assert row["MARGIN"] == Decimal("29.92")
    assert (row["LINE_COUNT"], row["UNITS"], row["CARRIER"]) == (2, 3, "DHL")
    assert row["SHIPPED_AT"] == utc("2026-03-02T09:00:00.000Z")
    assert pipeline.rows(
        "SELECT LINE_NO, PRODUCT_ID, QUANTITY, AMOUNT FROM PROD.ORDER_LINES WHERE ORDER_ID = ? ORDER BY 1",
        order.order_id,
    ) == [(1, "P1", 2, Decimal("39.80")), (2, "P2", 1, Decimal("49.00"))]
    pipeline.assert_sound()


def test_a_cancelled_order_has_no_revenue_and_no_cost_unless_it_had_shipped(pipeline: Pipeline) -> None:
    early, late = Order(pipeline.id(1)), Order(pipeline.id(2))
    carry(
        pipeline,
        orders=[
            early.placed(),
            early.cancelled(),
            late.placed(),
            late.paid(),
            late.shipped(),
            late.cancelled(version=4, refunded="24.90"),
        ],
    )
    money = [
        [pipeline.order(order.order_id)[name] for name in ("REVENUE", "COST", "MARGIN")] for order in (early, late)
    ]
    assert money == [[0, 0, 0], [0, Decimal("8.00"), Decimal("-8.00")]]
    pipeline.assert_sound()


def test_delivered_before_shipped_before_placed_ends_the_same(pipeline: Pipeline) -> None:
    order = Order(pipeline.id(1))
    for events in ([order.delivered()], [order.shipped()], [order.paid()]):
        carry(pipeline, orders=events)
        row = pipeline.order(order.order_id)
        assert (row["STATUS"], row["VERSION"], row["PLACED_AT"], row["REVENUE"]) == ("DELIVERED", 4, None, None)
        pipeline.assert_sound()
    carry(pipeline, orders=[order.placed()])
    row = pipeline.order(order.order_id)
    assert (row["STATUS"], row["REVENUE"], row["CARRIER"]) == ("DELIVERED", order.total, "DHL")
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDER_STATUS_HISTORY WHERE ORDER_ID = ?", order.order_id) == 4
    pipeline.assert_sound()


def test_clocks_do_not_decide_versions_do(pipeline: Pipeline) -> None:
    order = Order(pipeline.id(1))
    carry(
        pipeline,
        orders=[
            order.placed(at="2026-03-01T10:00:00.000Z"),
            order.shipped(version=3, at="2026-03-02T09:00:00.000Z", carrier="DHL"),
            order.shipped(version=5, at="2026-03-02T08:00:00.000Z", carrier="GLS"),
            order.delivered(version=6, at="2026-03-01T09:00:00.000Z"),
        ],
    )
    row = pipeline.order(order.order_id)
    assert (row["STATUS"], row["CARRIER"], row["SHIPPED_AT"]) == ("DELIVERED", "GLS", utc("2026-03-02T08:00:00.000Z"))
    pipeline.assert_sound()


def test_the_same_events_again_under_new_offsets_change_nothing(pipeline: Pipeline) -> None:
    orders = [Order(pipeline.id(number), customer_id=pipeline.id(1, "C")) for number in range(5)]
    events = {
        "customers": [customer(pipeline.id(1, "C"), version) for version in (1, 2, 3)],
        "products": [product(pipeline.id(1, "P")), product(pipeline.id(1, "P"), 2, deleted=True)],
        "orders": [event for order in orders for event in (order.placed(), order.paid(), order.shipped())],
    }
    carry(pipeline, **events)
    tables = ("CUSTOMERS", "CUSTOMERS_HISTORY", "SUPPLIERS", "PRODUCTS", "PRODUCTS_HISTORY", "ORDERS", "ORDER_LINES")
    state = [sorted(map(repr, pipeline.rows(f"SELECT * FROM PROD.{table}"))) for table in (*tables, "DAILY_SALES")]
    carry(pipeline, **events)
    carry(pipeline, **{name: list(reversed(sent)) for name, sent in events.items()})
    again = [sorted(map(repr, pipeline.rows(f"SELECT * FROM PROD.{table}"))) for table in (*tables, "DAILY_SALES")]
    assert again == state
    pipeline.assert_sound(events=3 * 20)


def test_a_late_update_does_not_bring_a_deleted_customer_back(pipeline: Pipeline) -> None:
    name = pipeline.id(1, "C")
    carry(pipeline, customers=[customer(name, 1)])
    carry(pipeline, customers=[customer(name, 3, deleted=True)])
    carry(pipeline, customers=[customer(name, 2, city="Nantes")])
    assert pipeline.rows("SELECT VERSION, IS_DELETED, CITY FROM PROD.CUSTOMERS WHERE CUSTOMER_ID = ?", name) == [
        (3, True, "Nantes")
    ]
    carry(pipeline, customers=[customer(name, 4, city="Brest")])
    assert pipeline.rows("SELECT VERSION, IS_DELETED, CITY FROM PROD.CUSTOMERS WHERE CUSTOMER_ID = ?", name) == [
        (4, False, "Brest")
    ]
    pipeline.assert_sound(events=4)


def test_the_history_of_a_customer_is_a_chain_even_when_a_version_comes_late(pipeline: Pipeline) -> None:
    name = pipeline.id(1, "C")
    carry(pipeline, customers=[customer(name, 1), customer(name, 4, deleted=True)])
    carry(pipeline, customers=[customer(name, 3)])
    carry(pipeline, customers=[customer(name, 2), customer(name, 1)])
    days = [utc(f"2026-01-0{day}T08:00:00.000Z") for day in (1, 2, 3, 4)]
    assert pipeline.rows(
        "SELECT VERSION, VALID_FROM, VALID_TO, IS_CURRENT, IS_DELETED FROM PROD.CUSTOMERS_HISTORY "
        "WHERE CUSTOMER_ID = ? ORDER BY VERSION",
        name,
    ) == [
        (1, days[0], days[1], False, False),
        (2, days[1], days[2], False, False),
        (3, days[2], days[3], False, False),
        (4, days[3], None, True, True),
    ]
    pipeline.assert_sound(events=5)


def test_suppliers_are_those_of_the_newest_product_event(pipeline: Pipeline) -> None:
    supplier = product("X")["supplier"] | {"supplier_id": pipeline.id(1, "S")}
    carry(
        pipeline,
        products=[
            product(pipeline.id(1, "P"), 3, supplier=supplier | {"lead_time_days": 9}),
            product(pipeline.id(2, "P"), 1, supplier=supplier | {"lead_time_days": 4}),
        ],
    )
    carry(pipeline, products=[product(pipeline.id(3, "P"), 2, supplier=supplier | {"lead_time_days": 5})])
    assert (
        pipeline.value("SELECT LEAD_TIME_DAYS FROM PROD.SUPPLIERS WHERE SUPPLIER_ID = ?", supplier["supplier_id"]) == 9
    )
    pipeline.assert_sound(events=3)


def sales(pipeline: Pipeline) -> list[tuple[object, ...]]:
    return pipeline.rows(
        "SELECT SALES_DATE::VARCHAR, CATEGORY, ORDERS, UNITS, REVENUE, COST FROM PROD.DAILY_SALES ORDER BY 1, 2"
    )


def test_daily_sales_follow_late_events_of_old_days_and_touch_no_other(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    old, new = Order("O1"), Order("O2", lines=(Line("P00001"), Line("P00002", 1, "40.00", "10.00")))
    carry(
        pipeline,
        products=[product("P00001"), product("P00002", category="Shoes")],
        orders=[old.placed(), new.placed(at="2026-03-09T10:00:00.000Z")],
    )
    before = sales(pipeline)
    assert before == [
        ("2026-03-01", "Tops", 1, 1, Decimal("24.90"), Decimal("8.00")),
        ("2026-03-09", "Shoes", 1, 1, Decimal("43.27"), Decimal("10.00")),
        ("2026-03-09", "Tops", 1, 1, Decimal("21.63"), Decimal("8.00")),
    ]
    pipeline.rows("UPDATE PROD.DAILY_SALES SET UNITS = 77 WHERE SALES_DATE = '2026-03-09'")
    carry(pipeline, orders=[old.returned(version=2, refunded="20.00")])
    assert sales(pipeline)[0] == ("2026-03-01", "Tops", 1, 1, Decimal("4.90"), Decimal("8.00"))
    assert [row[3] for row in sales(pipeline)] == [1, 77, 77], "another day was counted anew"
    carry(pipeline, orders=[new.cancelled(version=2)])
    assert [row[2:] for row in sales(pipeline)[1:]] == [(1, 1, 0, 0), (1, 1, 0, 0)]
    pipeline.assert_sound()


def test_daily_sales_follow_products_that_come_late_or_change_their_category(emptied_pipeline: Pipeline) -> None:
    pipeline = emptied_pipeline
    carry(pipeline, orders=[Order("O1").placed()])
    assert [row[1] for row in sales(pipeline)] == ["UNKNOWN"]
    carry(pipeline, products=[product("P00001")])
    assert [row[1] for row in sales(pipeline)] == ["Tops"]
    carry(pipeline, products=[product("P00001", 2, stock=3)])
    carry(pipeline, products=[product("P00001", 3, category="Sale")])
    assert [row[1] for row in sales(pipeline)] == ["Sale"]
    carry(pipeline, products=[product("P00001", 4, deleted=True)])
    assert [row[1] for row in sales(pipeline)] == ["Sale"]
    pipeline.assert_sound()


def test_an_order_is_traced_to_its_messages(pipeline: Pipeline) -> None:
    order = Order(pipeline.id(1))
    carry(pipeline, orders=[order.placed(), order.paid()])
    traced = pipeline.rows(
        "SELECT t.EVENT_TYPE, r.PAYLOAD:event_type::VARCHAR, l.RUN_ID IS NOT NULL FROM PROD.V_ORDER_TRACE t "
        "JOIN RAW.ORDERS_EVENTS r ON r.TOPIC_ID = t.TOPIC_ID AND r.KAFKA_PARTITION = t.KAFKA_PARTITION "
        "AND r.KAFKA_OFFSET = t.KAFKA_OFFSET JOIN OPS.LOADS l ON l.BATCH_ID = t.BATCH_ID "
        "WHERE t.ORDER_ID = ? ORDER BY t.VERSION",
        order.order_id,
    )
    assert traced == [("order_placed", "order_placed", True), ("order_paid", "order_paid", True)]
