"""RAW -> STAGING: every message is accepted or rejected with a reason, and loading never stops."""

from __future__ import annotations

from typing import Any

import pytest

from dropship_dagster.warehouse import Selection, correct, list_rejected, retry_rejected, show_rejected
from dropship_dagster.warehouse.errors import WarehouseError
from dropship_dagster_tests.warehouse.events import Line, Order, customer, encode, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}


def reasons(pipeline: Pipeline, topic: str) -> dict[int, str]:
    """Reason by offset, of a topic sent to one partition."""
    rows = pipeline.rows("SELECT KAFKA_OFFSET, REJECT_REASON FROM STAGING.REJECTED_EVENTS WHERE TOPIC = ?", topic)
    return {int(offset): reason for offset, reason in rows}


def test_messages_that_are_no_json_objects_are_kept_as_they_came_and_rejected(pipeline: Pipeline) -> None:
    messages = {
        b"": "the value is not JSON in UTF-8",
        None: "the message has no value (a tombstone)",
        b"\xff\xfe\x00": "the value is not JSON in UTF-8",
        b'{"order_id": "O1"': "the value is not JSON in UTF-8",
        b"plain text": "the value is not JSON in UTF-8",
        b"\\N": "the value is not JSON in UTF-8",  # what files mark NULL with
        b"caf\xc3\xa9\x00": "the value is not JSON in UTF-8",
        b"[1, 2]": "the value is not a JSON object",
        b"null": "the value is not a JSON object",
        b"42": "the value is not a JSON object",
        b'"text"': "the value is not a JSON object",
        b"{}": "event_id is missing",
    }
    good = Order(pipeline.id(1)).placed()
    pipeline.send(pipeline.orders, [*messages, good], partition=0, headers={"trace": b"\xff\x01", "producer": b"test"})
    pipeline.load()
    pipeline.refresh()

    assert reasons(pipeline, pipeline.orders) == dict(enumerate(messages.values()))
    stored = pipeline.rows(
        "SELECT VALUE, PAYLOAD IS NOT NULL, HEADERS::VARCHAR FROM RAW.ORDERS_EVENTS "
        "WHERE TOPIC = ? ORDER BY KAFKA_OFFSET",
        pipeline.orders,
    )
    assert [None if value is None else bytes(value) for value, _, _ in stored] == [*messages, encode(good)]
    assert [is_json for _, is_json, _ in stored] == [False] * 7 + [True] * 6
    assert {headers.replace(" ", "") for _, _, headers in stored} == {'[["trace","/wE="],["producer","test"]]'}
    pipeline.assert_sound(events=13)


ORDER = Order("X")
BROKEN_ORDERS: list[tuple[str, dict[str, Any], str]] = [
    ("no event type", without(ORDER.placed(), "event_type"), "event_type is missing"),
    ("unknown event type", ORDER.placed(event_type="order_eaten"), "event_type is not one of an order"),
    ("event id", ORDER.placed(event_id="1"), "event_id is not a UUID"),
    ("no schema version", without(ORDER.placed(), "schema_version"), "schema_version is missing"),
    ("text version", ORDER.placed(version="one"), "version is not an integer"),
    ("fractional version", ORDER.placed(version=1.5), "version is not an integer"),
    ("null version", ORDER.placed(version=None), "version is missing"),
    ("version zero", ORDER.placed(version=0), "version is less than 1"),
    ("placed late", ORDER.placed(version=2), "order_placed is not version 1"),
    ("paid first", ORDER.paid(version=1), "version 1 is not order_placed"),
    ("local time", ORDER.placed(event_time="2026-03-01 10:00"), "event_time is not a UTC time"),
    ("impossible time", ORDER.placed(event_time="2026-02-30T10:00:00.000Z"), "event_time is not a UTC time"),
    ("no order id", without(ORDER.placed(), "order_id"), "order_id is missing"),
    ("empty order id", ORDER.placed(order_id=""), "order_id is not an identifier"),
    ("no customer", without(ORDER.placed(), "customer_id"), "customer_id is missing"),
    ("no country", ORDER.placed(country=None), "country is missing"),
    ("country's name", ORDER.placed(country="France"), "country is not an ISO 3166-1 code"),
    ("currency", ORDER.placed(currency="EURO"), "currency is not an ISO 4217 code"),
    ("exchange rate", ORDER.placed(exchange_rate=0), "exchange_rate is not positive"),
    ("no total", without(ORDER.placed(), "total"), "total is missing"),
    ("total as text", ORDER.placed(total="a lot"), "total is not an amount"),
    ("total too large", ORDER.placed(total=1e15), "total is not an amount"),
    ("negative fee", ORDER.placed(shipping_fee=-1), "shipping_fee is negative"),
    ("wrong total", ORDER.placed(total=1.0), "total is not goods - discount + shipping_fee"),
    ("no lines", without(ORDER.placed(), "lines"), "lines is missing"),
    ("empty lines", ORDER.placed(lines=[]), "lines is empty"),
    ("lines as text", ORDER.placed(lines="two shirts"), "lines is not an array"),
    ("lines as object", ORDER.placed(lines={"line_no": 1}), "lines is not an array"),
    ("lines of numbers", ORDER.placed(lines=[1, 2]), "lines: line_no is missing or not an integer"),
    ("quantity", ORDER.placed(lines=[ORDER.placed()["lines"][0] | {"quantity": 0}]), "lines: quantity is less than 1"),
    (
        "price",
        ORDER.placed(lines=[ORDER.placed()["lines"][0] | {"unit_price": "x"}]),
        "lines: unit_price is missing or",
    ),
    ("line twice", ORDER.placed(lines=ORDER.placed()["lines"] * 2), "lines: line_no is not unique"),
    (
        "absurd quantity",
        ORDER.placed(lines=[ORDER.placed()["lines"][0] | {"quantity": 2_000_000}]),
        "lines: the sum is beyond all reason",
    ),
    ("no carrier", without(ORDER.shipped(), "carrier"), "carrier is missing"),
    ("no reason", without(ORDER.cancelled(), "reason"), "reason is missing"),
    ("no refund", without(ORDER.returned(), "refunded_amount"), "refunded_amount is missing"),
    ("negative refund", ORDER.returned(refunded="-1"), "refunded_amount is negative"),
]
BROKEN_CUSTOMERS: list[tuple[str, dict[str, Any], str]] = [
    ("no id", without(customer("X"), "customer_id"), "customer_id is missing"),
    ("an order's event", customer("X") | {"event_type": "order_paid"}, "event_type is not one of a customer"),
    ("no name", customer("X", name=None), "name is missing"),
    ("no e-mail", without(customer("X"), "email"), "email is missing"),
    ("country", customer("X", country="F"), "country is not an ISO 3166-1 code"),
    ("sign-up", customer("X", signed_up_at="yesterday"), "signed_up_at is not a UTC time"),
]
BROKEN_PRODUCTS: list[tuple[str, dict[str, Any], str]] = [
    ("no id", without(product("X"), "product_id"), "product_id is missing"),
    ("no category", product("X", category=None), "category is missing"),
    ("price", product("X", price="cheap"), "price is not an amount"),
    ("negative cost", product("X", cost=-0.01), "cost is negative"),
    ("no supplier", without(product("X"), "supplier"), "supplier.supplier_id is missing"),
    (
        "reliability",
        product("X", supplier=product("X")["supplier"] | {"reliability": 1.5}),
        "supplier.reliability is not",
    ),
    ("stock", product("X", stock="none"), "stock is not an integer"),
]


