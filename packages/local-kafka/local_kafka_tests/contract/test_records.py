"""Batches with a right checksum and wrong records, and timestamps that cannot be."""

from __future__ import annotations

import gzip
import struct
import time

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.contract.requests import (
    change_config,
    create,
    describe_configs,
    eventually,
    fetch,
    list_offset,
)
from local_kafka_tests.raw import PACK, RawClient, batch, lz4, produce_raw, record, sealed, varint

LATEST, MAX_TIMESTAMP = -1, -3
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
NOW = time.time_ns() // 1_000_000
HOUR = 3_600_000
LONG_MAX = 2**63 - 1
# Apache Kafka has no better word for some of them.
REFUSED = (ErrorCode.invalid_record, ErrorCode.unknown_server_error)
# Apache Kafka skips keys and values of compressed records, and does not see these.
NOT_SEEN_COMPRESSED = ("a length beyond the end", "a record shorter than its fields")


def records(count: int, size: int = 20) -> bytes:
    return b"".join(record(b"v" * size, number, 0) for number in range(count))


def body(content: bytes) -> bytes:
    """A record of any content."""
    return varint(len(content)) + content


# Attributes, timestamp delta 0, offset delta 0.
START = b"\0\0\0"
NULL = varint(-1)
WRONG = {
    "garbage": (b"garbage" * 10, 1),
    "zeros": (bytes(70), 1),
    "nothing": (b"", 1),
    "more records than the count": (records(3), 2),
    "fewer records than the count": (records(2), 3),
    "a tail behind the records": (records(2) + b"\0", 2),
    "a record cut short": (records(2)[:-5], 2),
    "a record of negative length": (varint(-5) + records(1), 2),
    "a length beyond the end": (varint(1000) + records(1)[1:], 1),
    "a key beyond the record": (body(START + varint(50) + b"k" + NULL + varint(0)), 1),
    "a value beyond the record": (body(START + NULL + varint(50) + b"v" + varint(0)), 1),
    "a record longer than its fields": (body(START + NULL + varint(1) + b"v" + varint(0) + b"more"), 1),
    "a record shorter than its fields": (varint(5) + START + NULL + varint(8) + b"v" * 8 + varint(0), 1),
    "a negative count of headers": (body(START + NULL + NULL + varint(-1)), 1),
    "more headers than are there": (body(START + NULL + NULL + varint(3) + varint(1) + b"h" + NULL), 1),
    "a header without a key": (body(START + NULL + NULL + varint(1) + NULL + NULL), 1),
    "a number without an end": (body(b"\0\0" + b"\xff" * 12 + b"\0"), 1),
    "many records and one is wrong": (records(500) + body(b"wrong"), 501),
    "many records and a tail": (records(500) + b"wrong", 500),
    "many records that are too few": (records(500), 501),
}


@pytest.mark.parametrize(
    ("wrong", "codec"),
    [(wrong, codec) for wrong in WRONG for codec in (0, GZIP) if not codec or wrong not in NOT_SEEN_COMPRESSED],
)
def test_records_that_are_not_what_the_header_says_are_refused_and_nothing_is_stored(
    client: RawClient, topic: str, wrong: str, codec: int
) -> None:
    content, count = WRONG[wrong]
    create(client, topic)
    refused = produce_raw(client, topic, sealed(gzip.compress(content) if codec else content, count, attributes=codec))
    assert (refused.error_code, refused.base_offset) == (ErrorCode.invalid_record, -1)
    assert produce_raw(client, topic, batch([b"good"])).base_offset == 0


