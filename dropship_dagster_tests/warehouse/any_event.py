"""Events of which one field, or several, have values that nobody expects, each beside good neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from dropship_dagster_tests.warehouse.events import Line, Order, customer, encode, product

MISSING, TWICE = "missing", "twice"
_MARK = "@the value@"
_NESTED = 1_500


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


NUMBERS = (
    "-1", "0", "1", "-0", "7", "2147483648", "9223372036854775808", "1" + "0" * 38, "1e400", "-1e400", "12.5", "12.0",
    "1e3", "1e-9", "0.005", "0.0049999999", "9999999", "10000000", "99999", "100000", "1000000000", "1000000000.01",
    "9999999999", "9999999999.99", "9999999999.995", "10000000000", "999999999999", "1000000000000", "NaN", "Infinity",
)  # fmt: skip
TIMES = tuple(
    map(
        _text,
        (
            "0000-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00.000Z", "2199-12-31T23:59:59.999Z", "2200-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z", "10000-01-01T00:00:00.000Z", "2026-06-30T23:59:60.000Z",
            "2026-06-30T24:00:00.000Z", "2026-02-29T12:00:00.000Z", "2026-03-01T10:00:00.000+02:00",
            "2026-03-01T10:00:00.000", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00.0000Z", "2026-03-01T10:00:00.00Z",
            "2026-03-01t10:00:00.000z", "2026-3-1T10:00:00.000Z", "2026-03-01", "-2026-03-01T10:00:00.000Z",
            " 2026-03-01T10:00:00.000Z", "2026-03-01T10:00:00.000Z ",
        ),
    )
)  # fmt: skip
TEXTS = tuple(
    map(
        _text,
        (
            "", " ", "   ", "x", "FR", "fr", "Fr", "EUR", "é€", "12", " 12 ", "0012", "+12", "12.50", "1e2", "1,000",
            "1_000", "0x1F", "\uff11\uff12", "-", ".", "true", "null", "x" * 100, "x" * 101, "x" * 300, "é" * 100,
            "🧥" * 40, "\u202eabc", "a\tb\nc", "<img src=x onerror=alert(1)>", "'; DROP TABLE PROD.ORDERS; --", "[red]",
            "{}", "[]", "{x", "-x", "\ufeff", "%s %(a)s ? :1", "\x00", "a\x00b", "x" * 36, " " * 36, "0" * 36,
            "00000000-0000-0000-0000-00000000000G",
        ),
    )
)  # fmt: skip
SHAPES = (
    "null", "true", "false", "[]", "{}", "[null]", "[[]]", "[1,2]", '["x"]', '{"a":1}', '{"*":{"a":1}}', '{"":1}',
    '{"a\\"b":{"$":1,"a.b":2}}', "[" * _NESTED + "]" * _NESTED, '{"a":' * _NESTED + "1" + "}" * _NESTED, '"\\ud800"',
    MISSING, TWICE,
)  # fmt: skip
ODD = (*NUMBERS, *TIMES, *TEXTS, *SHAPES)
"""Values as they are written in JSON. What is no JSON makes the whole message none."""

LARGE = _text("x" * 950_000)
"""Nearly the most that a broker takes by default."""


@dataclass(frozen=True)
class Odd:
    """An odd message, its good neighbours, and what was done."""

    topic: str
    value: bytes
    what: str
    neighbours: tuple[tuple[str, dict[str, Any]], ...] = ()


@dataclass
class Ids:
    """Identifiers that no other event of a test has."""

    name: str
    used: int = field(default=0)

    def next(self) -> str:
        self.used += 1
        return f"{self.name}{self.used:06d}"


def base_events(ids: Ids) -> Iterator[tuple[str, dict[str, Any], tuple[tuple[str, dict[str, Any]], ...]]]:
    """An event of each kind with its topic and its neighbours."""
    for deleted in (False, True):
        one, other = ids.next(), ids.next()
        beside = (("customers", customer(other)), ("customers", customer(one, 23)))
        yield "customers", customer(one, 1 + deleted, deleted=deleted), beside
        beside = (("products", product(other)), ("products", product(one, 23)))
        yield "products", product(one, 1 + deleted, deleted=deleted), beside
    for kind in ("placed", "paid", "shipped", "delivered", "cancelled", "returned"):
        order = Order(ids.next(), lines=(Line("P1", 2), Line("P2")))
        other_order = Order(ids.next())
        steps = {
            "placed": order.placed(),
            "paid": order.paid(),
            "shipped": order.shipped(),
            "delivered": order.delivered(),
            "cancelled": order.cancelled(version=6),
            "returned": order.returned(),
        }
        beside_it = ("placed", "paid") if kind not in ("placed", "paid") else ("shipped", "delivered")
        yield (
            "orders_events",
            steps[kind],
            (
                *(("orders_events", steps[step]) for step in beside_it),
                ("orders_events", other_order.placed()),
                ("orders_events", other_order.paid()),
            ),
        )


def fields_of(event: Mapping[str, Any]) -> list[tuple[str | int, ...]]:
    """The places of an event's fields: of itself, its supplier and its first line."""
    places: list[tuple[str | int, ...]] = [(name,) for name in event]
    places += [("supplier", name) for name in event.get("supplier", {})]
    places += [("lines", 0, name) for name in (event["lines"][0] if "lines" in event else ())]
    if "lines" in event:
        places.append(("lines", 0))
    return [*places, ("a field nobody knows",)]


