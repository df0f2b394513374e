"""No message stops the rest: whatever bytes come, each is in RAW once and so are its neighbours."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dropship_dagster.stream import TopicSpec, ensure_topics
from dropship_dagster_tests.warehouse.any_message import (
    FIRST_MS,
    INT64_MAX,
    LAST_MS,
    AnyMessage,
    any_messages,
    assert_in_raw_once,
    send,
    topic_for_any_time,
)
from dropship_dagster_tests.warehouse.pipeline import Pipeline

GOOD = AnyMessage(b"good", b'{"good": [1, "two", null]}', ((b"content-type", b"application/json"),), 1_767_225_600_000)

VALUES = {
    "a tombstone": None,
    "nothing": b"",
    "NUL": b"\0",
    "NUL within JSON": b'{"a": "\0"}',
    "NUL as an escape": b'{"a\\u0000": "\\u0000b"}',
    "a lone surrogate as an escape": b'{"a": "\\ud800"}',
    "a lone surrogate in bytes": b'{"a": "\xed\xa0\x80"}',
    "a character as two surrogates in bytes": b'"\xed\xa0\xbd\xed\xb8\x80"',
    "an overlong NUL": b'"\xc0\x80"',
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "what Snowflake reads as NULL elsewhere": b"\\N",
    "a string": b'"text"',
    "a number too large": b'{"a": 1e400, "b": -1e400}',
    "a number of many digits": b'{"a": ' + b"1" * 5_000 + b"}",
    "a fraction of many digits": b'{"a": 0.' + b"1" * 5_000 + b"}",
    "minus zero": b"-0",
    "not a number": b'{"a": NaN}',
    "infinities": b"[Infinity, -Infinity]",
    "a key twice": b'{"a": 1, "a": 2}',
    "an empty key": b'{"": 1, "a.b": {"$": 1, "\\"": 2, "*": 3}}',
    "half of JSON": b'{"a": ',
    "two documents": b"{} {}",
    "white space": b" \n\t ",
    "deep arrays": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep and open": b"[" * 10_000,
    "nearly a megabyte": b'{"a": "' + b"x" * 950_000 + b'"}',
    "nearly a megabyte that is not UTF-8": b"\xff" * 950_000,
}

HEADERS: dict[str, tuple[tuple[bytes, bytes | None], ...]] = {
    "a name that is not UTF-8": ((b"\xff\xfe", b"value"),),
    "such a name among others": ((b"a", b"1"), (b"\xff", b"2"), (b"c", b""), (b"\xed\xa0\x80", b"\xff"), (b"a", b"5")),
    "no name": ((b"", b"value"), (b"", None)),
    "no value": ((b"a", None), (b"b", b"")),
    "a name twice": ((b"a", b"1"), (b"a", b"1"), (b"a", b"2")),
    "binary values": ((b"a", b"\xff\0\xfe"), (b"b", bytes(range(256)))),
    "NUL in a value": ((b"a", b"\0"), (b"b", b"x\0y")),
    "markup and quotes": ((b'"[red]\\', b"[/red]'\"\\u0000"),),
    "a thousand": tuple((b"name %d" % number, b"value") for number in range(1_000)),
    "a thousand whose names are not UTF-8": tuple((b"\xff%d" % number, b"value") for number in range(1_000)),
    "nearly a megabyte": ((b"a", b"x" * 900_000),),
}

TIMES = {
    "none": -1,
    "before 1970": -86_400_000,
    "the year 1": FIRST_MS,
    "before the year 1": FIRST_MS - 1,
    "the epoch": 1,
    "the last that a client reads": LAST_MS,
    "the first beyond": LAST_MS + 1,
    "microseconds": 1_735_689_600_000_000,
    "nanoseconds": 1_735_689_600_000_000_000,
    "the greatest": INT64_MAX,
}


def with_neighbours(odd: list[AnyMessage]) -> list[AnyMessage]:
    return [GOOD, *(message for each in odd for message in (each, GOOD))]


def assert_all_loaded(pipeline: Pipeline, messages: list[AnyMessage]) -> None:
    topic = topic_for_any_time(pipeline)
    sent = send(pipeline, topic, with_neighbours(messages))
    assert pipeline.load().events == len(sent.messages)
    assert_in_raw_once(pipeline, sent)


def test_any_value_is_in_raw_and_so_are_its_neighbours(pipeline: Pipeline) -> None:
    assert_all_loaded(pipeline, [AnyMessage(b"key", value) for value in VALUES.values()])


def test_any_value_is_taken_as_a_key_too(pipeline: Pipeline) -> None:
    assert_all_loaded(pipeline, [AnyMessage(value, b"{}") for value in VALUES.values()])


def test_any_headers_are_in_raw_and_a_name_that_is_not_utf8_is_null(pipeline: Pipeline) -> None:
    assert_all_loaded(pipeline, [AnyMessage(b"key", b"{}", headers) for headers in HEADERS.values()])


def test_any_timestamp_is_in_raw_or_in_the_headers(pipeline: Pipeline) -> None:
    assert_all_loaded(pipeline, [AnyMessage(b"key", b"{}", ((b"a", b"1"),), time_ms) for time_ms in TIMES.values()])


def test_ten_megabytes_are_in_raw_where_the_broker_takes_them(pipeline: Pipeline) -> None:
    topic = f"{pipeline.name}_large"
    ensure_topics(pipeline.client_config, [TopicSpec(topic, 1, config={"max.message.bytes": "10000000"})])
    pipeline.tables[topic] = "CUSTOMERS"
    large = [AnyMessage(b"key", b'{"a": "' + b"x" * 9_900_000 + b'"}'), AnyMessage(b"key", b"\xff" * 9_900_000)]
    sent = send(pipeline, topic, with_neighbours(large))
    assert pipeline.load().events == 5
    assert_in_raw_once(pipeline, sent)


def test_headers_that_the_client_cannot_give_are_the_same_however_often_they_come(pipeline: Pipeline) -> None:
    """The interpreter calls a method otherwise once it has called it often."""
    assert_all_loaded(pipeline, [AnyMessage(b"key", b"{}", HEADERS["such a name among others"])] * 300)


def load_any(pipeline: Pipeline, examples: int) -> None:
    """Loads batch upon batch of drawn messages, good ones around each."""
    topic = topic_for_any_time(pipeline)

    # Not made smaller when it fails: each attempt is a load, and its messages stay for the next one.
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(any_messages(), min_size=1, max_size=20))
    def check(messages: list[AnyMessage]) -> None:
        sent = send(pipeline, topic, with_neighbours(messages))
        pipeline.load()
        assert_in_raw_once(pipeline, sent)

    check()


def test_whatever_is_drawn_is_in_raw_once_byte_for_byte(pipeline: Pipeline) -> None:
    load_any(pipeline, 8)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_is_drawn_is_in_raw_once_byte_for_byte_at_length(pipeline: Pipeline) -> None:
    load_any(pipeline, 300)