@pytest.mark.parametrize("number", [1, 200], ids=["few", "many"])
def test_compressed_records_that_are_not_numbered_in_order_are_refused(
    client: RawClient, topic: str, number: int
) -> None:
    create(client, topic)
    content = records(number) + record(b"again", number - 1, 0)
    refused = produce_raw(client, topic, sealed(gzip.compress(content), number + 1, attributes=GZIP))
    assert refused.error_code in REFUSED
    assert list_offset(client, topic, LATEST) == (0, -1, 0)


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD], ids=["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("spoil", ["not compressed", "cut short", "garbage", "nothing"])
def test_what_its_codec_cannot_unpack_is_refused_and_nothing_is_stored(
    client: RawClient, topic: str, codec: int, spoil: str
) -> None:
    create(client, topic)
    plain = records(100)
    packed = PACK[codec](plain)
    content = {
        "not compressed": plain,
        "cut short": packed[: len(packed) // 2],
        "garbage": b"garbage" * 30,
        "nothing": b"",
    }[spoil]
    refused = produce_raw(client, topic, sealed(content, 100, attributes=codec))
    assert refused.error_code in REFUSED
    assert list_offset(client, topic, LATEST) == (0, -1, 0)


def test_lz4_blocks_that_depend_on_each_other_are_refused(client: RawClient, topic: str) -> None:
    create(client, topic)
    content = lz4(records(100), linked=True)
    assert produce_raw(client, topic, sealed(content, 100, attributes=LZ4)).error_code in REFUSED
    assert list_offset(client, topic, LATEST) == (0, -1, 0)


@pytest.mark.parametrize("codec", [0, GZIP, LZ4, ZSTD], ids=["plain", "gzip", "lz4", "zstd"])
@pytest.mark.parametrize("count", [1, 127, 128, 500, 20_000])
def test_right_records_of_any_number_are_stored(client: RawClient, topic: str, codec: int, count: int) -> None:
    create(client, topic)
    plain = records(count)
    stored = produce_raw(client, topic, sealed(PACK[codec](plain) if codec else plain, count, attributes=codec))
    assert (stored.error_code, stored.base_offset) == (0, 0)
    assert list_offset(client, topic, LATEST) == (0, -1, count)


def test_keys_headers_and_nulls_of_any_length_are_stored(client: RawClient, topic: str) -> None:
    create(client, topic)
    header = varint(1) + b"h" + NULL + varint(2) + b"hh" + varint(3) + b"abc"
    contents = []
    for number in range(300):
        start = b"\0" + varint(number * 100_000) + varint(number)
        value = varint(number * 10) + bytes(number * 10)
        key, headers = (varint(3) + b"key", varint(2) + header) if number % 3 else (NULL, varint(0))
        contents.append(body(start + key + (NULL if number % 5 == 0 else value) + headers))
    first = NOW - 299 * 100_000
    assert produce_raw(client, topic, sealed(b"".join(contents), 300, times=(first, NOW))).error_code == 0
    assert list_offset(client, topic, NOW - 50_000) == (0, NOW, 299)


@pytest.mark.parametrize("count", [2, 200])
def test_a_newest_timestamp_that_is_not_that_of_the_records_is_corrected(
    client: RawClient, topic: str, count: int
) -> None:
    create(client, topic)
    assert produce_raw(client, topic, sealed(records(count), count, times=(NOW - HOUR, NOW))).error_code == 0
    assert list_offset(client, topic, MAX_TIMESTAMP) == (0, NOW - HOUR, 0)
    found = bytes(fetch(client, topic, 0).records)
    assert struct.unpack_from(">q", found, 35) == (NOW - HOUR,)


def test_an_idempotent_batch_without_a_sequence_is_refused(client: RawClient, topic: str) -> None:
    create(client, topic)
    started = client.call(22, 4, transactional_id=None, transaction_timeout=60_000)
    refused = produce_raw(client, topic, batch([b"a"], producer=(started.producer_id, started.producer_epoch, -1)))
    assert refused.error_code == ErrorCode.invalid_record


@pytest.mark.parametrize("codec", [0, GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize("count", [2, 200])
def test_timestamps_of_the_future_are_refused_and_old_ones_are_stored(
    client: RawClient, topic: str, count: int, codec: int
) -> None:
    create(client, topic)

    def produce(*times: int) -> int:
        """The last record has the last time, the others the first."""
        content = b"".join(record(b"v", n, 0) for n in range(count - 1))
        content += record(b"v", count - 1, times[-1] - times[0])
        packed = gzip.compress(content) if codec else content
        return int(
            produce_raw(client, topic, sealed(packed, count, times=(times[0], max(times)), attributes=codec)).error_code
        )

    now = time.time_ns() // 1_000_000
    assert produce(now, now * 1000) == ErrorCode.invalid_timestamp
    assert produce(now * 1000, now) == ErrorCode.invalid_timestamp
    assert produce(now, now + 2 * HOUR) == ErrorCode.invalid_timestamp
    assert list_offset(client, topic, LATEST) == (0, -1, 0)
    assert produce(now, now + HOUR // 2) == 0
    assert produce(0, now) == 0
    assert produce(-1) == 0
    assert list_offset(client, topic, LATEST) == (0, -1, 3 * count)


def test_the_bounds_of_timestamps_are_settings_of_the_topic(client: RawClient, topic: str) -> None:
    create(client, topic, message_timestamp_before_max_ms=str(HOUR))
    names = ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms")
    assert describe_configs(client, topic, *names) == {names[0]: (str(HOUR), 1), names[1]: (str(HOUR), 5)}
    now = time.time_ns() // 1_000_000
    old, future = batch([b"a"], timestamps=[now - 2 * HOUR]), batch([b"a"], timestamps=[now + 2 * HOUR])
    assert produce_raw(client, topic, old).error_code == ErrorCode.invalid_timestamp
    assert produce_raw(client, topic, batch([b"a"], timestamps=[-1])).error_code == 0
    assert change_config(client, topic, names[0], 1, None) == 0
    assert change_config(client, topic, names[1], 0, str(LONG_MAX)) == 0
    assert eventually(lambda: produce_raw(client, topic, old).error_code, 0) == 0
    assert eventually(lambda: produce_raw(client, topic, future).error_code, 0) == 0
    assert change_config(client, topic, names[1], 0, "-1") == ErrorCode.invalid_config