def written(event: Mapping[str, Any], changes: Mapping[tuple[str | int, ...], str]) -> bytes:
    """The event with other values, as JSON texts, at some places."""
    document = json.loads(json.dumps(event))
    marks: dict[str, str] = {}
    for number, (place, odd) in enumerate(changes.items()):
        holder = document
        for step in place[:-1]:
            holder = holder[step]
        name = place[-1]
        if not isinstance(holder, dict | list) or (isinstance(holder, list) and not holder):
            continue  # another change has replaced what it was in
        if odd == MISSING and isinstance(holder, dict):
            holder.pop(name, None)
            continue
        before = holder.get(name) if isinstance(holder, dict) else None
        mark = f"{_MARK}{number}"
        twice = f"1,{_text(str(name))}:{json.dumps(before)}"
        marks[_text(mark)] = {MISSING: "null", TWICE: twice if isinstance(holder, dict) else "null"}.get(odd, odd)
        holder[name] = mark
    text = encode(document).decode()
    for mark, odd in marks.items():
        text = text.replace(mark, odd)
    return text.encode("utf-8", "surrogatepass")


def one_field_odd(name: str, *, every: int = 1, large: bool = False) -> Iterator[Odd]:
    """Each field of each kind of event with each odd value in turn; of these every n-th."""
    ids, number = Ids(name), 0
    fields = [(kind, place) for kind, (_, event, _) in enumerate(base_events(Ids(""))) for place in fields_of(event)]
    for kind, place in fields:
        for odd in (LARGE,) if large else ODD:
            number += 1
            if number % every:
                continue
            topic, event, neighbours = list(base_events(ids))[kind]
            what = f"{event['event_type']}: {place} = {odd[:60]}"
            yield Odd(topic, written(event, {place: odd}), what, neighbours)


