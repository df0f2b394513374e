"""Requests of the contract, in few words."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kio.schema.errors import ErrorCode

from local_kafka_tests.raw import RawClient

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 8, 9, 10, 11, 12, 13, 14
DESCRIBE_GROUPS, LIST_GROUPS, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS = 15, 16, 19, 20, 21
INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH, DESCRIBE_CONFIGS, ALTER_CONFIGS = 22, 23, 32, 33
CREATE_PARTITIONS, DELETE_GROUPS, INCREMENTAL_ALTER_CONFIGS, OFFSET_DELETE, DESCRIBE_CLUSTER = 37, 42, 44, 47, 60
DESCRIBE_ACLS, DESCRIBE_LOG_DIRS, LIST_PARTITION_REASSIGNMENTS = 29, 35, 46
TOPIC, BROKER, BROKER_LOGGER, GROUP = 2, 4, 8, 32
# Generous, because it is waited for only where something is wrong or the machine is busy.
_SETTLE_SECONDS = 120
# Longer than any test: no member is lost because the machine is busy.
_SESSION_MS = 120_000

Answer = TypeVar("Answer")


def eventually(read: Callable[[], Answer], wanted: Answer) -> Answer:
    """What is read once it is as wanted, or what was read last: Apache Kafka answers a change before its brokers
    have learned of it from the controller."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (answer := read()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return answer


def create(
    client: RawClient, name: str, partitions: int = 1, *, replicas: int = 1, only_check: bool = False, **config: str
) -> Any:
    """CreateTopics for one topic; its part of the response."""
    topic = {
        "name": name,
        "num_partitions": partitions,
        "replication_factor": replicas,
        "assignments": [],
        "configs": [{"name": key.replace("_", "."), "value": value} for key, value in config.items()],
    }
    response = client.call(CREATE_TOPICS, 7, topics=[topic], timeout=30_000, validate_only=only_check)
    created = response.topics[0]
    if not only_check and created.error_code == 0:

        def known() -> tuple[int, Any]:
            found = describe_topic(client, created.name)
            return found.error_code, found.topic_id

        def served() -> set[int]:
            return {list_offset(client, created.name, -1, number)[0] for number in range(created.num_partitions)}

        assert eventually(known, (0, created.topic_id)) == (0, created.topic_id)
        assert eventually(served, {0}) == {0}
    return created


def delete(client: RawClient, name: str | None, topic_id: Any = None) -> Any:
    response = client.call(DELETE_TOPICS, 6, topics=[{"name": name, "topic_id": topic_id}], timeout=30_000)
    deleted = response.responses[0]
    if deleted.error_code == 0:
        unknown = ErrorCode.unknown_topic_or_partition
        assert eventually(lambda: describe_topic(client, deleted.name).error_code, unknown) == unknown
    return deleted


def describe_topic(client: RawClient, name: str | None, topic_id: Any = None) -> Any:
    response = client.call(METADATA, 12, topics=[{"name": name, "topic_id": topic_id}], allow_auto_topic_creation=False)
    return response.topics[0]


def fetch(
    client: RawClient,
    topic: str,
    offset: int,
    *,
    partition: int = 0,
    wait: int = 0,
    least: int = 0,
    most: int = 1 << 20,
) -> Any:
    """Fetch v11 for one partition; its part of the response."""
    wanted = {"partition": partition, "fetch_offset": offset, "partition_max_bytes": most}
    response = client.call(
        FETCH,
        11,
        max_wait=wait,
        min_bytes=least,
        max_bytes=50 << 20,
        topics=[{"topic": topic, "partitions": [wanted]}],
        forgotten_topics_data=[],
    )
    return response.responses[0].partitions[0]


def list_offset(client: RawClient, topic: str, timestamp: int, partition: int = 0) -> tuple[int, int, int]:
    """ListOffsets v7: (error, timestamp, offset)."""
    wanted = {"partition_index": partition, "timestamp": timestamp}
    topics = [{"name": topic, "partitions": [wanted]}]
    found = client.call(LIST_OFFSETS, 7, replica_id=-1, topics=topics).topics[0].partitions[0]
    return found.error_code, found.timestamp, found.offset


def delete_records(client: RawClient, topic: str, offset: int, partition: int = 0) -> tuple[int, int]:
    """DeleteRecords: (error, low watermark)."""
    topics = [{"name": topic, "partitions": [{"partition_index": partition, "offset": offset}]}]
    found = client.call(DELETE_RECORDS, 2, topics=topics, timeout=30_000).topics[0].partitions[0]
    return found.error_code, found.low_watermark


