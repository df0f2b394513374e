"""Several consumers that follow: whoever comes, goes, is killed or asleep, each event is loaded once."""

from __future__ import annotations

import random
import signal
import time

import pytest

from dropship_dagster.warehouse import LoadError, LoadOptions
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import ConsumerProcess, Pipeline, wait_until

FOLLOW = {"follow": True, "flush_seconds": 0.1, "batch_events": 50}


def send(pipeline: Pipeline, first: int, count: int) -> int:
    """Orders number `first` and up; the number after the last."""
    pipeline.send(pipeline.orders, [Order(pipeline.id(number)).placed() for number in range(first, first + count)])
    return first + count


def raw_rows(pipeline: Pipeline) -> int:
    return int(pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS WHERE TOPIC = ?", pipeline.orders))


def loaders(pipeline: Pipeline) -> int:
    """How many runs have loaded something of these topics."""
    return int(pipeline.value("SELECT COUNT(DISTINCT RUN_ID) FROM OPS.LOADS WHERE TOPIC = ?", pipeline.orders))


def stop(consumer: ConsumerProcess, sign: signal.Signals) -> None:
    consumer.signal(sign)
    consumer.popen.communicate(timeout=300)


@pytest.mark.timeout(600)
def test_three_consumers_of_a_group_come_and_go_and_each_event_is_loaded_once(pipeline: Pipeline) -> None:
    """Each takes over from the others: by leaving in order, by a kill, and after a sleep in which it lost its part."""
    sent = send(pipeline, 0, 60)
    members = [pipeline.process(group=True, **FOLLOW)]
    try:
        wait_until(lambda: raw_rows(pipeline) == sent, "the first alone loads everything")
        members += [pipeline.process(group=True, **FOLLOW) for _ in range(2)]

        def shared() -> bool:
            nonlocal sent
            sent = send(pipeline, sent, 20)
            return loaders(pipeline) == 3

        wait_until(shared, "all three load a part")
        members[1].signal(signal.SIGSTOP)
        stop(members[0], signal.SIGKILL)
        sent = send(pipeline, sent, 60)
        wait_until(lambda: raw_rows(pipeline) == sent, "the third takes over from both")
        members[1].signal(signal.SIGCONT)
        members.append(pipeline.process(group=True, **FOLLOW))
        sent = send(pipeline, sent, 60)
        wait_until(lambda: raw_rows(pipeline) == sent, "the one that was asleep and a new one help")
        assert [member.popen.poll() for member in members[1:]] == [None, None, None], "nobody gave up"
    finally:
        for member in members:
            member.kill()
    pipeline.refresh()
    pipeline.assert_sound(events=sent)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_consumers_of_a_group_that_come_and_go_at_random_lose_and_double_nothing(pipeline: Pipeline) -> None:
    moments, sent, members = random.Random(11), 0, [pipeline.process(group=True, **FOLLOW) for _ in range(3)]
    try:
        for _ in range(30):
            until = time.monotonic() + moments.uniform(0.5, 4)
            while time.monotonic() < until:
                sent = send(pipeline, sent, 40)
            members.pop(moments.randrange(len(members))).kill()
            members.append(pipeline.process(group=True, **FOLLOW))
        wait_until(lambda: raw_rows(pipeline) == sent, "everything loaded")
    finally:
        for member in members:
            member.kill()
    pipeline.refresh()
    pipeline.assert_sound(events=sent)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_consumers_with_fixed_shares_load_everything_together_when_each_is_restarted(pipeline: Pipeline) -> None:
    members = [pipeline.process(share=(index, 3), **FOLLOW) for index in range(3)]
    try:
        sent = send(pipeline, 0, 90)
        wait_until(lambda: raw_rows(pipeline) == sent, "all three load their part")
        assert loaders(pipeline) == 3
        for index in range(3):
            stop(members[index], signal.SIGKILL)
            sent = send(pipeline, sent, 60)
            members[index] = pipeline.process(share=(index, 3), **FOLLOW)
        wait_until(lambda: raw_rows(pipeline) == sent, "the restarted ones go on")
    finally:
        for member in members:
            member.kill()
    pipeline.assert_loaded(sent)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_that_follow_the_same_partitions_go_on_and_double_nothing(pipeline: Pipeline) -> None:
    """As the daemon's runs and a consumer beside it do: one is refused, plans anew and goes on."""
    members = [pipeline.process(**FOLLOW) for _ in range(2)]
    sent = 0
    try:

        def both() -> bool:
            nonlocal sent
            sent = send(pipeline, sent, 20)
            assert [member.popen.poll() for member in members] == [None, None], [
                member.wait() for member in members if member.popen.poll() is not None
            ]
            return loaders(pipeline) == 2

        wait_until(both, "both load something")
        wait_until(lambda: raw_rows(pipeline) == sent, "everything loaded")
        assert [member.popen.poll() for member in members] == [None, None]
    finally:
        for member in members:
            member.kill()
    pipeline.assert_loaded(sent)


def test_a_partition_added_while_nothing_else_comes_is_noticed(pipeline: Pipeline) -> None:
    consumer = pipeline.process(**FOLLOW)
    try:
        sent = send(pipeline, 0, 6)
        wait_until(lambda: raw_rows(pipeline) == sent, "6 rows in RAW")
        pipeline.add_partitions(pipeline.orders, 4)
        pipeline.send(pipeline.orders, [Order(pipeline.id(6)).placed()], partition=3)
        wait_until(lambda: raw_rows(pipeline) == 7, "the row of the new partition")
    finally:
        consumer.kill()
    pipeline.assert_loaded(7)


@pytest.mark.parametrize("options", [{"group": True}, {"group": True, "follow": True, "share": (0, 2)}])
def test_a_group_is_for_consumers_that_follow_and_have_no_share_of_their_own(options: dict[str, object]) -> None:
    with pytest.raises(LoadError, match="A group shares out"):
        LoadOptions(**options)
