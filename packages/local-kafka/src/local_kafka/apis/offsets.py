"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where logs begin and end, and what lies at a time."""

from __future__ import annotations

import logging
import sqlite3

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import Body, Call
from local_kafka.errors import ApiError
from local_kafka.storage.batch import LEADER_EPOCH
from local_kafka.storage.log import PartitionLog
from local_kafka.topics import Topic
from local_kafka.wire.reader import Struct

log = logging.getLogger("kafka.apis")

# What a timestamp below zero asks for (KIP-79, KIP-734, KIP-405, KIP-1005).
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -1, -2, -3, -4, -5
HIGH_WATERMARK = -1
_NOWHERE = (-1, -1)


async def list_offsets(call: Call) -> Body:
    """The offset for a time, or for one of the special times, of each partition."""
    topics = []
    for topic in call.request.topics:
        found = call.state.topics.by_name.get(topic.name)
        partitions = [await _list_partition(found, partition) for partition in topic.partitions]
        topics.append({"name": topic.name, "partitions": partitions})
    return {"topics": topics}


async def _list_partition(topic: Topic | None, request: Struct) -> Body:
    answer: Body = {"partition_index": request.partition_index}
    try:
        partition = _partition(topic, request.partition_index)
        _check_epoch(getattr(request, "current_leader_epoch", -1))
        timestamp, offset = await _look_up(partition, request.timestamp)
    except ApiError as error:
        return answer | {"error_code": error.code}
    except OSError as error:
        log.error("cannot look up a time: %s", error)  # noqa: TRY400 - one line an event
        return answer | {"error_code": ErrorCode.kafka_storage_error}
    return answer | {"timestamp": timestamp, "offset": offset, "leader_epoch": LEADER_EPOCH if offset >= 0 else -1}


async def _look_up(partition: PartitionLog, timestamp: int) -> tuple[int, int]:
    if timestamp == LATEST:
        return -1, partition.end_offset
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return -1, partition.start_offset
    if timestamp == MAX_TIMESTAMP:
        return await partition.newest() or _NOWHERE
    if timestamp == LATEST_TIERED:
        return _NOWHERE
    if timestamp < 0:
        raise ApiError(ErrorCode.unsupported_version)
    return await partition.offset_at(timestamp) or _NOWHERE


def offset_for_leader_epoch(call: Call) -> Body:
    """Where an epoch ends: there is only epoch 0, and it ends where the log does."""
    topics = []
    for topic in call.request.topics:
        found = call.state.topics.by_name.get(topic.topic)
        topics.append({"topic": topic.topic, "partitions": [_epoch_end(found, each) for each in topic.partitions]})
    return {"topics": topics}


def _epoch_end(topic: Topic | None, request: Struct) -> Body:
    answer: Body = {"partition": request.partition}
    try:
        partition = _partition(topic, request.partition)
        _check_epoch(request.current_leader_epoch)
    except ApiError as error:
        return answer | {"error_code": error.code}
    if request.leader_epoch != LEADER_EPOCH:
        return answer
    return answer | {"leader_epoch": LEADER_EPOCH, "end_offset": partition.end_offset}


async def delete_records(call: Call) -> Body:
    """Delete what lies before an offset."""
    topics = []
    for topic in call.request.topics:
        partitions = [await _delete_before(call, topic.name, partition) for partition in topic.partitions]
        topics.append({"name": topic.name, "partitions": partitions})
    return {"topics": topics}


async def _delete_before(call: Call, name: str, request: Struct) -> Body:
    answer: Body = {"partition_index": request.partition_index, "low_watermark": -1}
    try:
        topic = call.state.topics.named(name)
        partition = _partition(topic, request.partition_index)
        offset = partition.end_offset if request.offset == HIGH_WATERMARK else request.offset
        if not 0 <= offset <= partition.end_offset:
            raise ApiError(ErrorCode.offset_out_of_range)  # noqa: TRY301 - answered like the others
        if offset > partition.start_offset:
            await call.state.topics.delete_records(topic, request.partition_index, offset)
    except ApiError as error:
        return answer | {"error_code": error.code}
    except (OSError, sqlite3.Error) as error:
        log.error("%s-%d: cannot delete records: %s", name, request.partition_index, error)  # noqa: TRY400
        return answer | {"error_code": ErrorCode.kafka_storage_error}
    return answer | {"low_watermark": partition.start_offset}


def _partition(topic: Topic | None, number: int) -> PartitionLog:
    partition = topic.partition(number) if topic else None
    if partition is None:
        raise ApiError(ErrorCode.unknown_topic_or_partition)
    return partition


def _check_epoch(epoch: int) -> None:
    """A client that knows of a newer epoch talks to the wrong broker (KIP-320)."""
    if epoch > LEADER_EPOCH:
        raise ApiError(ErrorCode.unknown_leader_epoch)
