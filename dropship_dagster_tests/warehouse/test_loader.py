"""Kafka -> RAW, exactly once: whatever is killed, stopped, reset or made again."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from dropship_dagster import warehouse
from dropship_dagster.warehouse import (
    CredentialsRefusedError,
    DataLostError,
    LoadError,
    LoadOptions,
    WarehouseUnavailableError,
)
from dropship_dagster.warehouse.topics import GROUP
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until
from local_service_tests.processors import peak_megabytes


def placed(pipeline: Pipeline, first: int, count: int) -> list[dict[str, object]]:
    return [Order(pipeline.id(number)).placed() for number in range(first, first + count)]


def raw_rows(pipeline: Pipeline) -> int:
    return int(pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS WHERE TOPIC = ?", pipeline.orders))


def committed_lag(pipeline: Pipeline) -> int:
    """What a lag tool shows for the loader's group."""
    consumer = Consumer({**pipeline.client_config, "group.id": GROUP})
    places = [TopicPartition(pipeline.orders, partition) for partition in range(pipeline.partitions)]
    lag = 0
    for place in consumer.committed(places, timeout=120):
        _, high = consumer.get_watermark_offsets(place, timeout=120)
        lag += high - max(place.offset, 0)
    consumer.close()
    return lag


def test_what_the_topics_hold_is_loaded_once_and_logged(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 30))
    report = pipeline.load(batch_events=10)
    assert (report.events, report.ended, report.gaps) == (30, "caught up", 0)
    assert json.loads(report.to_json())["topics"][0]["events"] == 30
    again = pipeline.load()
    assert (again.events, again.batches) == (0, 0)
    assert committed_lag(pipeline) == 0

    batches = pipeline.rows(
        "SELECT BATCH_ID, ROWS_LOADED, RANGES::VARCHAR FROM OPS.LOADS WHERE RUN_ID = ?", report.run_id
    )
    assert len(batches) == report.batches >= 3
    assert sum(rows for _, rows, _ in batches) == 30
    assert sum(part["to"] - part["from"] for _, _, ranges in batches for part in json.loads(ranges)) == 30
    assert pipeline.value(
        "SELECT COUNT(DISTINCT BATCH_ID) FROM RAW.ORDERS_EVENTS WHERE TOPIC = ?", pipeline.orders
    ) == len(batches)
    pipeline.assert_loaded(30)


def test_a_run_ends_after_so_many_events_and_the_next_goes_on(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 25))
    first = pipeline.load(max_events=10)
    assert (first.events, first.ended) == (10, "max events")
    assert pipeline.load(max_events=100).events == 15
    assert pipeline.load(follow=True, max_seconds=0.5).ended == "max seconds"
    pipeline.assert_loaded(25)


@pytest.mark.parametrize(("moment", "visible"), [("after_copy", 0), ("after_commit", 20)])
def test_a_consumer_killed_around_its_commit_loads_all_or_nothing(
    pipeline: Pipeline, moment: str, visible: int
) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 20))
    code, _, _ = pipeline.process(die_at=moment).wait()
    assert code == -signal.SIGKILL
    assert wait_until(lambda: raw_rows(pipeline) == visible, f"{visible} rows in RAW")
    assert pipeline.load().events == 20 - visible
    pipeline.assert_loaded(20)


def kill_at_random_moments(pipeline: Pipeline, kills: int) -> None:
    """Consumers follow and are killed while events come in, each at a random moment after it began to load."""
    moments, sent = random.Random(7), 0
    for _ in range(kills):
        consumer, before = pipeline.process(follow=True, flush_seconds=0.05, batch_events=40), raw_rows(pipeline)
        kill_at = None
        while kill_at is None or time.monotonic() < kill_at:
            pipeline.send(pipeline.orders, placed(pipeline, sent, 50))
            sent += 50
            if kill_at is None and raw_rows(pipeline) > before:
                kill_at = time.monotonic() + moments.random() / 2
            assert consumer.popen.poll() is None, consumer.wait()
        consumer.kill()
        assert consumer.popen.returncode == -signal.SIGKILL
    pipeline.load()
    pipeline.refresh()
    pipeline.assert_sound(events=sent)


def test_a_few_kills_under_load_lose_and_double_nothing(pipeline: Pipeline) -> None:
    kill_at_random_moments(pipeline, 4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_under_load_lose_and_double_nothing(pipeline: Pipeline) -> None:
    kill_at_random_moments(pipeline, 50)


@pytest.mark.parametrize("reset_to", [0, 12])
def test_the_groups_offsets_decide_nothing(pipeline: Pipeline, reset_to: int) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 12), partition=0)
    pipeline.load(max_events=5)
    consumer = Consumer({**pipeline.client_config, "group.id": GROUP})
    consumer.commit(offsets=[TopicPartition(pipeline.orders, 0, reset_to)], asynchronous=False)
    assert consumer.committed([TopicPartition(pipeline.orders, 0)], timeout=120)[0].offset == reset_to
    consumer.close()
    assert pipeline.load().events == 7
    assert committed_lag(pipeline) == 0
    pipeline.assert_loaded(12)


