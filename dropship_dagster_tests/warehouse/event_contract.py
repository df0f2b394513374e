"""The rules of docs/data-contracts.md in plain Python, written from the document and not from the SQL."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

ENTITIES = {"customers": "customer", "products": "product", "orders_events": "order"}
"""What a topic is about; `<entity>_id` is its identifier."""

ORDER_STEPS = ("placed", "paid", "shipped", "delivered", "cancelled", "returned")
BILLION = Decimal(10) ** 9

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z", re.ASCII)
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"[ ]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ ]*")


class UnclearError(Exception):
    """A document that readers of JSON understand differently: the contract promises one verdict, not which."""


def broken_fields(topic: str, value: bytes | None) -> set[str]:
    """The fields of a message that break a rule; "value" where it is no event at all. Empty: it is accepted.

    Args:
        topic: customers, products or orders_events.
        value: the bytes of the message.

    Raises:
        UnclearError: the document says whether it is accepted in no clear way.
    """
    event = _parsed(value)
    if not isinstance(event, dict):
        return {"value"}
    entity = ENTITIES[topic]
    kinds = (
        {f"order_{step}" for step in ORDER_STEPS} if entity == "order" else {f"{entity}_upserted", f"{entity}_deleted"}
    )
    broken = {
        *_unless("event_id", isinstance(event.get("event_id"), str) and _UUID.fullmatch(event["event_id"])),
        *_unless("event_type", isinstance(event.get("event_type"), str) and event["event_type"] in kinds),
        *_unless("schema_version", _integer(event.get("schema_version"), 10) is not None),
        *_unless("version", (_integer(event.get("version"), 10) or 0) >= 1),
        *_unless("event_time", _is_time(event.get("event_time"))),
        *_unless(f"{entity}_id", _is_identifier(event.get(f"{entity}_id"))),
    }
    kind = event["event_type"] if "event_type" not in broken else ""
    if entity == "order" and kind and "version" not in broken:
        broken |= _unless("version", (kind == "order_placed") == (_integer(event["version"], 10) == 1))
    rules = {
        "customer_upserted": _customer,
        "product_upserted": _product,
        "order_placed": _placed,
        "order_shipped": lambda shipped: _texts(shipped, "carrier", "tracking_number"),
        "order_cancelled": _closed,
        "order_returned": _closed,
    }
    return broken | (rules[kind](event) if kind in rules else set())


def _customer(event: dict[str, Any]) -> set[str]:
    return {
        *_texts(event, "name", "email"),
        *_unless("country", _is_code(event.get("country"), 2)),
        *_unless("signed_up_at", _is_time(event.get("signed_up_at"))),
    }


def _product(event: dict[str, Any]) -> set[str]:
    supplier = event.get("supplier")
    supplier = supplier if isinstance(supplier, dict) else {}
    country, window = supplier.get("country"), supplier.get("return_window_days")
    reliability = _number(supplier.get("reliability"), 1, 4)
    return {
        *_texts(event, "name", "category"),
        *_amounts(event, "price", "cost"),
        *_unless("stock", _integer(event.get("stock"), 12) is not None),
        *_unless("created_at", _is_time(event.get("created_at"))),
        *_unless("supplier.supplier_id", _is_identifier(supplier.get("supplier_id"))),
        *_unless("supplier.name", supplier.get("name") is not None),
        *_unless("supplier.country", country is None or _is_code(country, 2)),
        *_unless("supplier.lead_time_days", _is_days(supplier.get("lead_time_days"))),
        *_unless("supplier.reliability", reliability is not None and 0 <= reliability <= 1),
        *_unless("supplier.return_window_days", window is None or _is_days(window)),
    }


def _closed(event: dict[str, Any]) -> set[str]:
    return _texts(event, "reason") | _amounts(event, "refunded_amount")


def _placed(event: dict[str, Any]) -> set[str]:
    rate = _number(event.get("exchange_rate"), 12, 6)
    broken = {
        *_texts(event, "channel", "payment_method"),
        *_amounts(event, "discount", "shipping_fee", "total"),
        *_unless("customer_id", _is_identifier(event.get("customer_id"))),
        *_unless("country", _is_code(event.get("country"), 2)),
        *_unless("currency", _is_code(event.get("currency"), 3)),
        *_unless("exchange_rate", rate is not None and rate > 0),
        *_unless("promised_at", _is_time(event.get("promised_at"))),
    }
    lines = event.get("lines")
    if not isinstance(lines, list) or not lines or not all(map(_is_line, lines)):
        return broken | {"lines"}
    numbers = [_integer(line["line_no"], 10) for line in lines]
    quantities = [_integer(line["quantity"], 7) or 0 for line in lines]
    goods, cost = (
        sum((quantity * _amount(line[name]) for quantity, line in zip(quantities, lines, strict=True)), Decimal())
        for name in ("unit_price", "unit_cost")
    )
    broken |= _unless(
        "lines", len(set(numbers)) == len(numbers) and sum(quantities) <= 1_000_000 and max(goods, cost) <= BILLION
    )
    if not broken & {"lines", "discount", "shipping_fee", "total"}:
        discount, fee, total = (_amount(event[name]) for name in ("discount", "shipping_fee", "total"))
        broken |= _unless("total", total == goods - discount + fee)
    return broken


def _is_line(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and _integer(line.get("line_no"), 10) is not None
        and _is_identifier(line.get("product_id"))
        and (_integer(line.get("quantity"), 7) or 0) >= 1
        and all((_number(line.get(name), 10, 2) or 0) >= 0 for name in ("unit_price", "unit_cost"))
        and all(_number(line.get(name), 10, 2) is not None for name in ("unit_price", "unit_cost"))
    )


def _unless(field: str, holds: Any) -> set[str]:
    return set() if holds else {field}


def _texts(event: dict[str, Any], *fields: str) -> set[str]:
    """A text may be any value but null: it is kept as its text."""
    return {field for field in fields if event.get(field) is None}


def _amounts(event: dict[str, Any], *fields: str) -> set[str]:
    found = {field: _number(event.get(field), 10, 2) for field in fields}
    return {field for field, amount in found.items() if amount is None or not 0 <= amount <= BILLION}


def _is_days(value: Any) -> bool:
    days = _integer(value, 5)
    return days is not None and days >= 0


def _is_identifier(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 100


def _is_code(value: Any, letters: int) -> bool:
    return isinstance(value, str) and re.fullmatch(f"[A-Z]{{{letters}}}", value) is not None


def _is_time(value: Any) -> bool:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return False
    year, month, day, hour, minute, second, milliseconds = map(int, found.groups())
    try:
        dt.datetime(year, month, day, hour, minute, second, milliseconds * 1000, dt.UTC)
    except ValueError:
        return False
    return 1970 <= year <= 2199


def _integer(value: Any, digits: int) -> int | None:
    """A number, or its text, that is written as an integer of so many digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and _INTEGER.fullmatch(value) and len(value) <= 1_000:
        number = int(value)
    else:
        return None
    return number if abs(number) < 10**digits else None


