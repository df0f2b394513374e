"""CreateTopics, DeleteTopics and CreatePartitions."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import NODE_ID, Body, Call
from local_kafka.configs import shown_configs
from local_kafka.errors import ApiError
from local_kafka.topics import MOST_PARTITIONS, Topic
from local_kafka.wire.reader import Struct

log = logging.getLogger("kafka.apis")

T = TypeVar("T")

_DEFAULT = -1
_REPLICAS = (1, _DEFAULT)
# The first version of DeleteTopics that can name a topic by its id.
_BY_ID = 6
SOURCE_TOPIC, SOURCE_DEFAULT = 1, 5


async def create_topics(call: Call) -> Body:
    """Create topics, or with `validate_only` say what would come of it."""
    names = [topic.name for topic in call.request.topics]
    topics = []
    for topic in call.request.topics:
        if names.count(topic.name) > 1:
            refusal = ApiError(ErrorCode.invalid_request, "Duplicate topic name.")
            topics.append(_refused_topic(topic.name, refusal))
        else:
            topics.append(await _create(call, topic))
    return {"topics": topics}


async def _create(call: Call, request: Struct) -> Body:
    try:
        partitions = _partition_count(call, request)
        configs = {config.name: config.value for config in request.configs if config.value is not None}
        if call.request.validate_only:
            call.state.topics.check_new(request.name, partitions, configs)
            created = Topic(request.name, uuid.UUID(int=0), configs)
        else:
            created = await stored(call.state.topics.create(request.name, partitions, configs))
    except ApiError as error:
        return _refused_topic(request.name, error)
    return {
        "name": request.name,
        "topic_id": created.id,
        "num_partitions": partitions,
        "replication_factor": 1,
        "configs": [
            {
                "name": spec.name,
                "value": created.config(spec.name),
                "config_source": SOURCE_TOPIC if spec.name in created.configs else SOURCE_DEFAULT,
            }
            for spec in shown_configs(created.configs)
        ],
    }


def _refused_topic(name: str, error: ApiError) -> Body:
    return {"name": name, "error_code": error.code, "error_message": error.sentence, "configs": ()}


def _partition_count(call: Call, request: Struct) -> int:
    """The number of partitions that a CreateTopics entry asks for."""
    if request.assignments:
        if request.num_partitions != _DEFAULT or request.replication_factor != _DEFAULT:
            raise ApiError(
                ErrorCode.invalid_request,
                "Both a number of partitions or replicas and an assignment were given: give one of them.",
            )
        numbers = [assignment.partition_index for assignment in request.assignments]
        twice = next((number for number in numbers if numbers.count(number) > 1), None)
        if twice is not None:
            raise ApiError(
                ErrorCode.invalid_replica_assignment,
                f"Found multiple manual partition assignments for partition {twice}.",
            )
        if sorted(numbers) != list(range(len(numbers))):
            raise ApiError(
                ErrorCode.invalid_replica_assignment, "Partitions should be a consecutive 0-based integer sequence."
            )
        for assignment in request.assignments:
            _check_replicas(assignment.broker_ids)
        return len(numbers)
    if request.replication_factor not in _REPLICAS:
        raise ApiError(
            ErrorCode.invalid_replication_factor,
            f"There is one broker: the replication factor is 1, not {request.replication_factor}.",
        )
    if request.num_partitions == _DEFAULT:
        return call.state.options.default_partitions
    return int(request.num_partitions)


def _check_replicas(broker_ids: Sequence[int]) -> None:
    """Check which brokers an assignment names for a partition: there is one."""
    wrong = None
    if not broker_ids:
        wrong = "an empty replica list"
    elif set(broker_ids) != {NODE_ID}:
        wrong = f"broker {next(each for each in broker_ids if each != NODE_ID)}, but no such broker is registered"
    elif len(broker_ids) > 1:
        wrong = f"the broker {NODE_ID} more than once"
    if wrong:
        raise ApiError(ErrorCode.invalid_replica_assignment, f"The manual partition assignment includes {wrong}.")


async def delete_topics(call: Call) -> Body:
    """Delete topics by name, or by id."""
    if call.version >= _BY_ID:
        wanted = [(topic.name, topic.topic_id) for topic in call.request.topics]
    else:
        wanted = [(name, None) for name in call.request.topic_names]
    return {"responses": [await _delete(call, name, topic_id) for name, topic_id in wanted]}


async def _delete(call: Call, name: str | None, topic_id: uuid.UUID | None) -> Body:
    topics = call.state.topics
    try:
        if name is not None and topic_id is not None:
            raise ApiError(ErrorCode.invalid_request, "A topic is named by its name or by its id, not by both.")  # noqa: TRY301
        topic = topics.named(name) if name is not None else topics.by_id.get(topic_id or uuid.UUID(int=0))
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_id)  # noqa: TRY301 - answered like the others
        await stored(topics.delete(topic))
    except ApiError as error:
        return {
            "name": name,
            "topic_id": topic_id,
            "error_code": error.code,
            "error_message": error.sentence,
        }
    call.state.groups.forget_topic(topic.name)
    return {"name": topic.name, "topic_id": topic.id}


async def create_partitions(call: Call) -> Body:
    """Grow topics."""
    return {"results": [await _grow(call, request) for request in call.request.topics]}


async def _grow(call: Call, request: Struct) -> Body:
    try:
        topic = call.state.topics.named(request.name)
        present = len(topic.partitions)
        if not present < request.count <= MOST_PARTITIONS:
            raise ApiError(  # noqa: TRY301 - answered like the others
                ErrorCode.invalid_partitions,
                f"The topic has {present} partitions; it can grow to {MOST_PARTITIONS} and never shrink.",
            )
        if request.assignments is not None and len(request.assignments) != request.count - present:
            raise ApiError(ErrorCode.invalid_replica_assignment, "The assignment does not match the new partitions.")  # noqa: TRY301
        for assignment in request.assignments or ():
            _check_replicas(assignment.broker_ids)
        if not call.request.validate_only:
            await stored(call.state.topics.add_partitions(topic, request.count))
    except ApiError as error:
        return {"name": request.name, "error_code": error.code, "error_message": error.sentence}
    return {"name": request.name}


async def stored(change: Awaitable[T]) -> T:
    """Wait for a change; a disk that refuses it becomes the protocol's error.

    Raises:
        ApiError: the change was refused, or could not be written.
    """
    try:
        return await change
    except (OSError, sqlite3.Error) as error:
        log.error("cannot write a change: %s", error)  # noqa: TRY400 - one line an event
        raise ApiError(ErrorCode.kafka_storage_error, f"The broker's disk refuses writes: {error}.") from error
