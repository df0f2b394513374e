"""Producing, fetching, and where logs begin and end."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.contract.requests import (
    FETCH,
    INIT_PRODUCER_ID,
    OFFSET_FOR_LEADER_EPOCH,
    create,
    delete_records,
    fetch,
    list_offset,
)
from local_kafka_tests.raw import RawClient, batch, produce_raw

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
NOW = time.time_ns() // 1_000_000


def offsets(records: bytes) -> list[int]:
    """The base offsets of fetched batches."""
    found = []
    position = 0
    while position < len(records):
        found.append(int.from_bytes(records[position : position + 8], "big"))
        position += int.from_bytes(records[position + 8 : position + 12], "big") + 12
    return found


def test_batches_are_numbered_one_after_the_other(client: RawClient, topic: str) -> None:
    create(client, topic, 2)
    first = produce_raw(client, topic, batch([b"a", b"b", b"c"]))
    second = produce_raw(client, topic, batch([b"d"]), acks=1)
    other = produce_raw(client, topic, batch([b"e"]), partition=1)
    assert [(each.error_code, each.base_offset, each.log_append_time) for each in (first, second, other)] == [
        (0, 0, -1),
        (0, 3, -1),
        (0, 0, -1),
    ]
    found = fetch(client, topic, 0)
    assert (found.error_code, found.high_watermark, found.log_start_offset) == (0, 4, 0)
    assert offsets(bytes(found.records)) == [0, 3]


def test_data_for_what_is_not_there_is_refused(client: RawClient, topic: str) -> None:
    assert produce_raw(client, topic, batch([b"a"])).error_code == ErrorCode.unknown_topic_or_partition
    create(client, topic)
    assert produce_raw(client, topic, batch([b"a"]), partition=1).error_code == ErrorCode.unknown_topic_or_partition
    assert produce_raw(client, topic, batch([b"a"]), acks=2).error_code == ErrorCode.invalid_required_acks


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (batch([b"x" * 2000]), ErrorCode.message_too_large),
        (batch([b"a"])[:-1] + b"\1", ErrorCode.corrupt_message),
        (batch([b"a"]) + batch([b"b"]), ErrorCode.invalid_record),
        (batch([b"a"], base_offset=9), ErrorCode.invalid_record),
    ],
    ids=["too large", "wrong checksum", "two batches", "numbered"],
)
def test_batches_that_cannot_be_stored_are_refused(
    client: RawClient, topic: str, records: bytes, error: ErrorCode
) -> None:
    create(client, topic, max_message_bytes="1000")
    refused = produce_raw(client, topic, records)
    assert (refused.error_code, refused.base_offset) == (error, -1)
    assert list_offset(client, topic, LATEST) == (0, -1, 0)


def test_repeated_and_missing_batches_of_an_idempotent_producer_are_seen(client: RawClient, topic: str) -> None:
    create(client, topic)
    started = client.call(INIT_PRODUCER_ID, 4, transactional_id=None, transaction_timeout=60_000)
    assert (started.error_code, started.producer_epoch) == (0, 0)
    producer = started.producer_id

    def send(epoch: int, sequence: int, *values: bytes) -> tuple[int, int]:
        answer = produce_raw(client, topic, batch(values, producer=(producer, epoch, sequence)))
        return answer.error_code, answer.base_offset

    assert send(0, 0, b"a", b"b") == (0, 0)
    assert send(0, 2, b"c") == (0, 2)
    assert send(0, 0, b"a", b"b") == (0, 0)
    assert send(0, 5, b"f")[0] == ErrorCode.out_of_order_sequence_number
    assert send(1, 3, b"d")[0] == ErrorCode.out_of_order_sequence_number
    assert send(1, 0, b"d") == (0, 3)
    assert send(0, 3, b"d")[0] == ErrorCode.invalid_producer_epoch
    assert list_offset(client, topic, LATEST) == (0, -1, 4)
    given = [init_producer(client), init_producer(client, producer, 1), init_producer(client, 999_999, 5)]
    assert [(error, epoch) for error, _, epoch in given] == [(0, 0)] * 3
    assert len({producer, *(each for _, each, _ in given)}) == 4


def init_producer(client: RawClient, producer: int = -1, epoch: int = -1) -> tuple[int, int, int]:
    answer = client.call(
        INIT_PRODUCER_ID,
        4,
        transactional_id=None,
        transaction_timeout=60_000,
        producer_id=producer,
        producer_epoch=epoch,
    )
    return answer.error_code, answer.producer_id, answer.producer_epoch


@pytest.mark.parametrize(("producer", "epoch"), [(5, -1), (-1, 3)])
def test_half_a_producer_id_is_none(client: RawClient, producer: int, epoch: int) -> None:
    assert init_producer(client, producer, epoch) == (ErrorCode.invalid_request, -1, -1)


def test_a_fetch_begins_with_the_batch_that_holds_the_offset(client: RawClient, topic: str) -> None:
    create(client, topic)
    for _ in range(5):
        produce_raw(client, topic, batch([b"a", b"b"]))
    assert offsets(bytes(fetch(client, topic, 3).records)) == [2, 4, 6, 8]
    at_end = fetch(client, topic, 10)
    assert (at_end.error_code, bytes(at_end.records or b"")) == (0, b"")
    for outside in (-1, 11):
        assert fetch(client, topic, outside).error_code == ErrorCode.offset_out_of_range


def test_a_fetch_brings_one_batch_at_least_and_no_more_than_asked_for(client: RawClient, topic: str) -> None:
    create(client, topic)
    size = len(batch([bytes(5000)]))
    for _ in range(5):
        produce_raw(client, topic, batch([bytes(5000)]))
    assert len(fetch(client, topic, 0, most=10).records) == size
    assert size <= len(fetch(client, topic, 0, most=2 * size).records) <= 2 * size


def test_a_fetch_waits_for_data(client: RawClient, kafka: str, topic: str) -> None:
    create(client, topic)
    body = {
        "max_wait": 20_000,
        "min_bytes": 1,
        "max_bytes": 1 << 20,
        "topics": [
            {"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}
        ],
        "forgotten_topics_data": [],
    }
    client.send(FETCH, 11, **body)
    with RawClient(kafka) as producer:
        produce_raw(producer, topic, batch([b"a"]))
    found = client.receive(FETCH, 11).responses[0].partitions[0]
    assert offsets(bytes(found.records)) == [0]


def fetch_by_id(client: RawClient, topic_id: Any) -> Any:
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}
    topics = [{"topic_id": topic_id, "partitions": [partition]}]
    response = client.call(FETCH, 15, max_wait=0, min_bytes=0, max_bytes=1 << 20, topics=topics)
    return response.responses[0].partitions[0]


def test_a_fetch_names_topics_by_id(client: RawClient, topic: str) -> None:
    created = create(client, topic)
    produce_raw(client, topic, batch([b"a"]))
    assert offsets(bytes(fetch_by_id(client, created.topic_id).records)) == [0]
    assert fetch_by_id(client, uuid.uuid4()).error_code == ErrorCode.unknown_topic_id
    assert fetch(client, "not-" + topic, 0).error_code == ErrorCode.unknown_topic_or_partition
    assert fetch(client, topic, 0, partition=7).error_code == ErrorCode.unknown_topic_or_partition


def test_times_lead_to_offsets(client: RawClient, topic: str) -> None:
    create(client, topic)
    assert list_offset(client, topic, NOW) == (0, -1, -1)
    assert list_offset(client, topic, MAX_TIMESTAMP) == (0, -1, -1)
    produce_raw(client, topic, batch([b"a", b"b", b"c"], timestamps=[NOW, NOW + 10, NOW + 20]))
    produce_raw(client, topic, batch([b"d", b"e"], timestamps=[NOW + 90, NOW + 5]))
    produce_raw(client, topic, batch([b"f"], timestamps=[NOW + 30]))
    assert list_offset(client, topic, EARLIEST) == (0, -1, 0)
    assert list_offset(client, topic, LATEST) == (0, -1, 6)
    assert list_offset(client, topic, NOW - 1) == (0, NOW, 0)
    assert list_offset(client, topic, NOW + 10) == (0, NOW + 10, 1)
    assert list_offset(client, topic, NOW + 11) == (0, NOW + 20, 2)
    assert list_offset(client, topic, NOW + 21) == (0, NOW + 90, 3)
    assert list_offset(client, topic, NOW + 91) == (0, -1, -1)
    assert list_offset(client, topic, MAX_TIMESTAMP) == (0, NOW + 90, 3)
    assert list_offset(client, topic, EARLIEST, partition=3)[0] == ErrorCode.unknown_topic_or_partition
    assert list_offset(client, "not-" + topic, EARLIEST)[0] == ErrorCode.unknown_topic_or_partition


def test_deleted_records_are_out_of_range(client: RawClient, topic: str) -> None:
    create(client, topic)
    for _ in range(5):
        produce_raw(client, topic, batch([b"a", b"b"]))
    assert delete_records(client, topic, 3) == (0, 3)
    assert list_offset(client, topic, EARLIEST) == (0, -1, 3)
    assert fetch(client, topic, 2).error_code == ErrorCode.offset_out_of_range
    found = fetch(client, topic, 3)
    assert (found.error_code, found.log_start_offset, offsets(bytes(found.records))[0]) == (0, 3, 2)
    assert delete_records(client, topic, 11)[0] == ErrorCode.offset_out_of_range
    assert delete_records(client, topic, 1) == (0, 3)
    assert delete_records(client, topic, -1) == (0, 10)
    assert list_offset(client, topic, EARLIEST) == (0, -1, 10)
    assert delete_records(client, "not-" + topic, 0)[0] == ErrorCode.unknown_topic_or_partition


def test_the_only_epoch_ends_where_the_log_does(client: RawClient, topic: str) -> None:
    create(client, topic)
    produce_raw(client, topic, batch([b"a", b"b"]))

    def end(epoch: int, current: int = -1) -> tuple[int, int, int]:
        partition = {"partition": 0, "current_leader_epoch": current, "leader_epoch": epoch}
        topics = [{"topic": topic, "partitions": [partition]}]
        found = client.call(OFFSET_FOR_LEADER_EPOCH, 4, replica_id=-1, topics=topics).topics[0].partitions[0]
        return found.error_code, found.leader_epoch, found.end_offset

    assert end(0) == (0, 0, 2)
    assert end(5) == (0, -1, -1)
    assert end(0, current=7)[0] == ErrorCode.unknown_leader_epoch