def test_events_of_the_wrong_shape_are_rejected_with_the_field_and_the_rule(pipeline: Pipeline) -> None:
    broken = {
        pipeline.orders: BROKEN_ORDERS,
        pipeline.customers: BROKEN_CUSTOMERS,
        pipeline.products: BROKEN_PRODUCTS,
    }
    for topic, cases in broken.items():
        pipeline.send(topic, [event for _, event, _ in cases], partition=1)
    pipeline.load()
    pipeline.refresh()
    for topic, cases in broken.items():
        found = reasons(pipeline, topic)
        wrong = {
            name: found.get(offset)
            for offset, (name, _, reason) in enumerate(cases)
            if not (found.get(offset) or "").startswith(reason)
        }
        assert wrong == {}
    pipeline.assert_sound(events=sum(len(cases) for cases in broken.values()))


def test_unknown_fields_and_newer_schema_versions_are_kept(pipeline: Pipeline) -> None:
    order = Order(pipeline.id(1))
    pipeline.send(pipeline.orders, [order.placed(schema_version=2, gift_wrap={"colour": "red"})])
    pipeline.load()
    pipeline.refresh()
    assert pipeline.rows(
        "SELECT SCHEMA_VERSION, PAYLOAD:gift_wrap.colour::VARCHAR FROM STAGING.ORDER_EVENTS WHERE ORDER_ID = ?",
        order.order_id,
    ) == [(2, "red")]
    pipeline.assert_sound(events=1)


def test_a_corrected_message_lands_once_however_often_it_is_retried(pipeline: Pipeline) -> None:
    order, other = Order(pipeline.id(1), lines=(Line("P1", 2), Line("P2"))), Order(pipeline.id(2))
    pipeline.send(pipeline.orders, [order.placed(total=1.0), other.placed(country=None)], partition=2)
    pipeline.load()
    pipeline.refresh()
    mine = Selection(topic=pipeline.orders)
    assert [message.offset for message in list_rejected(pipeline.endpoint, mine)] == [0, 1]

    assert retry_rejected(pipeline.endpoint, mine).retried == 2
    assert retry_rejected(pipeline.endpoint, mine).retried == 0
    pipeline.refresh()
    assert {(message.offset, message.attempt) for message in list_rejected(pipeline.endpoint, mine)} == {(0, 2), (1, 2)}
    pipeline.assert_sound(events=2)

    assert show_rejected(pipeline.endpoint, pipeline.orders, 2, 0).payload["total"] == 1.0
    fixed = correct(pipeline.endpoint, pipeline.orders, 2, 0, order.placed())
    assert fixed.payload["total"] == float(order.total)
    assert retry_rejected(pipeline.endpoint, Selection(topic=pipeline.orders, reason="TOTAL is not")).retried == 1
    pipeline.refresh()
    pipeline.refresh()
    assert [message.offset for message in list_rejected(pipeline.endpoint, mine)] == [1]
    assert pipeline.order(order.order_id)["UNITS"] == 3
    pipeline.assert_sound(events=2)


def test_a_place_that_is_not_rejected_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(WarehouseError, match="partition 0, offset 17 is rejected; `dropship rejected list`"):
        show_rejected(pipeline.endpoint, pipeline.orders, 0, 17)
