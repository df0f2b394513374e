"""What the broker acknowledged is there after a kill, in order and once."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from local_kafka_tests.clients import (
    Recorder,
    consumer,
    create_topic,
    produce,
    read_all,
    read_some,
)
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import RawClient, batch, produce_body


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_messages_of_every_codec_come_back_as_they_were_sent(
    shared_broker: BrokerProcess, topic: str, codec: str
) -> None:
    create_topic(shared_broker.bootstrap, topic, 2)
    values = [b"value-%d" % i * 20 for i in range(500)]
    sent = produce(shared_broker.bootstrap, topic, values, compression_type=codec)
    received = {(m.value(), m.partition(), m.offset()) for m in read_all(shared_broker.bootstrap, topic, 2)}
    assert received == {(value, *place) for value, place in sent.acknowledged.items()}


def test_a_killed_broker_has_everything_that_it_acknowledged(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "orders", 6)
    sent = produce(broker.bootstrap, "orders", [b"%d" % i for i in range(20_000)], compression_type="lz4")
    reader = consumer(broker.bootstrap, "shop")
    reader.subscribe(["orders"])
    first = read_some(reader, 5_000)
    reader.commit(asynchronous=False)

    broker.restart()

    assert len(sent.acknowledged) == 20_000
    everything = read_all(broker.bootstrap, "orders", 6)
    assert {m.value(): (m.partition(), m.offset()) for m in everything} == sent.acknowledged
    rest = read_some(reader, 15_000)
    reader.close()
    assert Counter(m.value() for m in first + rest) == Counter(sent.acknowledged.keys())


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_under_load_lose_nothing_and_duplicate_nothing(broker: BrokerProcess, kills: int) -> None:
    create_topic(broker.bootstrap, "orders", 3)
    recorder = Recorder(broker.bootstrap, message_timeout_ms=120_000, reconnect_backoff_max_ms=200)
    stop = threading.Event()
    sent = 0

    def send() -> None:
        nonlocal sent
        while not stop.is_set():
            for _ in range(500):
                recorder.send("orders", b"%d" % sent)
                sent += 1
            stop.wait(0.005)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(kills):
            before = len(recorder.acknowledged)
            while len(recorder.acknowledged) < before + 2_000:
                stop.wait(0.01)
            broker.restart()
    finally:
        stop.set()
        sender.join()
    recorder.flush()

    assert not recorder.failed
    assert len(recorder.acknowledged) == sent
    stored = [m.value() for m in read_all(broker.bootstrap, "orders", 3)]
    assert Counter(stored) == Counter(b"%d" % number for number in range(sent))


def test_many_clients_that_never_wait_get_each_its_place_in_order(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t", internal_segment_bytes="60000")
    clients, batches = 4, 1000

    def send(number: int, places: dict[int, list[int]]) -> None:
        with RawClient(broker.bootstrap) as client:
            answers = threading.Thread(target=receive, args=(client, places[number]))
            answers.start()
            for sequence in range(batches):
                client.send(0, 9, **produce_body("t", batch([b"%d %d" % (number, sequence)])))
            answers.join()

    def receive(client: RawClient, offsets: list[int]) -> None:
        for _ in range(batches):
            answer = client.receive(0, 9).responses[0].partition_responses[0]
            assert answer.error_code == 0
            offsets.append(answer.base_offset)

    places: dict[int, list[int]] = {number: [] for number in range(clients)}
    senders = [threading.Thread(target=send, args=(number, places)) for number in range(clients)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    stored = {m.offset(): m.value() for m in read_all(broker.bootstrap, "t")}
    assert sorted(offset for offsets in places.values() for offset in offsets) == list(range(clients * batches))
    for number, offsets in places.items():
        assert offsets == sorted(offsets)
        assert [stored[offset] for offset in offsets] == [b"%d %d" % (number, i) for i in range(batches)]