def test_a_topic_made_again_under_its_name_is_loaded_from_its_beginning(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 9))
    pipeline.load()
    pipeline.delete_topic(pipeline.orders)
    wait_until(lambda: _make_again(pipeline), "the topic made again")
    pipeline.send(pipeline.orders, placed(pipeline, 9, 4))
    assert pipeline.load().events == 4
    assert (
        pipeline.value("SELECT COUNT(DISTINCT TOPIC_ID) FROM RAW.ORDERS_EVENTS WHERE TOPIC = ?", pipeline.orders) == 2
    )
    pipeline.assert_loaded(13)


def test_a_topic_made_again_while_following_is_noticed(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 9))
    consumer = pipeline.process(follow=True, flush_seconds=0.2, max_seconds=600)
    try:
        wait_until(lambda: raw_rows(pipeline) == 9, "9 rows in RAW")
        pipeline.delete_topic(pipeline.orders)
        wait_until(lambda: _make_again(pipeline), "the topic made again")
        pipeline.send(pipeline.orders, placed(pipeline, 9, 30))
        wait_until(
            lambda: raw_rows(pipeline) == 39 or consumer.popen.poll() is not None, "30 more rows, or a clear end"
        )
    finally:
        consumer.kill()
    pipeline.load()
    pipeline.assert_loaded(39)


def _make_again(pipeline: Pipeline) -> bool:
    pipeline.make_topics()
    return pipeline.orders in AdminClient(dict(pipeline.client_config)).list_topics(timeout=120).topics


def test_messages_the_broker_lost_stop_the_load_until_the_gap_is_accepted(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 20), partition=1)
    pipeline.load(max_events=5)
    admin = AdminClient(dict(pipeline.client_config))
    place = TopicPartition(pipeline.orders, 1, 12)
    assert admin.delete_records([place])[place].result(120).low_watermark == 12
    told = rf"Partition 1 of topic {pipeline.orders}: offsets 5 to 11 \(7 messages\).*dropship consume --accept-gaps"
    with pytest.raises(DataLostError, match=told):
        pipeline.load()
    assert raw_rows(pipeline) == 5
    report = pipeline.load(accept_gaps=True)
    assert (report.events, report.gaps) == (8, 7)
    pipeline.assert_loaded(13)
    verdict = pipeline.verify().topics[pipeline.orders]
    assert (verdict.known_gaps, verdict.gaps) == (7, 0)
    assert pipeline.rows(
        "SELECT FROM_OFFSET, TO_OFFSET, REASON FROM OPS.KAFKA_GAPS WHERE TOPIC = ?", pipeline.orders
    ) == [(5, 12, "lost")]


def test_partitions_added_while_following_are_read_from_their_beginning(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 6))
    consumer = pipeline.process(follow=True, flush_seconds=0.2, max_seconds=600)
    try:
        wait_until(lambda: raw_rows(pipeline) == 6, "6 rows in RAW")
        pipeline.add_partitions(pipeline.orders, 5)
        pipeline.send(pipeline.orders, placed(pipeline, 6, 3), partition=4)
        pipeline.send(pipeline.orders, placed(pipeline, 9, 3), partition=0)
        wait_until(lambda: raw_rows(pipeline) == 12, "12 rows in RAW")
    finally:
        consumer.kill()
    pipeline.assert_loaded(12)


def test_of_two_consumers_at_once_one_gives_up_and_nothing_is_doubled(pipeline: Pipeline, tmp_path: Path) -> None:
    """The first is a zombie: it is stopped before its commit, another takes over, then it goes on."""
    pipeline.send(pipeline.orders, placed(pipeline, 0, 15))
    hold = tmp_path / "hold"
    hold.touch()
    zombie = pipeline.process(hold_before_commit=str(hold))
    try:
        wait_until(Path(f"{hold}.reached").exists, "the first consumer's commit")
        zombie.signal(signal.SIGSTOP)
        assert pipeline.load().events == 15
        pipeline.send(pipeline.orders, placed(pipeline, 15, 5))
        hold.unlink()
        zombie.signal(signal.SIGCONT)
        code, _, errors = zombie.wait()
    finally:
        zombie.kill()
    assert code == 1
    assert re.search(r"OffsetsMovedError: Partition \d of topic .* another consumer is loading it", errors)
    assert raw_rows(pipeline) == 15
    assert pipeline.load().events == 5
    pipeline.assert_loaded(20)


