"""Whatever is sent to the port, the broker closes that connection at most and serves everybody else."""

from __future__ import annotations

import gzip
import os
import ssl
import struct
import urllib.error
import urllib.request
from typing import Any

import cramjam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from local_kafka.apis.table import API_VERSIONS, APIS
from local_kafka_tests.clients import create_topic, produce, read_all
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import (
    RawClient,
    batch,
    produce_body,
    produce_raw,
    record,
    sealed,
    varint,
)
from local_kafka_tests.wire.samples import SERVED, bodies, request_class, request_frame
from local_service_tests.processors import resident_megabytes

# Produce with acks=0 is not answered, Fetch and the two of groups may wait: their frames are only sent damaged.
_MAY_NOT_ANSWER = {0, 1, 11, 14}


def serves(broker: BrokerProcess) -> bool:
    with RawClient(broker.bootstrap) as client:
        return bool(client.call(18, 0).error_code == ErrorCode.none)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff\xff\xff\xff",
        b"\x80\x00\x00\x00",
        b"\x00\x00\x00\x00",
        b"\x7f\xff\xff\xff" + b"x" * 1000,
        b"\x00\x00\x00\x04\x00\x12\x00\x03",
        b"\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff",
        b"\x00\x00\x00\x10\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x00\xff\xff\xff\xff\x07",
    ],
)
def test_what_is_no_request_closes_the_connection(shared_broker: BrokerProcess, data: bytes) -> None:
    with RawClient(shared_broker.bootstrap) as client:
        client.socket.sendall(data)
        assert client.is_closed_by_peer()
    assert serves(shared_broker)


def test_http_clients_get_no_answer_and_the_log_says_what_they_are(shared_broker: BrokerProcess) -> None:
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(f"http://{shared_broker.bootstrap}/", timeout=120)
    assert "this is HTTP" in shared_broker.log()


def test_tls_clients_are_named_in_the_log(shared_broker: BrokerProcess) -> None:
    with RawClient(shared_broker.bootstrap) as client, pytest.raises(OSError):
        ssl.create_default_context().wrap_socket(client.socket, server_hostname="localhost")
    assert "this is TLS" in shared_broker.log()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=2000))
