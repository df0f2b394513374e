"""A batch that is sent again is stored once, whatever happened in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.clients import create_topic, read_all
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import RawClient, batch, produce_body, produce_raw


def new_producer(client: RawClient) -> int:
    response = client.call(22, 4, transactional_id=None, transaction_timeout=60_000)
    assert response.error_code == ErrorCode.none
    return int(response.producer_id)


def test_a_repeated_batch_gets_the_offset_of_the_first(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    with RawClient(broker.bootstrap) as client:
        producer = new_producer(client)
        batches = [batch([b"a%d" % i, b"b%d" % i], producer=(producer, 0, 2 * i)) for i in range(5)]
        offsets = [produce_raw(client, "t", each).base_offset for each in batches]
        assert offsets == [0, 2, 4, 6, 8]
        assert [produce_raw(client, "t", each).base_offset for each in batches] == offsets
    assert len(read_all(broker.bootstrap, "t")) == 10


@pytest.mark.parametrize(
    "how",
    ["kill", "stop", pytest.param("stop, producers file lost", marks=pytest.mark.slow), "stop, index lost too"],
)
def test_a_batch_repeated_after_a_restart_is_stored_once(broker: BrokerProcess, how: str) -> None:
    create_topic(broker.bootstrap, "t")
    with RawClient(broker.bootstrap) as client:
        producer = new_producer(client)
        first = batch([b"a", b"b"], producer=(producer, 0, 0))
        second = batch([b"c"], producer=(producer, 0, 2))
        assert produce_raw(client, "t", first).base_offset == 0
        if how != "kill":
            assert broker.stop() == 0
            broker.start()
        else:
            broker.restart()
    with RawClient(broker.bootstrap) as client:
        assert produce_raw(client, "t", second).base_offset == 2
    folder = broker.partition_folder()
    broker.kill()
    if "lost" in how:
        (folder / "producers.json").unlink()
    if "index" in how:
        for path in folder.glob("*.index"):
            path.unlink()
    broker.start()
    with RawClient(broker.bootstrap) as client:
        assert produce_raw(client, "t", first).base_offset == 0
        assert produce_raw(client, "t", second).base_offset == 2
        assert produce_raw(client, "t", batch([b"d"], producer=(producer, 0, 3))).base_offset == 3
        assert new_producer(client) > producer
    assert [m.value() for m in read_all(broker.bootstrap, "t")] == [b"a", b"b", b"c", b"d"]


def test_a_batch_out_of_sequence_is_refused(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    with RawClient(broker.bootstrap) as client:
        producer = new_producer(client)
        assert produce_raw(client, "t", batch([b"a"], producer=(producer, 1, 0))).error_code == ErrorCode.none
        gap = produce_raw(client, "t", batch([b"c"], producer=(producer, 1, 2)))
        old_epoch = produce_raw(client, "t", batch([b"z"], producer=(producer, 0, 1)))
        new_epoch_late = produce_raw(client, "t", batch([b"y"], producer=(producer, 2, 5)))
        new_epoch = produce_raw(client, "t", batch([b"b"], producer=(producer, 2, 0)))
    assert gap.error_code == ErrorCode.out_of_order_sequence_number
    assert old_epoch.error_code == ErrorCode.invalid_producer_epoch
    assert new_epoch_late.error_code == ErrorCode.out_of_order_sequence_number
    assert (new_epoch.error_code, new_epoch.base_offset) == (ErrorCode.none, 1)


def test_sequence_numbers_wrap_to_zero(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    last = 2**31 - 1
    with RawClient(broker.bootstrap) as client:
        producer = new_producer(client)
        first = produce_raw(client, "t", batch([b"a", b"b"], producer=(producer, 0, last - 1)))
        second = produce_raw(client, "t", batch([b"c"], producer=(producer, 0, 0)))
    assert (first.error_code, second.error_code, second.base_offset) == (0, 0, 2)


def test_a_duplicate_is_answered_with_the_batch_that_is_still_being_written(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t")
    with RawClient(broker.bootstrap) as client:
        producer = new_producer(client)
        for _ in range(4):
            client.send(0, 9, **produce_body("t", batch([b"a"], producer=(producer, 0, 0))))
        answers = [client.receive(0, 9).responses[0].partition_responses[0] for _ in range(4)]
    assert [(answer.error_code, answer.base_offset) for answer in answers] == [(0, 0)] * 4
    assert len(read_all(broker.bootstrap, "t")) == 1


def test_producer_ids_are_never_given_twice_even_after_kills(tmp_path: Path, broker: BrokerProcess) -> None:
    taken: list[int] = []
    for _ in range(2):
        with RawClient(broker.bootstrap) as client:
            taken += [new_producer(client) for _ in range(5)]
        broker.restart()
    assert len(set(taken)) == len(taken)
