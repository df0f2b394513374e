"""Topics are created as configured, compared when they exist, and known by their ids."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka.admin import AdminClient

from dropship_dagster.endpoints import KafkaEndpoint
from dropship_dagster.stream import StreamError, TopicSpec, ensure_topics, partitions


def name() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


def test_a_topic_is_made_once_and_found_afterwards(kafka: KafkaEndpoint) -> None:
    spec = TopicSpec(name(), partitions=4)
    [made] = ensure_topics(kafka.client_config, [spec])
    [found] = ensure_topics(kafka.client_config, [spec])
    assert (made.created, found.created) == (True, False)
    assert made.topic_id == found.topic_id
    assert made.partitions == found.partitions == 4
    assert found.differs == ()


def test_missing_partitions_are_added_and_surplus_ones_named(kafka: KafkaEndpoint) -> None:
    topic = name()
    ensure_topics(kafka.client_config, [TopicSpec(topic, partitions=2)])
    [more] = ensure_topics(kafka.client_config, [TopicSpec(topic, partitions=3)])
    assert more.partitions == 3
    assert partitions(kafka.client_config, [topic])[topic].partition_count == 3
    [fewer] = ensure_topics(kafka.client_config, [TopicSpec(topic, partitions=1)])
    assert "has 3 partitions, 1 are configured" in fewer.differs[0]


def test_another_retention_is_named(kafka: KafkaEndpoint) -> None:
    topic = name()
    ensure_topics(kafka.client_config, [TopicSpec(topic, retention_ms=60_000)])
    [state] = ensure_topics(kafka.client_config, [TopicSpec(topic)])
    assert state.differs == ("has retention.ms=60000, retention.ms=-1 is configured",) or "60000" in state.differs[0]


def test_a_topic_made_again_has_another_id(kafka: KafkaEndpoint) -> None:
    topic = name()
    [first] = ensure_topics(kafka.client_config, [TopicSpec(topic)])
    admin = AdminClient(dict(kafka.client_config))
    admin.delete_topics([topic])[topic].result(timeout=120)
    [second] = ensure_topics(kafka.client_config, [TopicSpec(topic)])
    assert second.created
    assert first.topic_id != second.topic_id


def test_an_unknown_topic_is_named(kafka: KafkaEndpoint) -> None:
    with pytest.raises(StreamError, match="Topic missing-topic: the broker has no such topic"):
        partitions(kafka.client_config, ["missing-topic"])


def test_a_wrong_setting_is_named(kafka: KafkaEndpoint) -> None:
    with pytest.raises(StreamError, match="cannot be created"):
        ensure_topics(kafka.client_config, [TopicSpec(name(), config={"retention.bytes": "many"})])
