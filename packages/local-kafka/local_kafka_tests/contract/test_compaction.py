"""Topics of which compaction keeps the newest record of each key."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from kio.schema.errors import ErrorCode

from local_kafka.storage.batch import HEADER_SIZE, unpack_header
from local_kafka.storage.keyed import parse_records
from local_kafka_tests.clients import consumer, read_until
from local_kafka_tests.contract.requests import create, eventually, fetch, list_offset
from local_kafka_tests.contract.test_data import init_producer
from local_kafka_tests.raw import RawClient, batch, keyed_batch, produce_raw

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
SEGMENT = 1000
# Compaction is due as soon as a full segment is there.
EAGER = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0", "internal_segment_bytes": str(SEGMENT)}

Record = tuple[int, bytes, bytes | None]


def read(kafka: str, topic: str) -> list[Record]:
    """All records of partition 0: (offset, key, value)."""
    reader: Consumer = consumer(kafka)
    try:
        _, end = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=60)
        reader.assign([TopicPartition(topic, 0, 0)])
        return [(m.offset(), m.key(), m.value()) for m in read_until(reader, {0: end})]
    finally:
        reader.close()


class Model:
    """What a log of segments holds after compaction of all full ones, told from what was produced."""

    def __init__(self) -> None:
        self.segments: list[list[Record]] = [[]]
        self._size = self._end = 0

    def add(self, data: bytes, records: list[tuple[bytes, bytes | None]]) -> None:
        if self._size and self._size + len(data) > SEGMENT:
            self.segments.append([])
            self._size = 0
        self._size += len(data)
        self.segments[-1] += [(self._end + number, *record) for number, record in enumerate(records)]
        self._end += len(records)

    def compacted(self) -> list[Record]:
        full = [record for segment in self.segments[:-1] for record in segment]
        newest = {key: offset for offset, key, _ in full}
        return [record for record in full if newest[record[1]] == record[0]] + self.segments[-1]


def test_records_without_a_key_are_refused_in_a_compacted_topic(client: RawClient, topic: str) -> None:
    create(client, topic, cleanup_policy="compact")
    refused = produce_raw(client, topic, batch([b"a", b"b"]))
    assert (refused.error_code, refused.base_offset) == (ErrorCode.invalid_record, -1)
    assert [error.batch_index for error in refused.record_errors] == [0, 1]
    assert produce_raw(client, topic, keyed_batch([(b"k", b"a"), (b"", None)])).error_code == 0
    assert list_offset(client, topic, LATEST) == (0, -1, 2)


@pytest.mark.parametrize("seed", range(3))
def test_the_newest_record_of_each_key_stays_with_its_offset(
    client: RawClient, kafka: str, topic: str, seed: int
) -> None:
    create(client, topic, **EAGER)
    chance, model = random.Random(seed), Model()
    keys = [b"k%d" % number * chance.randint(1, 12) for number in range((3, 20, 60)[seed])]
    for number in range(60):
        records = [
            (chance.choice(keys), None if chance.random() < 0.2 else b"%d-%d" % (number, each) * 3)
            for each in range(chance.randint(1, 8))
        ]
        data = keyed_batch(records, codec=chance.randrange(5))
        model.add(data, records)
        assert produce_raw(client, topic, data).error_code == 0
    expected = model.compacted()
    assert eventually(lambda: read(kafka, topic), expected) == expected
    assert list_offset(client, topic, EARLIEST) == (0, -1, 0)


def test_what_was_removed_leaves_holes_that_readers_pass(client: RawClient, kafka: str, topic: str) -> None:
    create(client, topic, **EAGER)
    begin = time.time_ns() // 1_000_000 - 100_000
    for number in range(40):
        data = keyed_batch([(b"often", bytes(200)), (b"once %d" % (number // 10), b"v")], time=begin + number * 1000)
        assert produce_raw(client, topic, data).error_code == 0
    records = eventually_short(kafka, topic, 4 + 10)
    held = {offset for offset, _, _ in records}
    for offset in (0, 30, 45):
        assert offset not in held
        found = first_offset(bytes(fetch(client, topic, offset).records), offset)
        assert found == min(each for each in held if each >= offset)
    # The first record that is left of the time of offset 2 and later.
    next_offset = min(held)
    assert list_offset(client, topic, begin + 1000) == (0, begin + next_offset // 2 * 1000, next_offset)
    assert list_offset(client, topic, MAX_TIMESTAMP) == (0, begin + 39_000, 78)


def eventually_short(kafka: str, topic: str, most: int) -> list[Record]:
    assert eventually(lambda: len(read(kafka, topic)) <= most, True)
    return read(kafka, topic)


def first_offset(records: bytes, least: int) -> int:
    """The offset of the first record from an offset on; batches are read by their headers and the first field."""
    position = 0
    while position < len(records):
        header = unpack_header(records, position)
        content = records[position + HEADER_SIZE : position + header.size]
        for each in parse_records(content, header.record_count):
            if header.base_offset + each.offset_delta >= least:
                return header.base_offset + each.offset_delta
        position += header.size
    raise AssertionError("no record")


def test_a_record_that_deletes_its_key_goes_after_its_time(client: RawClient, kafka: str, topic: str) -> None:
    create(client, topic, **EAGER, delete_retention_ms="1000")
    fill = [keyed_batch([(b"fill", bytes(SEGMENT - 200))])] * 2

    def produce(*data: bytes) -> None:
        for each in data:
            assert produce_raw(client, topic, each).error_code == 0

    produce(keyed_batch([(b"a", b"1"), (b"b", b"1")]), *fill, keyed_batch([(b"a", None)]), *fill)
    expected = [b"b", b"a", b"fill", b"fill"]
    assert eventually(lambda: [key for _, key, _ in read(kafka, topic)], expected) == expected

    def rest() -> list[bytes]:
        # A pass needs something to clean.
        produce(*fill)
        return sorted({key for _, key, _ in read(kafka, topic)})

    assert eventually(rest, [b"b", b"fill"]) == [b"b", b"fill"]


def test_a_producer_is_known_when_all_its_records_are_compacted_away(client: RawClient, kafka: str, topic: str) -> None:
    create(client, topic, **EAGER)
    _, producer, _ = init_producer(client)
    mine = [keyed_batch([(b"k", b"%d" % number)], producer=(producer, 0, number)) for number in range(3)]
    assert [produce_raw(client, topic, each).base_offset for each in mine] == [0, 1, 2]
    for _ in range(4):
        produce_raw(client, topic, keyed_batch([(b"k", bytes(SEGMENT - 300))]))
    eventually_short(kafka, topic, 2)
    again = produce_raw(client, topic, mine[2])
    assert (again.error_code, again.base_offset) == (0, 2)
    gap = produce_raw(client, topic, keyed_batch([(b"k", b"x")], producer=(producer, 0, 7)))
    assert gap.error_code == ErrorCode.out_of_order_sequence_number


def test_what_is_younger_than_the_lag_is_not_compacted(client: RawClient, kafka: str, topic: str) -> None:
    create(client, topic, **EAGER, min_compaction_lag_ms="3600000")
    young, old = time.time_ns() // 1_000_000, time.time_ns() // 1_000_000 - 2 * 3_600_000
    for number in range(20):
        when = old if number < 10 else young
        assert produce_raw(client, topic, keyed_batch([(b"k", bytes(SEGMENT // 2))], time=when)).error_code == 0
    # Each segment has one record: the newest of the first ten stays.
    expected = list(range(9, 20))
    assert eventually(lambda: [offset for offset, _, _ in read(kafka, topic)], expected) == expected


def test_a_segment_ends_where_a_record_is_later_than_its_first_by_more_than_segment_ms(
    client: RawClient, kafka: str, topic: str
) -> None:
    create(client, topic, cleanup_policy="compact", min_cleanable_dirty_ratio="0", segment_ms="10000")
    begin = time.time_ns() // 1_000_000 - 100_000
    for seconds in (0, 10, 4, 11, 12):
        produce_raw(client, topic, keyed_batch([(b"k", b"v")], time=begin + seconds * 1000))
    expected = [2, 3, 4]
    assert eventually(lambda: [offset for offset, _, _ in read(kafka, topic)], expected) == expected


def test_the_broker_sets_timestamps_where_the_topic_wants_it(client: RawClient, kafka: str, topic: str) -> None:
    create(client, topic, message_timestamp_type="LogAppendTime")
    before = time.time_ns() // 1_000_000
    stored: list[Any] = [
        produce_raw(client, topic, data)
        for data in (batch([b"a", b"b"], timestamps=[5, 10**14]), keyed_batch([(b"k", b"c")], codec=3, time=-1))
    ]
    after = time.time_ns() // 1_000_000
    times = [each.log_append_time for each in stored]
    assert [each.error_code for each in stored] == [0, 0]
    assert before <= times[0] <= times[1] <= after
    reader: Consumer = consumer(kafka)
    reader.assign([TopicPartition(topic, 0, 0)])
    appended = 2
    found = [m.timestamp() for m in read_until(reader, {0: 3})]
    reader.close()
    assert found == [(appended, times[0]), (appended, times[0]), (appended, times[1])]
    assert list_offset(client, topic, before) == (0, times[0], 0)
    assert list_offset(client, topic, after + 1) == (0, -1, -1)