def _number(value: Any, digits: int, decimals: int) -> Decimal | None:
    """A number, or its text, rounded to so many decimals, with so many digits before the point."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        number = Decimal(value.strip(" ")) if isinstance(value, str) else Decimal(value)
        if number and number.adjusted() > 40:
            return None
        rounded = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) if number.adjusted() > -40 else Decimal()
    except InvalidOperation:
        return None
    return rounded if abs(rounded) < Decimal(10) ** digits else None


def _amount(value: Any) -> Decimal:
    amount = _number(value, 10, 2)
    assert amount is not None
    return amount


def _parsed(value: bytes | None) -> Any:
    """The document; None (no event) where it is no JSON."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    try:
        document = json.loads(
            text, parse_int=_whole, parse_float=_fraction, parse_constant=_constant, object_pairs_hook=_once
        )
    except RecursionError as error:
        raise UnclearError("nested too deeply") from error
    except json.JSONDecodeError:
        return None
    if _has_half_a_character(document):
        raise UnclearError("half a character")
    return document


def _whole(text: str) -> int:
    if text == "-0" or len(text) > 300:
        raise UnclearError(text[:10])
    return int(text)


def _fraction(text: str) -> Decimal:
    number = Decimal(text)
    if number.adjusted() > 300:
        raise UnclearError(text)
    return number


def _constant(text: str) -> Any:
    raise UnclearError(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise UnclearError("a key twice")
    return document


def _has_half_a_character(document: Any) -> bool:
    """Whether a text anywhere in the document, or a key, has one of a surrogate pair alone."""
    left = [document]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str) and any(0xD800 <= ord(letter) <= 0xDFFF for letter in each):
            return True
    return False
