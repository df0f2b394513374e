"""Topics, their settings, and the cluster."""

from __future__ import annotations

import uuid

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.contract.requests import (
    CREATE_PARTITIONS,
    CREATE_TOPICS,
    DESCRIBE_CLUSTER,
    DESCRIBE_CONFIGS,
    FIND_COORDINATOR,
    METADATA,
    TOPIC,
    change_config,
    create,
    delete,
    describe_configs,
    describe_topic,
    eventually,
)
from local_kafka_tests.raw import RawClient

SET, DELETE, APPEND = 0, 1, 2


def test_a_created_topic_is_described_with_its_id_and_partitions(client: RawClient, topic: str) -> None:
    created = create(client, topic, 3, retention_ms="1000")
    assert (created.error_code, created.num_partitions, created.replication_factor) == (0, 3, 1)
    found = describe_topic(client, topic)
    assert (found.error_code, found.name, found.topic_id) == (0, topic, created.topic_id)
    assert sorted(partition.partition_index for partition in found.partitions) == [0, 1, 2]
    assert {partition.leader_id for partition in found.partitions} == {1}
    by_id = describe_topic(client, None, created.topic_id)
    assert (by_id.error_code, by_id.name) == (0, topic)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "no spaces"}, ErrorCode.invalid_topic_exception),
        ({"name": ".."}, ErrorCode.invalid_topic_exception),
        ({"name": "x" * 250}, ErrorCode.invalid_topic_exception),
        ({"partitions": 0}, ErrorCode.invalid_partitions),
        ({"replicas": 3}, ErrorCode.invalid_replication_factor),
        ({"no_such_setting": "1"}, ErrorCode.invalid_config),
        ({"retention_ms": "soon"}, ErrorCode.invalid_config),
        ({"retention_ms": "-5"}, ErrorCode.invalid_config),
    ],
)
def test_topics_that_cannot_be_are_refused(client: RawClient, topic: str, change: dict, error: ErrorCode) -> None:
    created = create(client, **{"name": topic, **change})
    assert created.error_code == error
    assert created.error_message


def test_a_topic_is_created_once(client: RawClient, topic: str) -> None:
    assert create(client, topic).error_code == 0
    assert create(client, topic).error_code == ErrorCode.topic_already_exists


def test_a_period_and_an_underscore_are_alike_in_names(client: RawClient, topic: str) -> None:
    assert create(client, f"{topic}.a_b").error_code == 0
    for other in (f"{topic}_a.b", f"{topic}.a.b", f"{topic}_a_b"):
        assert create(client, other).error_code == ErrorCode.invalid_topic_exception
    assert create(client, f"{topic}.ab").error_code == 0


def test_a_name_twice_in_a_request_creates_nothing(client: RawClient, topic: str) -> None:
    entry = {"name": topic, "num_partitions": 1, "replication_factor": 1}
    response = client.call(CREATE_TOPICS, 7, topics=[entry, entry], timeout=30_000)
    assert {each.error_code for each in response.topics} == {ErrorCode.invalid_request}
    assert describe_topic(client, topic).error_code == ErrorCode.unknown_topic_or_partition


def test_a_check_creates_nothing(client: RawClient, topic: str) -> None:
    assert create(client, topic, only_check=True).error_code == 0
    assert describe_topic(client, topic).error_code == ErrorCode.unknown_topic_or_partition
    assert create(client, topic, -1, replicas=-1).num_partitions == 1


def test_what_is_not_there_is_unknown(client: RawClient, topic: str) -> None:
    assert describe_topic(client, topic).error_code == ErrorCode.unknown_topic_or_partition
    assert describe_topic(client, None, uuid.uuid4()).error_code == ErrorCode.unknown_topic_id
    assert delete(client, topic).error_code == ErrorCode.unknown_topic_or_partition
    assert delete(client, None, uuid.uuid4()).error_code == ErrorCode.unknown_topic_id


