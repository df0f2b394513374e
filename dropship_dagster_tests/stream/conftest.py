"""What the stream's tests share: own topics on the shared broker, and reading them back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dropship_dagster.endpoints import KafkaEndpoint
from dropship_dagster.shop import ShopConfig, generate
from dropship_dagster.stream import TOPICS, Assignment, PartitionReader, TopicSpec, ensure_topics, partitions


@dataclass(frozen=True)
class Topics:
    """Three topics of one test."""

    client: dict[str, str]
    names: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """All messages by FETCHED, partition by partition in their order."""
        offsets = partitions(self.client, self.names.values())
        places = [Assignment(name, part.partition, part.low) for name, t in offsets.items() for part in t.partitions]
        with PartitionReader(self.client, places) as reader:
            batch = reader.fetch(max_messages=10_000_000, max_seconds=600)
        assert batch.at_end
        rows: list[dict[str, Any]] = batch.rows.to_pylist()
        return sorted(rows, key=lambda row: (row["topic"], row["partition"], row["offset"]))

    def count(self) -> int:
        """How many messages there are, without reading them."""
        offsets = partitions(self.client, self.names.values())
        return sum(part.high - part.low for topic in offsets.values() for part in topic.partitions)

    def events(self, topic: str) -> list[dict[str, Any]]:
        """The values of one of the three topics."""
        return [json.loads(row["value"]) for row in self.rows() if row["topic"] == self.names[topic]]


@pytest.fixture
def new_topics(kafka: KafkaEndpoint) -> Callable[[], Topics]:
    """Makes topics that nobody else uses."""

    def make() -> Topics:
        mark = uuid.uuid4().hex[:8]
        names = {topic: f"{topic}-{mark}" for topic in TOPICS}
        client = dict(kafka.client_config)
        ensure_topics(client, [TopicSpec(name) for name in names.values()])
        return Topics(client, names)

    return make


@pytest.fixture
def topics(new_topics: Callable[[], Topics]) -> Topics:
    """Three empty topics."""
    return new_topics()


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small generated shop. Nobody writes into it."""
    folder = tmp_path_factory.mktemp("stream") / "seeds"
    generate(ShopConfig(customers=100, products=30, orders=400), folder)
    return folder
