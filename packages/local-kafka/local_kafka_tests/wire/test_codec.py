"""The codec reads and writes what kio, generated from Apache Kafka's schema files, reads and writes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_kafka.wire.messages import read_request, write_response
from local_kafka.wire.reader import Budget, MalformedError, read_uvarint, struct_reader
from local_kafka.wire.writer import struct_writer, uvarint
from local_kafka_tests.wire.samples import (
    NULLABLE_STRUCTS,
    SERVED,
    as_body,
    as_entity,
    bodies,
    kio_bytes,
    request_class,
    request_frame,
    response_class,
)

served = st.sampled_from(SERVED)
known = st.sampled_from(SERVED + NULLABLE_STRUCTS)


@st.composite
def messages(draw: st.DrawFn, kind: Any) -> tuple[Any, dict[str, Any]]:
    message = kind(*draw(known))
    return message, draw(bodies(message))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages(response_class))
def test_responses_are_written_byte_for_byte_as_kio_writes_them(sample: tuple[Any, dict[str, Any]]) -> None:
    message, body = sample
    pieces: list[Any] = []
    struct_writer(message)(pieces, body)
    assert b"".join(pieces) == kio_bytes(as_entity(message, body))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages(request_class))
def test_requests_that_kio_wrote_are_read_back(sample: tuple[Any, dict[str, Any]]) -> None:
    message, body = sample
    data = kio_bytes(as_entity(message, body))
    read, end = struct_reader(message)(data, 0, Budget())
    assert end == len(data)
    assert as_body(message, read) == body


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_requests_are_malformed_or_read_and_nothing_else(data: st.DataObject) -> None:
    api_key, version = data.draw(served)
    frame = bytearray(request_frame(api_key, version, data.draw(bodies(request_class(api_key, version))))[4:])
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(8, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(8, len(frame)))
    with contextlib.suppress(MalformedError):
        read_request(api_key, version, bytes(frame[:cut]))


def test_the_frame_that_aborts_native_readers_is_malformed() -> None:
    header = (3).to_bytes(2, "big") + (12).to_bytes(2, "big") + bytes(4) + b"\xff\xff" + b"\x00"
    with pytest.raises(MalformedError, match="array"):
        read_request(3, 12, header + b"\xff\xff\xff\xff\x07")


def test_an_array_that_promises_more_than_the_frame_holds_is_malformed() -> None:
    header = (3).to_bytes(2, "big") + (1).to_bytes(2, "big") + bytes(4) + b"\xff\xff"
    with pytest.raises(MalformedError, match="array of 2147483647"):
        read_request(3, 1, header + b"\x7f\xff\xff\xff")


def test_a_frame_cannot_bring_more_array_items_than_memory_allows() -> None:
    header = (20).to_bytes(2, "big") + (1).to_bytes(2, "big") + bytes(4) + b"\xff\xff"
    names = 1_000_000
    with pytest.raises(MalformedError, match="more than"):
        read_request(20, 1, header + names.to_bytes(4, "big") + bytes(2 * names) + bytes(4))


@given(st.integers(0, 2**31 - 1))
def test_varints_come_back(value: int) -> None:
    encoded = uvarint(value)
    assert read_uvarint(encoded, 0) == (value, len(encoded))


def test_large_record_data_is_sent_without_a_copy() -> None:
    records = bytes(1 << 20)
    body = {"responses": [{"topic": "t", "partitions": [{"partition_index": 0, "records": records}]}]}
    buffers = write_response(1, 11, 7, body)
    assert any(buffer is records for buffer in buffers)
    assert int.from_bytes(bytes(buffers[0])[:4], "big") == sum(map(len, buffers)) - 4
