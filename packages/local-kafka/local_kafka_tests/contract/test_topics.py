"""Topics, their settings, and the cluster."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.contract.requests import (
    BROKER_LOGGER,
    CREATE_PARTITIONS,
    CREATE_TOPICS,
    DESCRIBE_ACLS,
    DESCRIBE_CLUSTER,
    DESCRIBE_CONFIGS,
    DESCRIBE_LOG_DIRS,
    FIND_COORDINATOR,
    GROUP,
    LIST_PARTITION_REASSIGNMENTS,
    METADATA,
    TOPIC,
    change_config,
    create,
    delete,
    describe_configs,
    describe_topic,
    eventually,
)
from local_kafka_tests.raw import RawClient, batch, produce_raw

SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


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
        ({"segment_bytes": "1048575"}, ErrorCode.invalid_config),
        ({"segment_ms": "0"}, ErrorCode.invalid_config),
        ({"cleanup_policy": "compact,archive"}, ErrorCode.invalid_config),
        ({"min_cleanable_dirty_ratio": "1.5"}, ErrorCode.invalid_config),
        ({"min_compaction_lag_ms": "2", "max_compaction_lag_ms": "1"}, ErrorCode.invalid_config),
        ({"message_timestamp_type": "EventTime"}, ErrorCode.invalid_config),
        ({"unclean_leader_election_enable": "maybe"}, ErrorCode.invalid_config),
        ({"flush_messages": "0"}, ErrorCode.invalid_config),
    ],
)
def test_topics_that_cannot_be_are_refused(client: RawClient, topic: str, change: dict, error: ErrorCode) -> None:
    created = create(client, **{"name": topic, **change})
    assert created.error_code == error
    assert created.error_message


def assigned(client: RawClient, name: str, **brokers: list[int]) -> Any:
    """CreateTopics with the brokers of each partition (p0=[1], ...)."""
    assignments = [{"partition_index": int(key[1:]), "broker_ids": ids} for key, ids in brokers.items()]
    return assign(client, name, assignments)


def assign(client: RawClient, name: str, assignments: list[dict[str, Any]]) -> Any:
    entry = {"name": name, "num_partitions": -1, "replication_factor": -1, "assignments": assignments}
    return client.call(CREATE_TOPICS, 7, topics=[entry], timeout=30_000).topics[0]


def test_partitions_that_are_assigned_are_numbered_from_0_and_on_brokers_that_are_there(
    client: RawClient, topic: str
) -> None:
    wrong = ErrorCode.invalid_replica_assignment
    assert assigned(client, topic, p0=[1], p5=[1]).error_code == wrong
    assert assigned(client, topic, p1=[1], p2=[1]).error_code == wrong
    assert assigned(client, topic, p0=[9]).error_code == wrong
    assert assigned(client, topic, p0=[1], p1=[1, 9]).error_code == wrong
    assert assigned(client, topic, p0=[1, 1]).error_code == wrong
    assert assigned(client, topic, p0=[]).error_code == wrong
    twice = [{"partition_index": 0, "broker_ids": [1]}] * 2
    assert assign(client, topic, twice).error_code == wrong
    created = assigned(client, topic, p1=[1], p0=[1])
    assert (created.error_code, created.num_partitions) == (0, 2)


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

    def grow(name: str, count: int, *, only_check: bool = False, brokers: list[int] | None = None) -> int:
        assignments = None if brokers is None else [{"broker_ids": [1]}, {"broker_ids": brokers}]
        topics = [{"name": name, "count": count, "assignments": assignments}]
        response = client.call(CREATE_PARTITIONS, 3, topics=topics, timeout=30_000, validate_only=only_check)
        return int(response.results[0].error_code)

    for brokers in ([9], [1, 1], []):
        assert grow(topic, 4, brokers=brokers) == ErrorCode.invalid_replica_assignment
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


HARMLESS = {
    "compression.type": "producer",
    "delete.retention.ms": "1000",
    "file.delete.delay.ms": "1000",
    "flush.messages": "10",
    "flush.ms": "1000",
    "index.interval.bytes": "100",
    "max.compaction.lag.ms": "90000",
    "min.cleanable.dirty.ratio": "0.1",
    "min.compaction.lag.ms": "60000",
    "preallocate": "false",
    "segment.bytes": "1048576",
    "segment.index.bytes": "1000",
    "segment.jitter.ms": "10",
    "segment.ms": "100000",
    "unclean.leader.election.enable": "true",
}


def test_settings_that_topics_are_made_with_are_accepted_and_described(client: RawClient, topic: str) -> None:
    create(client, topic)
    defaults = describe_configs(client, topic, *HARMLESS)
    assert set(defaults) == set(HARMLESS)
    assert {source for _, source in defaults.values()} == {5}
    assert defaults["segment.ms"] == ("604800000", 5)
    assert defaults["min.cleanable.dirty.ratio"] == ("0.5", 5)
    assert defaults["delete.retention.ms"] == ("86400000", 5)
    other = f"{topic}-set"
    assert create(client, other, **HARMLESS).error_code == 0
    assert describe_configs(client, other, *HARMLESS) == {name: (value, 1) for name, value in HARMLESS.items()}


def test_the_cleanup_policy_is_a_list(client: RawClient, topic: str) -> None:
    create(client, topic, cleanup_policy="compact,delete")

    def policy() -> str:
        return describe_configs(client, topic, "cleanup.policy")["cleanup.policy"][0]

    for operation, value, left in ((SUBTRACT, "delete", "compact"), (APPEND, "delete", "compact,delete")):
        assert change_config(client, topic, "cleanup.policy", operation, value) == 0
        assert eventually(policy, left) == left
    assert change_config(client, topic, "cleanup.policy", SET, "both") == ErrorCode.invalid_config


def described(client: RawClient, kind: int, name: str) -> tuple[int, dict[str, tuple[str, int]]]:
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": None}
    found = client.call(DESCRIBE_CONFIGS, 4, resources=[resource]).results[0]
    return found.error_code, {config.name: (config.value, config.config_source) for config in found.configs}


def test_groups_and_loggers_have_settings(client: RawClient, topic: str) -> None:
    error, settings = described(client, GROUP, topic)
    assert (error, settings["consumer.session.timeout.ms"]) == (0, ("45000", 5))
    assert settings["consumer.heartbeat.interval.ms"] == ("5000", 5)
    assert described(client, GROUP, "") == (ErrorCode.invalid_request, {})
    error, loggers = described(client, BROKER_LOGGER, "1")
    assert (error, loggers["root"][1]) == (0, 6)
    for wrong in ("", "9", "x"):
        assert described(client, BROKER_LOGGER, wrong) == (ErrorCode.invalid_request, {})


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


def test_log_dirs_say_how_large_partitions_are(client: RawClient, topic: str) -> None:
    create(client, topic, 2)
    batches = [batch([bytes(number * 100)]) for number in range(1, 6)]
    for each in batches:
        assert produce_raw(client, topic, each, partition=1).error_code == 0

    def sizes(wanted: list[dict[str, Any]] | None) -> dict[tuple[str, int], int]:
        response = client.call(DESCRIBE_LOG_DIRS, 4, topics=wanted)
        (found,) = response.results
        assert (response.error_code, found.error_code) == (0, 0)
        assert found.total_bytes >= found.usable_bytes > 0
        assert all(each.partitions for each in found.topics)
        return {(each.name, p.partition_index): p.partition_size for each in found.topics for p in each.partitions}

    size = sum(map(len, batches))
    assert sizes([{"topic": topic, "partitions": [0, 1]}]) == {(topic, 0): 0, (topic, 1): size}
    assert sizes([{"topic": topic, "partitions": [1, 7]}, {"topic": "no-" + topic, "partitions": [0]}]) == {
        (topic, 1): size
    }
    assert sizes(None)[topic, 1] == size


def test_no_partition_moves_and_there_are_no_acls(client: RawClient) -> None:
    moving = client.call(LIST_PARTITION_REASSIGNMENTS, 0, timeout=1000, topics=None)
    assert (moving.error_code, moving.topics) == (0, [])
    anything = {"resource_type_filter": 1, "pattern_type_filter": 1, "operation": 1, "permission_type": 1}
    acls = client.call(DESCRIBE_ACLS, 3, **anything)
    assert (acls.error_code, acls.resources) == (ErrorCode.security_disabled, [])
