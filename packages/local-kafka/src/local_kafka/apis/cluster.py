"""ApiVersions, Metadata, DescribeCluster, and the refusals of what needs security or transactions."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import NODE_ID, Answer, Body, BrokerState, Call
from local_kafka.errors import ApiError
from local_kafka.storage.batch import LEADER_EPOCH
from local_kafka.topics import Topic, is_valid_name

log = logging.getLogger("kafka.apis")

BROKER_ENDPOINT = 1
# The first version of Metadata in which a topic may be named by its id alone, so that a name may be null.
_NULLABLE_NAMES = 12


def describe_cluster(call: Call) -> Body:
    """The one broker (KIP-700)."""
    if getattr(call.request, "endpoint_type", BROKER_ENDPOINT) != BROKER_ENDPOINT:
        return {
            "error_code": ErrorCode.mismatched_endpoint_type,
            "error_message": "This is a broker, not a controller.",
            "cluster_id": call.state.cluster_id,
        }
    node = {"broker_id": NODE_ID, "host": call.state.options.host, "port": call.state.port}
    return {"cluster_id": call.state.cluster_id, "controller_id": NODE_ID, "brokers": [node]}


def metadata(call: Call) -> Answer:
    """Topics, and where they are led. Creates unknown ones where the broker and the client want it."""
    request = call.request
    if request.topics is None or (call.version == 0 and not request.topics):
        return _metadata(call.state, [_described(topic) for _, topic in sorted(call.state.topics.by_name.items())])
    wanted = [(topic.name, getattr(topic, "topic_id", None)) for topic in request.topics]
    may_create = call.state.options.auto_create_topics and getattr(request, "allow_auto_topic_creation", True)
    missing = [name for name, _ in wanted if name and name not in call.state.topics.by_name and is_valid_name(name)]
    if may_create and missing:
        return _create_and_describe(call, missing, wanted)
    return _metadata(call.state, [_find(call, name, topic_id) for name, topic_id in wanted])


async def _create_and_describe(
    call: Call, missing: list[str], wanted: list[tuple[str | None, uuid.UUID | None]]
) -> Body:
    for name in missing:
        try:
            await call.state.topics.create(name, call.state.options.default_partitions, {})
        except (ApiError, OSError, sqlite3.Error) as error:
            # Whoever asked sees that the topic is not there, and asks again.
            log.warning("cannot create topic %s: %s", name, error)
    return _metadata(call.state, [_find(call, name, topic_id) for name, topic_id in wanted])


def _metadata(state: BrokerState, topics: list[Body]) -> Body:
    return {
        "brokers": [{"node_id": NODE_ID, "host": state.options.host, "port": state.port}],
        "cluster_id": state.cluster_id,
        "controller_id": NODE_ID,
        "topics": topics,
    }


def _find(call: Call, name: str | None, topic_id: uuid.UUID | None) -> Body:
    topics = call.state.topics
    topic = topics.by_name.get(name) if name is not None else topics.by_id.get(topic_id) if topic_id else None
    if topic:
        return _described(topic)
    if name is None:
        error, shown = ErrorCode.unknown_topic_id, None if call.version >= _NULLABLE_NAMES else ""
    else:
        known = is_valid_name(name)
        error, shown = ErrorCode.unknown_topic_or_partition if known else ErrorCode.invalid_topic_exception, name
    return {"error_code": error, "name": shown, "topic_id": topic_id}


def _described(topic: Topic) -> Body:
    partitions: list[dict[str, Any]] = [
        {
            "partition_index": number,
            "leader_id": NODE_ID,
            "leader_epoch": LEADER_EPOCH,
            "replica_nodes": (NODE_ID,),
            "isr_nodes": (NODE_ID,),
        }
        for number in range(len(topic.partitions))
    ]
    return {"name": topic.name, "topic_id": topic.id, "partitions": partitions}


async def describe_log_dirs(call: Call) -> Body:
    """The one folder of records, and how large each partition is in it (KIP-113)."""
    folder = call.state.options.data_dir
    wanted = None if call.request.topics is None else {each.topic: each.partitions for each in call.request.topics}
    topics = []
    for name, topic in sorted(call.state.topics.by_name.items()):
        if wanted is None or name in wanted:
            numbers = range(len(topic.partitions)) if wanted is None else wanted[name]
            topics.append({"name": name, "partitions": _sizes(topic, numbers)})
    disk = await call.state.disk.workers.run(partial(shutil.disk_usage, folder))
    found = {"log_dir": str(folder), "total_bytes": disk.total, "usable_bytes": disk.free}
    return {"results": [found | {"topics": [topic for topic in topics if topic["partitions"]]}]}


def _sizes(topic: Topic, numbers: Iterable[int]) -> list[Body]:
    found = [(number, topic.partition(number)) for number in numbers]
    return [{"partition_index": number, "partition_size": each.size, "offset_lag": 0} for number, each in found if each]


def list_partition_reassignments(call: Call) -> Body:
    """No partition is on its way to another broker (KIP-455)."""
    return {"error_message": None, "topics": ()}


def describe_acls(call: Call) -> Body:
    """What a broker of Kafka without an authorizer answers."""
    return {
        "error_code": ErrorCode.security_disabled,
        "error_message": "No Authorizer is configured on the broker",
        "resources": (),
    }


def sasl_handshake(call: Call) -> Body:
    """What a plaintext listener of Kafka answers to a client that wants to authenticate."""
    log.warning(
        "client %s wants SASL (%s): the local broker has no authentication, use security.protocol=PLAINTEXT",
        call.client_id,
        call.request.mechanism,
    )
    return {"error_code": ErrorCode.illegal_sasl_state, "mechanisms": ()}