def test_a_bounded_consumer_that_concedes_goes_on_from_where_the_other_one_got(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 15))
    hold = tmp_path / "hold"
    hold.touch()
    resuming = pipeline.process(hold_before_commit=str(hold), resume_after_conflict=True)
    try:
        wait_until(Path(f"{hold}.reached").exists, "the first consumer's commit")
        resuming.signal(signal.SIGSTOP)
        assert pipeline.load().events == 15
        pipeline.send(pipeline.orders, placed(pipeline, 15, 5))
        hold.unlink()
        resuming.signal(signal.SIGCONT)
        code, out, errors = resuming.wait()
    finally:
        resuming.kill()
    assert code == 0, errors
    assert json.loads(out.splitlines()[-1])["events"] == 0, "it ends where the topics ended when it began"
    assert pipeline.load().events == 5
    pipeline.assert_loaded(20)


def test_consumers_that_share_the_partitions_load_everything_together(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, placed(pipeline, 0, 60))
    reports = []
    threads = [
        threading.Thread(target=lambda index=index: reports.append(pipeline.load(share=(index, 2), batch_events=10)))
        for index in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.events for report in reports) == 60
    assert len(reports) == 2
    pipeline.assert_loaded(60)


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(LoadError, match="not 2/2"):
        LoadOptions(share=(2, 2))


def test_wrong_credentials_end_the_load_at_once_and_name_the_settings(pipeline: Pipeline) -> None:
    wrong = {**pipeline.endpoint.connect_args, "password": "not-the-password"}
    endpoint = dataclasses.replace(pipeline.endpoint, connect_args=wrong)
    states: list[str] = []
    with pytest.raises(CredentialsRefusedError, match=r"SNOWFLAKE_USER and SNOWFLAKE_PRIVATE_KEY_PATH") as caught:
        warehouse.load(endpoint, pipeline.client_config, pipeline.tables, on_state=states.append)
    assert states == []
    assert "not-the-password" not in repr(caught.value)


def test_a_warehouse_that_is_away_is_waited_for_and_then_named(pipeline: Pipeline) -> None:
    endpoint = dataclasses.replace(pipeline.endpoint, connect_args={**pipeline.endpoint.connect_args, "port": 9})
    states: list[str] = []
    with pytest.raises(WarehouseUnavailableError, match=r"127\.0\.0\.1:9 cannot be reached"):
        warehouse.load(
            endpoint, pipeline.client_config, pipeline.tables, LoadOptions(patience_seconds=0.3), on_state=states.append
        )
    assert states
    assert states[0].startswith("waiting: ")


def test_stopping_commits_what_was_fetched(pipeline: Pipeline) -> None:
    stop = threading.Event()
    reports = []

    def follow() -> None:
        reports.append(
            warehouse.load(
                pipeline.endpoint, pipeline.client_config, pipeline.tables, LoadOptions(follow=True), stop=stop
            )
        )

    thread = threading.Thread(target=follow)
    thread.start()
    pipeline.send(pipeline.orders, placed(pipeline, 0, 40))
    wait_until(lambda: raw_rows(pipeline) == 40, "40 rows in RAW")
    stop.set()
    thread.join(120)
    assert not thread.is_alive()
    assert (reports[0].ended, reports[0].events) == ("stopped", 40)


def test_batches_are_larger_while_the_warehouse_is_busy(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.send(pipeline.orders, [b"%04d" % number * 250 for number in range(8_000)])
    staged = f"LIST @OPS.LOADER/{pipeline.tables[pipeline.orders].lower()}"
    before = len(pipeline.rows(staged))
    hold = tmp_path / "hold"
    hold.touch()
    consumer = pipeline.process(batch_bytes=1_200_000, hold_before_commit=str(hold))
    try:
        wait_until(lambda: len(pipeline.rows(staged)) == before + 2, "two files")
        hold.unlink()
        code, _, errors = consumer.wait()
    finally:
        consumer.kill()
    assert code == 0, errors
    loads = pipeline.rows("SELECT BYTES FROM OPS.LOADS WHERE TOPIC = ? ORDER BY LOADED_AT", pipeline.orders)
    first, held, *rest, _ = (size for (size,) in loads)
    assert first < 300_000
    assert held >= 1_200_000
    assert all(400_000 <= size < 1_400_000 for size in rest)
    pipeline.assert_loaded(8_000)


def test_messages_that_cannot_be_compressed_are_loaded_in_bounded_memory(pipeline: Pipeline) -> None:
    chance = random.Random(1)
    pipeline.send(pipeline.orders, [base64.b64encode(chance.randbytes(700_000)) for _ in range(120)])
    consumer = pipeline.process(follow=True)
    try:
        wait_until(lambda: raw_rows(pipeline) == 120, "all rows")
        peak = peak_megabytes(consumer.popen.pid)
    finally:
        consumer.popen.kill()
        consumer.wait()
    largest = pipeline.value("SELECT MAX(BYTES) FROM OPS.LOADS WHERE TOPIC = ?", pipeline.orders)
    assert largest < 40_000_000, "base64 takes three quarters in the file, so a batch ends at 32 MB"
    assert peak < 400
