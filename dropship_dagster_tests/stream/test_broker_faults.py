"""The producer while its broker fails: what was sent is there once, and what was acknowledged is there."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropship_dagster.shop import ShopConfig, generate, read_manifest
from dropship_dagster.stream import TOPICS, TopicSpec, ensure_topics, replay
from dropship_dagster_tests.stream.conftest import Topics
from dropship_dagster_tests.stream.lossy_proxy import LossyProxy
from local_kafka_tests.process import BrokerProcess, running_broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker of the test's own, to be killed."""
    with running_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def own(broker: BrokerProcess) -> Topics:
    """Three empty topics on it."""
    client = {"bootstrap.servers": broker.bootstrap}
    names = {topic: f"{topic}-{uuid.uuid4().hex[:8]}" for topic in TOPICS}
    ensure_topics(client, [TopicSpec(name) for name in names.values()])
    return Topics(client, names)


def rows(folder: Path) -> int:
    manifest = read_manifest(folder)
    assert manifest is not None
    return sum(manifest.files[name].rows for name in ("customers.csv", "products.csv", "order_events.csv"))


def assert_each_once(topics: Topics, expected: int) -> None:
    ids = [json.loads(row["value"])["event_id"] for row in topics.rows()]
    assert len(ids) == len(set(ids)) == expected


def test_a_lost_acknowledgement_makes_no_second_record(own: Topics, broker: BrokerProcess, seeds: Path) -> None:
    proxy = LossyProxy(broker.port, drops=3)
    try:
        client = {"bootstrap.servers": f"127.0.0.1:{proxy.port}", "batch.size": "20000"}
        report = replay(client, seeds, topic_names=own.names)
    finally:
        proxy.close()
    assert proxy.dropped == 3, "the broker wrote three batches and the producer did not learn it"
    assert report.sent == report.acknowledged == rows(seeds)
    assert_each_once(own, report.sent)


def test_a_broker_killed_while_we_produce_loses_nothing_and_doubles_nothing(
    own: Topics, broker: BrokerProcess, tmp_path: Path
) -> None:
    seeds = tmp_path / "seeds"
    generate(ShopConfig(customers=100, products=30, orders=4_000), seeds)
    kills = [0]

    def strike(_topic: str, done: int, _total: int | None) -> None:
        if done < 2_000 * len(kills) or len(kills) > 3:
            return
        deadline = time.monotonic() + 300
        while own.count() == kills[-1]:  # the client sends in a thread of its own
            assert time.monotonic() < deadline
            time.sleep(0.02)
        kills.append(own.count())
        broker.restart()

    report = replay(own.client, seeds, progress=strike, topic_names=own.names)
    assert len(kills) == 4
    assert 0 < kills[1] < kills[2] < kills[3] < rows(seeds), "each kill struck in the middle"
    assert report.sent == report.acknowledged == rows(seeds)
    assert_each_once(own, report.sent)