def subscription(*topics: str) -> bytes:
    """A consumer's subscription, version 0."""
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in topics)
    return struct.pack(">hi", 0, len(topics)) + names + struct.pack(">i", -1)


def join(client: RawClient, group: str, member: str = "", **more: Any) -> Any:
    """JoinGroup v5."""
    body = {
        "group_id": group,
        "session_timeout": _SESSION_MS,
        "rebalance_timeout": _SESSION_MS,
        "member_id": member,
        "protocol_type": "consumer",
        "protocols": [{"name": "range", "metadata": subscription("t")}],
    }
    return client.call(JOIN_GROUP, 5, **{**body, **more})


def sync(
    client: RawClient, group: str, member: str, generation: int, assignments: dict[str, bytes], **more: Any
) -> Any:
    """SyncGroup v3."""
    given = [{"member_id": name, "assignment": assignment} for name, assignment in assignments.items()]
    body = {"group_id": group, "generation_id": generation, "member_id": member, "assignments": given}
    return client.call(SYNC_GROUP, 3, **{**body, **more})


def enter(client: RawClient, group: str, **more: Any) -> tuple[str, int]:
    """Join a group alone, up to the assignment: (member id, generation)."""
    member = join(client, group, **more).member_id
    joined = join(client, group, member, **more)
    assert joined.error_code == 0
    assert sync(client, group, member, joined.generation_id, {member: b"mine"}).assignment == b"mine"
    return member, joined.generation_id


def heartbeat(client: RawClient, group: str, member: str, generation: int) -> int:
    return int(client.call(HEARTBEAT, 3, group_id=group, generation_id=generation, member_id=member).error_code)


def commit(
    client: RawClient,
    group: str,
    topic: str,
    offset: int,
    *,
    member: str = "",
    generation: int = -1,
    partition: int = 0,
    note: str = "note",
    version: int = 7,
) -> int:
    """OffsetCommit for one partition; its error."""
    wanted = {"partition_index": partition, "committed_offset": offset, "committed_metadata": note}
    response = client.call(
        OFFSET_COMMIT,
        version,
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member,
        topics=[{"name": topic, "partitions": [wanted]}],
    )
    return int(response.topics[0].partitions[0].error_code)


def committed(client: RawClient, group: str, topic: str, partition: int = 0) -> tuple[int, int, str]:
    """OffsetFetch v5 for one partition: (error, offset, metadata)."""
    topics = [{"name": topic, "partition_indexes": [partition]}]
    found = client.call(OFFSET_FETCH, 5, group_id=group, topics=topics).topics[0].partitions[0]
    return found.error_code, found.committed_offset, found.metadata


def describe_group(client: RawClient, group: str, version: int = 5) -> Any:
    return client.call(DESCRIBE_GROUPS, version, groups=[group]).groups[0]


def delete_group(client: RawClient, group: str) -> int:
    return int(client.call(DELETE_GROUPS, 2, groups_names=[group]).results[0].error_code)


def delete_offset(client: RawClient, group: str, topic: str, partition: int = 0) -> tuple[int, int | None]:
    """OffsetDelete: (error of the group, error of the partition)."""
    topics = [{"name": topic, "partitions": [{"partition_index": partition}]}]
    response = client.call(OFFSET_DELETE, 0, group_id=group, topics=topics)
    return response.error_code, response.topics[0].partitions[0].error_code if response.topics else None


def describe_configs(client: RawClient, topic: str, *names: str) -> dict[str, tuple[str, int]]:
    """DescribeConfigs: (value, source) by name."""
    resource = {"resource_type": TOPIC, "resource_name": topic, "configuration_keys": list(names) or None}
    found = client.call(DESCRIBE_CONFIGS, 4, resources=[resource]).results[0]
    assert found.error_code == 0
    return {config.name: (config.value, config.config_source) for config in found.configs}


def change_config(client: RawClient, topic: str, name: str, operation: int, value: str | None) -> int:
    """IncrementalAlterConfigs of one setting; its error."""
    config = {"name": name, "config_operation": operation, "value": value}
    resource = {"resource_type": TOPIC, "resource_name": topic, "configs": [config]}
    return int(client.call(INCREMENTAL_ALTER_CONFIGS, 1, resources=[resource]).responses[0].error_code)
