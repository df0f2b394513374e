"""Messages of any bytes: drawn by hypothesis, sent by real clients, compared with what RAW holds of them.

What RAW must hold is worked out here from the bytes that were sent, with Python's own json and datetime.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from confluent_kafka import Producer
from hypothesis import strategies as st
from kafka import KafkaProducer

from dropship_dagster.stream import StreamError, TopicSpec, ensure_topics
from dropship_dagster_tests.warehouse.pipeline import Pipeline

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FIRST_MS, LAST_MS = (
    round((moment - EPOCH) / dt.timedelta(milliseconds=1))
    for moment in (dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 999_000, dt.UTC))
)
INT64_MAX = 2**63 - 1
ANY_TIME = {"message.timestamp.after.max.ms": str(INT64_MAX), "message.timestamp.before.max.ms": str(INT64_MAX)}
"""Settings of a topic that takes every timestamp, as brokers before Kafka 4 do by themselves."""


@dataclass(frozen=True)
class AnyMessage:
    """A message by its bytes. `headers`: names and values as bytes; `time_ms` None leaves it to the client."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()
    time_ms: int | None = None

    @property
    def by_hand(self) -> bool:
        """Whether librdkafka would not send it: it makes a time of its own for 0, and takes text for names."""
        return not all(_is_text(name) for name, _ in self.headers) or (self.time_ms is not None and self.time_ms <= 0)


@dataclass
class Sent:
    """Messages by (partition, offset)."""

    topic: str
    messages: dict[tuple[int, int], AnyMessage] = field(default_factory=dict)


def topic_for_any_time(pipeline: Pipeline) -> str:
    """A topic of the pipeline's, loaded into RAW.CUSTOMERS, that takes every timestamp."""
    topic = f"{pipeline.name}_any"
    try:
        ensure_topics(pipeline.client_config, [TopicSpec(topic, 2, config=dict(ANY_TIME))])
    except StreamError as error:  # a broker without these settings takes every timestamp
        assert "Unknown topic config name" in str(error)
        ensure_topics(pipeline.client_config, [TopicSpec(topic, 2)])
    pipeline.tables[topic] = "CUSTOMERS"
    return topic


def send(pipeline: Pipeline, topic: str, messages: Iterable[AnyMessage], *, partition: int = 0) -> Sent:
    """Send them in their order to one partition; acknowledged when this returns."""
    sent = Sent(topic)
    with_librdkafka, by_hand = _clients(pipeline.client_config["bootstrap.servers"])
    for message in messages:
        if message.by_hand:
            offset = _send_by_hand(by_hand, topic, partition, message)
        else:
            offset = _send_with_librdkafka(with_librdkafka, topic, partition, message)
        sent.messages[partition, offset] = message
    return sent


def loaded(pipeline: Pipeline, sent: Sent) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """What RAW.CUSTOMERS holds at the places of these messages."""
    table = pipeline.tables[sent.topic]
    rows = pipeline.rows(
        "SELECT KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, TO_JSON(PAYLOAD), TO_JSON(HEADERS), KAFKA_TIMESTAMP "
        f"FROM RAW.{table} WHERE TOPIC = ?",
        sent.topic,
    )
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for partition, offset, key, value, payload, headers, moment in rows:
        row = {"key": key, "value": value, "payload": payload, "headers": headers, "time": moment}
        if (partition, offset) in sent.messages:
            found.setdefault((partition, offset), []).append(row)
    return found


def assert_in_raw_once(pipeline: Pipeline, sent: Sent) -> None:
    """Every message is in RAW once, byte for byte, with the headers and the timestamp that the contract promises."""
    found = loaded(pipeline, sent)
    assert {place: len(rows) for place, rows in found.items()} == dict.fromkeys(sent.messages, 1)
    for place, message in sent.messages.items():
        [row] = found[place]
        assert (_bytes(row["key"]), _bytes(row["value"])) == (message.key, message.value)
        headers = None if row["headers"] is None else json.loads(row["headers"])
        assert headers == expected_headers(message), (headers, message)
        assert message.time_ms is None or row["time"] == expected_time(message.time_ms), (row["time"], message)
        assert_payload(message.value, row["payload"])


def expected_headers(message: AnyMessage) -> list[list[str | None]] | None:
    """HEADERS of docs/data-contracts.md."""
    pairs = [[_name(name), _text(value)] for name, value in message.headers]
    if message.time_ms is not None and message.time_ms != -1 and expected_time(message.time_ms) is None:
        pairs.append(["dropship.kafka-timestamp", str(message.time_ms)])
    return pairs or None


def expected_time(time_ms: int) -> dt.datetime | None:
    """KAFKA_TIMESTAMP of docs/data-contracts.md."""
    if time_ms == -1 or not FIRST_MS <= time_ms <= LAST_MS:
        return None
    return (EPOCH + dt.timedelta(milliseconds=time_ms)).replace(tzinfo=None)