def test_a_topic_created_again_has_another_id(client: RawClient, topic: str) -> None:
    first = create(client, topic).topic_id
    assert delete(client, topic).error_code == 0
    second = create(client, topic).topic_id
    assert first != second
    assert describe_topic(client, None, first).error_code == ErrorCode.unknown_topic_id
    deleted = delete(client, None, second)
    assert (deleted.error_code, deleted.name) == (0, topic)


def test_topics_grow_and_never_shrink(client: RawClient, topic: str) -> None:
    create(client, topic, 2)

    def grow(name: str, count: int, *, only_check: bool = False) -> int:
        topics = [{"name": name, "count": count, "assignments": None}]
        response = client.call(CREATE_PARTITIONS, 3, topics=topics, timeout=30_000, validate_only=only_check)
        return int(response.results[0].error_code)

    assert grow(topic, 4, only_check=True) == 0
    assert len(describe_topic(client, topic).partitions) == 2
    assert grow(topic, 4) == 0
    assert eventually(lambda: len(describe_topic(client, topic).partitions), 4) == 4
    assert grow(topic, 4) == ErrorCode.invalid_partitions
    assert grow(topic, 1) == ErrorCode.invalid_partitions
    assert grow("not-" + topic, 4) == ErrorCode.unknown_topic_or_partition


def test_settings_are_described_with_their_source(client: RawClient, topic: str) -> None:
    create(client, topic, retention_ms="86400000", max_message_bytes="5000")
    found = describe_configs(client, topic, "retention.ms", "max.message.bytes", "cleanup.policy")
    assert found == {
        "retention.ms": ("86400000", 1),
        "max.message.bytes": ("5000", 1),
        "cleanup.policy": ("delete", 5),
    }


def test_single_settings_are_changed_and_removed(client: RawClient, topic: str) -> None:
    create(client, topic, retention_ms="1000")
    assert change_config(client, topic, "segment.bytes", SET, "2000000") == 0
    assert change_config(client, topic, "retention.ms", DELETE, None) == 0

    def described() -> tuple[tuple[str, int], int]:
        found = describe_configs(client, topic, "segment.bytes", "retention.ms")
        return found["segment.bytes"], found["retention.ms"][1]

    changed = (("2000000", 1), 5)
    assert eventually(described, changed) == changed
    assert change_config(client, topic, "retention.ms", SET, "never") == ErrorCode.invalid_config
    assert change_config(client, topic, "retention.ms", APPEND, "1") == ErrorCode.invalid_config
    assert change_config(client, topic, "no.such.setting", SET, "1") == ErrorCode.invalid_config
    unknown = change_config(client, "not-" + topic, "retention.ms", SET, "1")
    assert unknown == ErrorCode.unknown_topic_or_partition


def test_settings_of_unknown_topics_are_an_error(client: RawClient, topic: str) -> None:
    resource = {"resource_type": TOPIC, "resource_name": topic, "configuration_keys": None}
    found = client.call(DESCRIBE_CONFIGS, 4, resources=[resource]).results[0]
    assert found.error_code == ErrorCode.unknown_topic_or_partition


def test_the_cluster_is_one_broker_that_coordinates_groups(client: RawClient, kafka: str) -> None:
    port = int(kafka.rpartition(":")[2])
    cluster = client.call(DESCRIBE_CLUSTER, 1)
    assert [(broker.broker_id, broker.host, broker.port) for broker in cluster.brokers] == [(1, "127.0.0.1", port)]
    metadata = client.call(METADATA, 12, topics=[])
    assert (metadata.cluster_id, metadata.topics) == (cluster.cluster_id, [])
    found = client.call(FIND_COORDINATOR, 4, key_type=0, coordinator_keys=["a", "b"]).coordinators
    assert [(each.key, each.error_code, each.port) for each in found] == [("a", 0, port), ("b", 0, port)]