def test_random_bytes_do_no_harm(shared_broker: BrokerProcess, data: bytes) -> None:
    with RawClient(shared_broker.bootstrap) as client:
        client.socket.sendall(len(data).to_bytes(4, "big") + data)
    assert serves(shared_broker)


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_random_requests_and_damaged_ones_do_no_harm(shared_broker: BrokerProcess, data: st.DataObject) -> None:
    api_key, version = data.draw(st.sampled_from(SERVED))
    frame = bytearray(request_frame(api_key, version, data.draw(bodies(request_class(api_key, version)))))
    damaged = api_key in _MAY_NOT_ANSWER or data.draw(st.booleans())
    if damaged:
        for _ in range(data.draw(st.integers(1, 4))):
            frame[data.draw(st.integers(12, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with RawClient(shared_broker.bootstrap) as client:
        client.socket.sendall(frame)
        if not damaged:
            client.socket.settimeout(10)
            answer = client.socket.recv(4)
            assert answer, f"{APIS[api_key].name} v{version} was not answered"
    assert serves(shared_broker)
    assert "Traceback" not in shared_broker.log()


def test_a_frame_full_of_tiny_items_takes_no_memory(broker: BrokerProcess) -> None:
    before = resident_megabytes(broker.pid)
    names = 20_000_000
    header = (20).to_bytes(2, "big") + (1).to_bytes(2, "big") + bytes(4) + b"\xff\xff"
    payload = header + names.to_bytes(4, "big") + bytes(2 * names) + bytes(4)
    with RawClient(broker.bootstrap) as client:
        client.socket.sendall(len(payload).to_bytes(4, "big") + payload)
        assert client.is_closed_by_peer()
    assert serves(broker)
    assert resident_megabytes(broker.pid) < before + 150


def test_clients_that_vanish_in_the_middle_of_a_request_are_forgotten(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    descriptors = len(os.listdir(f"/proc/{broker.pid}/fd"))
    for _ in range(100):
        with RawClient(broker.bootstrap) as client:
            client.send(1, 11, max_wait=30_000, min_bytes=1, topics=fetch_topics("t", 0))
            client.socket.sendall(b"\x00\x00\x10\x00half")
    assert serves(broker)
    assert len(os.listdir(f"/proc/{broker.pid}/fd")) <= descriptors + 3


def fetch_topics(topic: str, offset: int) -> list[dict[str, Any]]:
    partition = {"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}
    return [{"topic": topic, "partitions": [partition]}]


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (b"", ErrorCode.corrupt_message),
        (b"x" * 60, ErrorCode.corrupt_message),
        (b"\0" * 500, ErrorCode.unsupported_for_message_format),
        (batch([b"a"])[:-1], ErrorCode.corrupt_message),
        (batch([b"a"])[:-1] + b"\1", ErrorCode.corrupt_message),
        (batch([b"a"]) + batch([b"b"]), ErrorCode.invalid_record),
        (batch([b"a"], magic=1), ErrorCode.unsupported_for_message_format),
        (batch([b"a"], attributes=0x20), ErrorCode.invalid_record),
        (batch([b"a"], attributes=0x10), ErrorCode.invalid_txn_state),
        (batch([b"a"], attributes=0x07), ErrorCode.unsupported_compression_type),
        (batch([bytes(2 << 20)]), ErrorCode.message_too_large),
        (sealed(record(b"a", 1, 0), 1), ErrorCode.invalid_record),
        (sealed(gzip.compress(varint(1000) + record(b"a", 0, 0)[1:]), 1, attributes=1), ErrorCode.invalid_record),
        (sealed(bytes(cramjam.zstd.compress(bytes(65 << 20))), 1, attributes=4), ErrorCode.message_too_large),
        (sealed(gzip.compress(bytes(65 << 20)), 1, attributes=1), ErrorCode.message_too_large),
    ],
    ids=[
        *("empty", "short", "zeros", "cut", "flipped", "two", "old", "control", "transaction", "codec", "large"),
        *("another offset", "beyond the end", "unpacks to too much", "gzip of too much"),
    ],
)
def test_batches_that_cannot_be_stored_are_refused(
    shared_broker: BrokerProcess, topic: str, records: bytes, error: ErrorCode
) -> None:
    create_topic(shared_broker.bootstrap, topic)
    with RawClient(shared_broker.bootstrap) as client:
        refused = produce_raw(client, topic, records)
        assert (refused.error_code, refused.base_offset) == (error, -1)
        assert refused.error_message
        assert produce_raw(client, topic, batch([b"good"])).base_offset == 0
    assert [m.value() for m in read_all(shared_broker.bootstrap, topic)] == [b"good"]


def test_a_failure_with_acks_0_closes_the_connection(shared_broker: BrokerProcess) -> None:
    with RawClient(shared_broker.bootstrap) as client:
        client.send(0, 9, **produce_body("no-such-topic", batch([b"a"]), acks=0))
        assert client.is_closed_by_peer()


def test_acks_0_is_stored_and_not_answered(shared_broker: BrokerProcess, topic: str) -> None:
    create_topic(shared_broker.bootstrap, topic)
    with RawClient(shared_broker.bootstrap) as client:
        client.send(0, 9, **produce_body(topic, batch([b"a"]), acks=0))
        assert produce_raw(client, topic, batch([b"b"]), acks=1).base_offset == 1


def test_answers_come_in_the_order_of_requests(shared_broker: BrokerProcess, topic: str) -> None:
    create_topic(shared_broker.bootstrap, topic)
    with RawClient(shared_broker.bootstrap) as client:
        for number in range(50):
            client.send(0, 9, **produce_body(topic, batch([b"%d" % number])))
            client.send(18, 0)
        for number in range(50):
            assert client.receive(0, 9).responses[0].partition_responses[0].base_offset == number
            assert client.receive(18, 0).api_keys


@pytest.mark.parametrize(("api_key", "version"), [(24, 4), (26, 3), (36, 2), (74, 0)])
def test_apis_that_are_not_served_are_refused_with_an_error(
    shared_broker: BrokerProcess, api_key: int, version: int
) -> None:
    with RawClient(shared_broker.bootstrap) as client:
        assert client.call(api_key, version).error_code == ErrorCode.unsupported_version
    assert f"refused API {api_key}" in shared_broker.log()


def test_a_newer_client_begins_with_its_own_version_without_a_warning(shared_broker: BrokerProcess) -> None:
    newer = struct.pack(">hhihb", API_VERSIONS, 99, 0, -1, 0)  # key, version, correlation, no client id, no tags
    with RawClient(shared_broker.bootstrap) as client:
        client.socket.sendall(struct.pack(">i", len(newer)) + newer)
        answer = client.receive(API_VERSIONS, 0)
    assert answer.error_code == ErrorCode.unsupported_version
    assert any(offered.api_key == API_VERSIONS for offered in answer.api_keys)
    told = [line for line in shared_broker.log().splitlines() if "(ApiVersions) v99" in line]
    assert len(told) == 1
    assert "WARNING" not in told[0]


def test_a_newer_api_versions_request_learns_what_is_served(shared_broker: BrokerProcess) -> None:
    with RawClient(shared_broker.bootstrap) as client:
        client.socket.sendall(b"\x00\x00\x00\x0b\x00\x12\x00\x63\x00\x00\x00\x05\x00\x00\x00")
        frame = client.receive_frame()
    assert frame[:6] == b"\x00\x00\x00\x05\x00\x23"


def test_transactions_and_sasl_are_refused_with_the_error_that_clients_understand(shared_broker: BrokerProcess) -> None:
    with RawClient(shared_broker.bootstrap) as client:
        coordinator = client.call(10, 4, key_type=1, coordinator_keys=["tx"]).coordinators[0]
        assert coordinator.error_code == ErrorCode.transactional_id_authorization_failed
        assert "no transactions" in coordinator.error_message
        producer = client.call(22, 4, transactional_id="tx", transaction_timeout=1000)
        assert producer.error_code == ErrorCode.transactional_id_authorization_failed
        assert client.call(17, 1, mechanism="PLAIN").error_code == ErrorCode.illegal_sasl_state
    assert "which are refused" in shared_broker.log()


def test_a_message_larger_than_the_topic_takes_is_named_and_the_next_one_goes_through(
    shared_broker: BrokerProcess, topic: str
) -> None:
    create_topic(shared_broker.bootstrap, topic)
    with RawClient(shared_broker.bootstrap) as client:
        refused = produce_raw(client, topic, batch([bytes(10 << 20)]))
    assert refused.error_code == ErrorCode.message_too_large
    assert "1048588" in refused.error_message
    produce(shared_broker.bootstrap, topic, [b"after"])
    assert [m.value() for m in read_all(shared_broker.bootstrap, topic)] == [b"after"]
