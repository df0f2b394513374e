"""Reading partitions from given offsets, in bounded batches, losing and repeating nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from dropship_dagster.stream import (
    ORDERS_EVENTS,
    Assignment,
    OffsetOutOfRangeError,
    PartitionReader,
    TopicSpec,
    ensure_topics,
    partitions,
)
from dropship_dagster.stream.headers import read_headers
from dropship_dagster_tests.stream.conftest import Topics


def filled(topics: Topics, count: int, partition: int = 0) -> str:
    """Messages `0`, `1`, ... in a partition of the orders topic."""
    topic = topics.names[ORDERS_EVENTS]
    producer = Producer(topics.client)
    for number in range(count):
        producer.produce(topic, str(number).encode(), partition=partition, timestamp=1_700_000_000_000 + number)
    assert producer.flush(30) == 0
    return topic


def test_batches_are_bounded_and_follow_each_other(topics: Topics) -> None:
    topic = filled(topics, 5_000)
    values: list[bytes] = []
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        while True:
            batch = reader.fetch(max_messages=1_234, max_seconds=120)
            assert batch.rows.num_rows <= 1_234
            values += batch.rows["value"].to_pylist()
            assert batch.next_offsets == {(topic, 0): len(values)}
            if batch.at_end:
                break
    assert values == [str(number).encode() for number in range(5_000)]


def test_a_batch_is_bounded_by_bytes(topics: Topics) -> None:
    topic = topics.names[ORDERS_EVENTS]
    producer = Producer(topics.client)
    for _ in range(100):
        producer.produce(topic, b"x" * 100_000, partition=0)
    producer.flush(30)
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        batch = reader.fetch(max_messages=10_000, max_seconds=120, max_bytes=1_000_000)
        assert batch.bytes >= 1_000_000
        assert batch.next_offsets[topic, 0] == batch.rows.num_rows


def test_reading_begins_at_the_offset_and_stops_before_the_end_that_was_asked_for(topics: Topics) -> None:
    topic = filled(topics, 1_000)
    place = (topic, 0)
    with PartitionReader(topics.client, [Assignment(topic, 0, 100)]) as reader:
        first = reader.fetch(max_messages=10_000, max_seconds=120, until={place: 250})
        assert first.at_end
        assert first.rows["offset"].to_pylist() == list(range(100, 250))
        rest = reader.fetch(max_messages=10_000, max_seconds=120)
        assert rest.rows["offset"].to_pylist() == list(range(250, 1_000))
        assert rest.next_offsets == {place: 1_000}


def test_several_partitions_are_read_together(topics: Topics) -> None:
    topic = ""
    for partition in range(3):
        topic = filled(topics, 200, partition)
    places = [Assignment(topic, partition, 10 * partition) for partition in range(3)]
    with PartitionReader(topics.client, places) as reader:
        batch = reader.fetch(max_messages=10_000, max_seconds=120)
    assert batch.at_end
    for partition in range(3):
        rows = [row["offset"] for row in batch.rows.to_pylist() if row["partition"] == partition]
        assert rows == list(range(10 * partition, 200))


def test_an_empty_partition_is_at_its_end_at_once(topics: Topics) -> None:
    topic = topics.names[ORDERS_EVENTS]
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        batch = reader.fetch(max_messages=10, max_seconds=120)
    assert batch.at_end
    assert batch.rows.num_rows == 0
    assert batch.next_offsets == {(topic, 0): 0}


def test_nothing_assigned_is_nothing_read(topics: Topics) -> None:
    with PartitionReader(topics.client, []) as reader:
        assert reader.fetch(max_messages=10, max_seconds=120).at_end


def test_new_messages_are_waited_for_when_watching(topics: Topics) -> None:
    topic = filled(topics, 10)
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        assert reader.fetch(max_messages=100, max_seconds=120).at_end
        filled(topics, 5)
        reader.watch()
        more = reader.fetch(max_messages=5, max_seconds=120)
    assert more.rows["offset"].to_pylist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(("wanted", "said"), [(50, "offset 50 is asked for"), (5, "5 to 9 are lost")])
def test_an_offset_the_broker_does_not_hold_is_an_error_with_its_bounds(topics: Topics, wanted: int, said: str) -> None:
    topic = filled(topics, 20)
    admin = AdminClient(topics.client)
    for future in admin.delete_records([TopicPartition(topic, 0, 10)]).values():
        future.result(timeout=120)
    with (
        PartitionReader(topics.client, [Assignment(topic, 0, wanted)]) as reader,
        pytest.raises(OffsetOutOfRangeError, match=said) as caught,
    ):
        reader.fetch(max_messages=100, max_seconds=120)
    assert (caught.value.low, caught.value.high, caught.value.wanted) == (10, 20, wanted)


def test_keys_values_and_headers_come_as_they_are(topics: Topics) -> None:
    topic = topics.names[ORDERS_EVENTS]
    producer = Producer(topics.client)
    producer.produce(topic, None, key=b"\xff", partition=0)
    producer.produce(topic, b"", partition=0, headers=[("a", "é".encode()), ("a", b"\xff\x00"), ("n", None)])
    producer.flush(30)
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        tombstone, empty = reader.fetch(max_messages=2, max_seconds=120).rows.to_pylist()
    assert (tombstone["key"], tombstone["value"], tombstone["headers"]) == (b"\xff", None, None)
    assert empty["key"] is None
    assert json.loads(empty["headers"]) == [["a", "é"], ["a", "/wA="], ["n", None]]


def test_watermarks_and_ids_are_those_of_the_broker(new_topics: Callable[[], Topics]) -> None:
    topics = new_topics()
    topic = filled(topics, 7, partition=2)
    state = partitions(topics.client, [topic])[topic]
    assert [(part.partition, part.low, part.high) for part in state.partitions] == [(0, 0, 0), (1, 0, 0), (2, 0, 7)]


def test_a_timestamp_that_no_client_can_read_is_null_and_in_the_headers(topics: Topics) -> None:
    """The year 57000 of a producer that sent microseconds breaks no reader of the table."""
    topic = f"{topics.names[ORDERS_EVENTS]}_any_time"
    ensure_topics(topics.client, [TopicSpec(topic, 1, config={"message.timestamp.after.max.ms": str(2**63 - 1)})])
    producer = Producer(topics.client)
    last = 253_402_300_799_999
    for time_ms in (1_735_689_600_000, 1_735_689_600_000_000, last, last + 1, 2**63 - 1):
        producer.produce(topic, b"v", partition=0, timestamp=time_ms, headers=[("a", b"1")])
    assert producer.flush(30) == 0
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        rows = reader.fetch(max_messages=100, max_seconds=120).rows
    times = ["2025-01-01T00:00:00", None, "9999-12-31T23:59:59.999000", None, None]
    assert [time and time.isoformat() for time in rows["timestamp"].to_pylist()] == times
    assert rows.to_pandas()["timestamp"].isna().tolist() == [False, True, False, True, True]
    assert [json.loads(headers)[1:] for headers in rows["headers"].to_pylist()] == [
        [],
        [["dropship.kafka-timestamp", "1735689600000000"]],
        [],
        [["dropship.kafka-timestamp", "253402300800000"]],
        [["dropship.kafka-timestamp", "9223372036854775807"]],
    ]


def test_large_headers_end_a_batch_as_large_values_do(topics: Topics) -> None:
    topic = topics.names[ORDERS_EVENTS]
    producer = Producer(topics.client)
    for _ in range(100):
        producer.produce(topic, b"v", partition=0, headers=[("a", b"x" * 100_000)])
    assert producer.flush(30) == 0
    with PartitionReader(topics.client, [Assignment(topic, 0, 0)]) as reader:
        batch = reader.fetch(max_messages=10_000, max_seconds=120, max_bytes=1_000_000)
    assert 10 <= batch.rows.num_rows < 50


def test_headers_that_the_client_never_gives_stand_as_one_pair_of_nulls() -> None:
    class Silent:
        def headers(self) -> None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    assert read_headers([Silent()]) == [[(None, None)]]


def test_the_end_of_a_partition_says_nothing_of_messages_that_were_not_to_be_read(topics: Topics) -> None:
    """Messages that came after the end was asked for are in the partition, and are no hole in it."""
    topic, ends = topics.names[ORDERS_EVENTS], {}
    for partition in range(3):
        filled(topics, 4 + partition, partition)
        ends[topic, partition] = 3
    ends[topic, 2] = 7  # one more than there are: the reader waits while the ends of the others are told
    for _ in range(10):
        with PartitionReader(topics.client, [Assignment(topic, partition, 0) for partition in range(3)]) as reader:
            batch = reader.fetch(max_messages=1_000, max_seconds=1, until=ends)
        assert {place[1]: offset for place, offset in batch.next_offsets.items()} == {0: 3, 1: 3, 2: 6}
        assert sorted(batch.rows["partition"].to_pylist()) == [0] * 3 + [1] * 3 + [2] * 6
