"""Consumer groups with real clients: rebalances, static members, and a broker that restarts or stands still."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import ConsumerGroupDescription

from local_kafka_tests.clients import (
    TIMEOUT,
    admin,
    consumer,
    create_topic,
    produce,
    read_some,
)
from local_kafka_tests.contract.requests import describe_group, enter, heartbeat
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import RawClient

PARTITIONS = 6


def poll_until(consumers: list[Consumer], done: Callable[[], bool], seen: Counter[bytes] | None = None) -> None:
    """Poll consumers in turn until something is true."""
    deadline = time.monotonic() + TIMEOUT
    while not done():
        assert time.monotonic() < deadline, [len(each.assignment()) for each in consumers]
        for each in consumers:
            message = each.poll(0.02)
            if message is not None and not message.error() and seen is not None:
                seen[message.value()] += 1


def assignments(consumers: list[Consumer]) -> list[int]:
    return sorted(len(each.assignment()) for each in consumers)


@pytest.mark.parametrize(
    "strategy", ["range", pytest.param("roundrobin", marks=pytest.mark.slow), "cooperative-sticky"]
)
def test_two_and_three_members_share_the_partitions_and_read_each_message_once(
    shared_broker: BrokerProcess, topic: str, strategy: str
) -> None:
    create_topic(shared_broker.bootstrap, topic, PARTITIONS)
    settings = {"partition_assignment_strategy": strategy, "heartbeat_interval_ms": 200}
    members = [consumer(shared_broker.bootstrap, topic, **settings)]
    seen: Counter[bytes] = Counter()
    sent: list[bytes] = []

    def send(count: int) -> None:
        values = [b"%d" % number for number in range(len(sent), len(sent) + count)]
        produce(shared_broker.bootstrap, topic, values)
        sent.extend(values)

    members[0].subscribe([topic])
    send(50)
    poll_until(members, lambda: len(seen) == len(sent), seen)
    for expected in ([3, 3], [2, 2, 2]):
        members.append(consumer(shared_broker.bootstrap, topic, **settings))
        members[-1].subscribe([topic])
        poll_until(members, lambda expected=expected: assignments(members) == expected, seen)
        owned = [(part.topic, part.partition) for each in members for part in each.assignment()]
        assert len(set(owned)) == PARTITIONS
        send(50)
        poll_until(members, lambda: len(seen) == len(sent), seen)
    members.pop().close()
    poll_until(members, lambda: assignments(members) == [3, 3], seen)
    send(50)
    poll_until(members, lambda: len(seen) == len(sent), seen)
    for each in members:
        each.close()
    assert set(seen) == set(sent)


def test_a_static_member_that_restarts_keeps_its_partitions(shared_broker: BrokerProcess, topic: str) -> None:
    create_topic(shared_broker.bootstrap, topic, PARTITIONS)

    def member(name: str) -> Consumer:
        made = consumer(shared_broker.bootstrap, topic, group_instance_id=name, heartbeat_interval_ms=200)
        made.subscribe([topic])
        return made

    first, second = member("one"), member("two")
    poll_until([first, second], lambda: assignments([first, second]) == [3, 3])
    owned = {part.partition for part in second.assignment()}
    before = describe(shared_broker, topic)
    second.close()  # a static member does not leave
    back = member("two")
    poll_until([first, back], lambda: len(back.assignment()) == 3)
    assert {part.partition for part in back.assignment()} == owned
    assert len(describe(shared_broker, topic).members) == len(before.members) == 2
    assert len(first.assignment()) == 3
    first.close()
    back.close()


def describe(broker: BrokerProcess, group: str) -> ConsumerGroupDescription:
    client = admin(broker.bootstrap)
    found: ConsumerGroupDescription = client.describe_consumer_groups([group])[group].result(TIMEOUT)
    return found


@pytest.mark.slow
def test_a_member_that_dies_gives_its_partitions_back(shared_broker: BrokerProcess, topic: str) -> None:
    create_topic(shared_broker.bootstrap, topic, 2)
    with RawClient(shared_broker.bootstrap) as dead:
        enter(dead, topic, session_timeout=6_000)
    alive = consumer(shared_broker.bootstrap, topic)
    alive.subscribe([topic])
    poll_until([alive], lambda: len(alive.assignment()) == 2)
    alive.close()


def test_membership_survives_a_restart_of_the_broker(broker: BrokerProcess) -> None:
    with RawClient(broker.bootstrap) as client:
        member, generation = enter(client, "shop")
    broker.restart()
    with RawClient(broker.bootstrap) as client:
        assert heartbeat(client, "shop", member, generation) == 0
        described = describe_group(client, "shop")
    assert described.group_state == "Stable"
    assert [(each.member_id, each.member_assignment) for each in described.members] == [(member, b"mine")]


def test_a_consumer_carries_on_after_the_broker_was_killed(broker: BrokerProcess) -> None:
    create_topic(broker.bootstrap, "t", 2)
    produce(broker.bootstrap, "t", [b"a%d" % i for i in range(100)])
    reader = consumer(broker.bootstrap, "shop")
    rebalances: list[int] = []
    reader.subscribe(["t"], on_assign=lambda _, parts: rebalances.append(len(parts)))
    assert len(read_some(reader, 100)) == 100
    reader.commit(asynchronous=False)
    broker.restart()
    produce(broker.bootstrap, "t", [b"b%d" % i for i in range(100)])
    assert {m.value() for m in read_some(reader, 100)} == {b"b%d" % i for i in range(100)}
    reader.commit(asynchronous=False)
    committed = reader.committed([TopicPartition("t", 0), TopicPartition("t", 1)], timeout=TIMEOUT)
    reader.close()
    assert sum(each.offset for each in committed) == 200
    assert rebalances == [2], "the restart made the group rebalance"


@pytest.mark.slow
def test_a_broker_that_stood_still_blames_no_member(broker: BrokerProcess) -> None:
    with RawClient(broker.bootstrap) as client:
        member, generation = enter(client, "shop", session_timeout=6_000)
        os.kill(broker.pid, signal.SIGSTOP)
        time.sleep(8)
        os.kill(broker.pid, signal.SIGCONT)
        time.sleep(1)
        assert heartbeat(client, "shop", member, generation) == 0
    assert "stood still" in broker.log()


def test_a_fresh_group_gets_its_first_message_soon(shared_broker: BrokerProcess, topic: str) -> None:
    create_topic(shared_broker.bootstrap, topic)
    produce(shared_broker.bootstrap, topic, [b"a"])
    reader = consumer(shared_broker.bootstrap, topic)
    reader.subscribe([topic])
    assert len(read_some(reader, 1)) == 1
    reader.close()