def assert_payload(value: bytes | None, payload: str | None) -> None:
    """PAYLOAD is the JSON of the value, and NULL where it certainly is none; odd JSON may be either."""
    if value is None or not _is_text(value):
        assert payload is None
        return
    try:
        document = json.loads(value.decode())
    except (ValueError, RecursionError):
        return
    if is_plain(document):
        assert payload is not None
        assert json.loads(payload) == document


def is_plain(document: Any) -> bool:
    """Whether every reader of JSON understands the same by it: no huge numbers, no lone surrogates."""
    if isinstance(document, dict):
        return all(is_plain(key) and is_plain(value) for key, value in document.items())
    if isinstance(document, list):
        return all(map(is_plain, document))
    if isinstance(document, float):
        return math.isfinite(document) and abs(document) < 1e15
    if isinstance(document, int):
        return abs(document) < 10**15
    return not isinstance(document, str) or not any(0xD800 <= ord(letter) <= 0xDFFF for letter in document)


def header_names() -> st.SearchStrategy[bytes]:
    """Names of headers, without NUL, behind which clients in C see no more of a name."""
    texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20).map(str.encode)
    return texts | st.binary(max_size=20).map(lambda name: name.replace(b"\0", b"\xff"))


def values() -> st.SearchStrategy[bytes]:
    """Any bytes, any JSON, and what lies between the two."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(codec="utf-8"))
        | st.sampled_from(["\ud800", "\0", "\ufeff", "1e400", "\\N"])
    )
    documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner))
    written = st.builds(
        lambda document, ascii_only: json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"),
        documents,
        st.booleans(),
    )
    cut = st.builds(lambda text, at: text[: at % (len(text) + 1)], written, st.integers(0, 1_000))
    return st.binary(max_size=200) | st.text(max_size=50).map(str.encode) | written | cut


def any_messages() -> st.SearchStrategy[AnyMessage]:
    """Messages as any client may send them."""
    pairs = st.tuples(header_names(), st.none() | st.binary(max_size=50) | st.text(max_size=20).map(str.encode))
    times = (
        st.none() | st.integers(0, INT64_MAX) | st.integers(0, LAST_MS) | st.sampled_from([-1, LAST_MS, LAST_MS + 1])
    )
    messages = st.builds(
        AnyMessage,
        st.none() | st.binary(max_size=50),
        st.none() | values(),
        st.lists(pairs, max_size=6).map(tuple),
        times,
    )
    return messages.map(_sendable)


class RawName(str):
    """A header's name that a client in Python sends as these bytes."""

    raw: bytes

    def __new__(cls, raw: bytes) -> RawName:
        name = super().__new__(cls, "name")
        name.raw = raw
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.raw


def _sendable(message: AnyMessage) -> AnyMessage:
    """kafka-python sends no header without a value, and no message without key and value."""
    if not message.by_hand:
        return message
    value = b"" if message.key is None and message.value is None else message.value
    return replace(message, value=value, headers=tuple((name, text or b"") for name, text in message.headers))


@cache
def _clients(bootstrap: str) -> tuple[Producer, KafkaProducer]:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # these live longer than the test's broker
    return (
        Producer({"bootstrap.servers": bootstrap, "message.max.bytes": "10000000", "log_level": "0"}),
        KafkaProducer(bootstrap_servers=bootstrap, max_request_size=10_000_000),
    )


def _send_with_librdkafka(producer: Producer, topic: str, partition: int, message: AnyMessage) -> int:
    reports: list[Any] = []
    extra: Mapping[str, Any] = {} if message.time_ms is None else {"timestamp": message.time_ms}
    producer.produce(
        topic,
        message.value,
        message.key,
        partition=partition,
        headers=[(name.decode(), value) for name, value in message.headers],
        on_delivery=lambda *report: reports.append(report),
        **extra,
    )
    assert producer.flush(20) == 0
    [(error, delivered)] = reports
    assert error is None, error
    return int(delivered.offset())


def _send_by_hand(producer: KafkaProducer, topic: str, partition: int, message: AnyMessage) -> int:
    headers = [(RawName(name), value) for name, value in message.headers]
    future = producer.send(
        topic, message.value, message.key, headers=headers, partition=partition, timestamp_ms=message.time_ms
    )
    return int(future.get(20).offset)


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _name(raw: bytes) -> str | None:
    return raw.decode() if _is_text(raw) else None


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    return raw.decode() if _is_text(raw) else base64.b64encode(raw).decode()


def _bytes(value: bytes | bytearray | None) -> bytes | None:
    return None if value is None else bytes(value)