def extremes(name: str) -> Iterator[Odd]:
    """Values that are each within their limits and together beyond all reason, and carts of every form."""
    ids = Ids(name)
    line = Order("x").placed()["lines"][0]

    def cart(what: str, lines: str, **changes: Any) -> Odd:
        order, other = Order(ids.next()), Order(ids.next())
        event = order.placed(**changes)
        beside = (("orders_events", order.paid()), ("orders_events", other.placed()))
        return Odd("orders_events", written(event, {("lines",): lines}), what, beside)

    def lines_of(*changes: dict[str, Any]) -> str:
        return json.dumps([line | {"line_no": number} | change for number, change in enumerate(changes, 1)])

    most = 9_999_999_999
    yield cart("much of what is expensive", lines_of({"quantity": most, "unit_price": 9_999_999_999.99}))
    yield cart("seven digits of what is expensive", lines_of({"quantity": 9_999_999, "unit_price": 9_999_999_999.99}))
    yield cart("seven digits at a high cost", lines_of({"quantity": 9_999_999, "unit_cost": 9_999_999_999.99}))
    yield cart("the most units", lines_of({"quantity": 1_000_000, "unit_price": 0}), discount=0, total=4.9)
    yield cart(
        "a unit more", lines_of({"quantity": 1_000_000, "unit_price": 0}, {"unit_price": 0}), discount=0, total=4.9
    )
    billion = {"unit_price": 1_000_000_000, "unit_cost": 1_000_000_000}
    yield cart("the most", lines_of(billion), discount=1_000_000_000, shipping_fee=0, total=0)
    yield cart("the most of all", lines_of(billion), discount=0, shipping_fee=0, total=1_000_000_000)
    yield cart("beyond the total", lines_of(billion), discount=0, shipping_fee=1_000_000_000, total=2_000_000_000)
    yield cart("5,000 lines", lines_of(*[{"unit_price": 0.01}] * 5_000), discount=0, shipping_fee=0, total=50)
    yield cart("100,000 zeros", "[" + ",".join("0" * 100_000) + "]")
    yield cart("100,000 nulls", "[" + ",".join(["null"] * 100_000) + "]")
    for keys in ("*", "", 'a"b', "1", "$"):
        yield cart(f"an object of lines, key {keys!r}", json.dumps({keys: line}))
    yield cart("lines in lines", json.dumps([[line]]))
    yield cart("an odd key in a line", lines_of({"*": 1, "": 2, 'a"b': 3, "$.x": [4]}))
    yield cart("line numbers as texts", lines_of({"line_no": "1"}, {"line_no": "2"}), total=44.9)
    yield cart("a line number as a text and as a number", lines_of({"line_no": "1"}, {"line_no": 1}), total=44.9)
    free = Order(ids.next(), discount="20.00", shipping_fee="0.00")
    beside = (("orders_events", free.placed()), ("orders_events", Order(ids.next()).placed()))
    for version, amount in enumerate((9_999_999_999.99, 1_000_000_000.01, 1_000_000_000), 5):
        event = free.returned(version=version) | {"refunded_amount": amount}
        yield Odd("orders_events", encode(event), f"{amount:,} for a free order", beside if version == 5 else ())


def json_texts() -> st.SearchStrategy[str]:
    """Values that may stand anywhere, as JSON."""
    flat = (
        st.sampled_from((*TIMES, *TEXTS))
        | st.text(max_size=30).map(json.dumps)
        | st.integers().map(str)
        | st.decimals(-(10**14), 10**14, places=3).map(str)
    )
    return flat | _holders(flat | _holders(flat)) | st.sampled_from(ODD)


def _holders(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays and objects of such values."""
    keys = st.text(max_size=4).map(json.dumps)
    arrays = st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
    pairs = st.dictionaries(keys, inner, max_size=3).map(lambda found: [f"{key}:{odd}" for key, odd in found.items()])
    return arrays | pairs.map(lambda items: f"{{{','.join(items)}}}")


def drawn(name: str) -> st.SearchStrategy[list[Odd]]:
    """Lists of events with one to four odd fields."""
    ids = Ids(name)

    @st.composite
    def one(draw: st.DrawFn) -> Odd:
        topic, event, neighbours = list(base_events(ids))[draw(st.integers(0, 9))]
        places = draw(st.lists(st.sampled_from(fields_of(event)), min_size=1, max_size=4, unique=True))
        changes = {place: draw(json_texts()) for place in sorted(places, key=len, reverse=True)}
        return Odd(topic, written(event, changes), f"{event['event_type']}: {changes}"[:500], neighbours)

    return st.lists(one(), min_size=1, max_size=60)


def sent_in_order(odd: Sequence[Odd]) -> dict[str, list[tuple[Odd | None, bytes]]]:
    """By topic, the messages with None beside a good one; each good one is between odd ones."""
    messages: dict[str, list[tuple[Odd | None, bytes]]] = {"customers": [], "products": [], "orders_events": []}
    for each in odd:
        good = [(topic, encode(event)) for topic, event in each.neighbours]
        for topic, value in good[:1]:
            messages[topic].append((None, value))
        messages[each.topic].append((each, each.value))
        for topic, value in good[1:]:
            messages[topic].append((None, value))
    return messages
