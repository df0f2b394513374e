"""FindCoordinator, group membership, committed offsets, and the administration of groups."""

from __future__ import annotations

import logging
import sqlite3

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import NODE_ID, Body, Call
from local_kafka.apis.produce import NO_TRANSACTIONS
from local_kafka.errors import ApiError
from local_kafka.groups.coordinator import CommittedOffset, TopicPartition
from local_kafka.groups.group import Group, GroupState
from local_kafka.groups.member import JoinRequest
from local_kafka.wire.reader import Struct

log = logging.getLogger("kafka.apis")

GROUP_KEY = 0
# Versions in which something changed: several keys, member ids, several members, several groups, null protocols.
_FIND_MANY = 4
_JOIN_KNOWN_ID, _JOIN_NULL_PROTOCOL, _JOIN_SKIP = 4, 7, 9
_LEAVE_MANY = 3
_FETCH_MANY = 8
_DESCRIBE_NOT_FOUND = 6
_COMMIT_NOT_FOUND = 9
_CLASSIC_ONLY = (
    "The local broker has no groups of the new protocol (KIP-848): set group.protocol=classic, or use Apache Kafka 4."
)
_NOTHING_COMMITTED = CommittedOffset(-1, -1, "")


def find_coordinator(call: Call) -> Body:
    """The coordinator of groups is this broker; there is none of transactions."""
    request = call.request
    key_type = getattr(request, "key_type", GROUP_KEY)
    if key_type == GROUP_KEY:
        answer: Body = {"node_id": NODE_ID, "host": call.state.options.host, "port": call.state.port}
    else:
        log.warning("client %s looks for a coordinator of transactions, which are refused", call.client_id)
        # The one error that makes both Java clients and librdkafka give up at once instead of asking for ever.
        code = ErrorCode.transactional_id_authorization_failed
        answer = {"error_code": code, "error_message": NO_TRANSACTIONS, "node_id": -1, "host": "", "port": -1}
    if call.version < _FIND_MANY:
        return answer
    return {"coordinators": [{"key": key, **answer} for key in request.coordinator_keys]}


async def join_group(call: Call) -> Body:
    """Take part in a group; answered when the next generation begins."""
    request, options = call.request, call.state.options
    none = None if call.version >= _JOIN_NULL_PROTOCOL else ""
    if not request.group_id:
        return {"error_code": ErrorCode.invalid_group_id, "member_id": request.member_id, "protocol_name": none}
    if not options.min_session_timeout_ms <= request.session_timeout <= options.max_session_timeout_ms:
        return {"error_code": ErrorCode.invalid_session_timeout, "member_id": request.member_id, "protocol_name": none}
    session = request.session_timeout / 1000
    rebalance = getattr(request, "rebalance_timeout", -1)
    result = await call.state.groups.join(
        request.group_id,
        JoinRequest(
            member_id=request.member_id,
            instance_id=getattr(request, "group_instance_id", None),
            client_id=call.client_id,
            client_host=call.client_host,
            session_timeout=session,
            rebalance_timeout=rebalance / 1000 if rebalance > 0 else session,
            protocol_type=request.protocol_type,
            protocols=tuple((protocol.name, protocol.metadata) for protocol in request.protocols),
            needs_known_id=call.version >= _JOIN_KNOWN_ID,
            may_skip_assignment=call.version >= _JOIN_SKIP,
        ),
    )
    return {
        "error_code": result.error,
        "generation_id": result.generation,
        "protocol_type": result.protocol_type,
        "protocol_name": result.protocol if result.protocol is not None else none,
        "leader": result.leader,
        "skip_assignment": result.skip_assignment,
        "member_id": result.member_id,
        "members": [
            {"member_id": member.member_id, "group_instance_id": member.instance_id, "metadata": member.metadata}
            for member in result.members
        ],
    }


async def sync_group(call: Call) -> Body:
    """Hand in, or ask for, the assignments of a generation."""
    request = call.request
    if not request.group_id:
        return {"error_code": ErrorCode.invalid_group_id}
    present = call.state.groups.protocol_of(request.group_id)
    claimed = (getattr(request, "protocol_type", None), getattr(request, "protocol_name", None))
    if any(claim is not None and claim != fact for claim, fact in zip(claimed, present, strict=True) if fact):
        return {"error_code": ErrorCode.inconsistent_group_protocol}
    result = await call.state.groups.sync(
        request.group_id,
        request.member_id,
        getattr(request, "group_instance_id", None),
        request.generation_id,
        {assignment.member_id: assignment.assignment for assignment in request.assignments},
    )
    return {
        "error_code": result.error,
        "protocol_type": result.protocol_type,
        "protocol_name": result.protocol,
        "assignment": result.assignment,
    }


def heartbeat(call: Call) -> Body:
    """A sign of life."""
    request = call.request
    if not request.group_id:
        return {"error_code": ErrorCode.invalid_group_id}
    instance = getattr(request, "group_instance_id", None)
    error = call.state.groups.heartbeat(request.group_id, request.member_id, instance, request.generation_id)
    return {"error_code": error}


def leave_group(call: Call) -> Body:
    """Go at once, without waiting for the session to end."""
    groups, request = call.state.groups, call.request
    if not request.group_id:
        return {"error_code": ErrorCode.invalid_group_id, "members": ()}
    if call.version < _LEAVE_MANY:
        return {"error_code": groups.leave(request.group_id, request.member_id, None)}
    members = [
        {
            "member_id": member.member_id,
            "group_instance_id": member.group_instance_id,
            "error_code": groups.leave(request.group_id, member.member_id, member.group_instance_id),
        }
        for member in request.members
    ]
    return {"members": members}


_METADATA_BYTES = 4096
"""Of the text that a client keeps beside an offset: Kafka's offset.metadata.max.bytes."""


async def offset_commit(call: Call) -> Body:
    """Write down how far a group is."""
    request, groups = call.request, call.state.groups
    instance = getattr(request, "group_instance_id", None)
    generation = request.generation_id_or_member_epoch
    refusal = groups.check_commit(request.group_id, request.member_id, instance, generation)
    if refusal is ErrorCode.group_id_not_found and call.version < _COMMIT_NOT_FOUND:
        refusal = ErrorCode.illegal_generation
    offsets: dict[TopicPartition, CommittedOffset] = {}
    refused: dict[TopicPartition, ErrorCode] = {}
    for topic in request.topics:
        for partition in topic.partitions:
            key = (topic.name, partition.partition_index)
            if not _is_known(call, *key):
                refused[key] = ErrorCode.unknown_topic_or_partition
            elif len((partition.committed_metadata or "").encode()) > _METADATA_BYTES:
                refused[key] = ErrorCode.offset_metadata_too_large
            else:
                offsets[key] = _committed(partition)
    error = refusal or await groups.commit(request.group_id, offsets)
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {
                        "partition_index": partition.partition_index,
                        "error_code": error if refusal else refused.get((topic.name, partition.partition_index), error),
                    }
                    for partition in topic.partitions
                ],
            }
            for topic in request.topics
        ]
    }


def _is_known(call: Call, topic: str, partition: int) -> bool:
    found = call.state.topics.by_name.get(topic)
    return found is not None and found.partition(partition) is not None


def _committed(partition: Struct) -> CommittedOffset:
    return CommittedOffset(
        partition.committed_offset,
        getattr(partition, "committed_leader_epoch", -1),
        partition.committed_metadata or "",
    )


def offset_fetch(call: Call) -> Body:
    """How far groups are."""
    if call.version < _FETCH_MANY:
        return {"topics": _fetched(call, call.request.group_id, call.request.topics)}
    return {
        "groups": [
            {"group_id": group.group_id, "topics": _fetched(call, group.group_id, group.topics)}
            for group in call.request.groups
        ]
    }


def _fetched(call: Call, group_id: str, topics: list[Struct] | None) -> list[Body]:
    committed = call.state.groups.offsets(group_id)
    wanted: dict[str, list[int]] = {}
    if topics is None:
        for name, partition in sorted(committed):
            wanted.setdefault(name, []).append(partition)
    else:
        for topic in topics:
            wanted.setdefault(topic.name, []).extend(topic.partition_indexes)
    return [
        {
            "name": name,
            "partitions": [
                _fetched_partition(partition, committed.get((name, partition), _NOTHING_COMMITTED))
                for partition in partitions
            ],
        }
        for name, partitions in wanted.items()
    ]


def _fetched_partition(partition: int, committed: CommittedOffset) -> Body:
    return {
        "partition_index": partition,
        "committed_offset": committed.offset,
        "committed_leader_epoch": committed.leader_epoch,
        "metadata": committed.metadata,
    }


async def offset_delete(call: Call) -> Body:
    """Forget what a group committed for some partitions."""
    request = call.request
    keys = [(topic.name, each.partition_index) for topic in request.topics for each in topic.partitions]
    known = [key for key in keys if _is_known(call, *key)]
    try:
        answers = await call.state.groups.delete_offsets(request.group_id, known)
    except ApiError as error:
        return {"error_code": error.code}
    except sqlite3.Error as error:
        log.error("%s: cannot delete offsets: %s", request.group_id, error)  # noqa: TRY400 - one line an event
        return {"error_code": ErrorCode.coordinator_not_available}
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {
                        "partition_index": each.partition_index,
                        "error_code": answers.get(
                            (topic.name, each.partition_index), ErrorCode.unknown_topic_or_partition
                        ),
                    }
                    for each in topic.partitions
                ],
            }
            for topic in request.topics
        ]
    }


def list_groups(call: Call) -> Body:
    """All groups, by state and type where the client asks for some only."""
    states = {state.lower() for state in getattr(call.request, "states_filter", ())}
    types = {kind.lower() for kind in getattr(call.request, "types_filter", ())}
    groups = [
        {
            "group_id": group.id,
            "protocol_type": group.protocol_type,
            "group_state": group.state.value,
            "group_type": "classic",
        }
        for group in call.state.groups.all().values()
        if (not states or group.state.value.lower() in states) and (not types or "classic" in types)
    ]
    return {"groups": groups}


def describe_groups(call: Call) -> Body:
    """Groups with their members and assignments."""
    return {"groups": [_described(call, group_id) for group_id in call.request.groups]}


def _described(call: Call, group_id: str) -> Body:
    group = call.state.groups.find(group_id)
    if group is None:
        answer: Body = {"group_id": group_id, "group_state": GroupState.DEAD.value}
        if call.version >= _DESCRIBE_NOT_FOUND:
            # KIP-1043
            answer |= {
                "error_code": ErrorCode.group_id_not_found,
                "error_message": f"Group {group_id} not found.",
            }
        return answer
    stable = group.state is GroupState.STABLE
    return {
        "group_id": group_id,
        "group_state": group.state.value,
        "protocol_type": group.protocol_type,
        "protocol_data": group.protocol if stable else "",
        "members": _members(group, stable),
    }


def consumer_group_heartbeat(call: Call) -> Body:
    """Refuse a member of the new group protocol (KIP-848), which clients take for final."""
    log.warning(
        "client %s joins group %s by the new group protocol (KIP-848), which is refused: set group.protocol=classic",
        call.client_id,
        call.request.group_id,
    )
    return {"error_code": ErrorCode.unsupported_version, "error_message": _CLASSIC_ONLY}


def _members(group: Group, stable: bool) -> list[Body]:
    return [
        {
            "member_id": member.id,
            "group_instance_id": member.instance_id,
            "client_id": member.client_id,
            "client_host": member.client_host,
            "member_metadata": member.metadata(group.protocol) if stable else b"",
            "member_assignment": member.assignment if stable else b"",
        }
        for member in group.members.values()
    ]


async def delete_groups(call: Call) -> Body:
    """Delete groups that have no members."""
    return {"results": [await _delete(call, group_id) for group_id in call.request.groups_names]}


async def _delete(call: Call, group_id: str) -> Body:
    try:
        await call.state.groups.delete(group_id)
    except ApiError as error:
        return {"group_id": group_id, "error_code": error.code}
    except sqlite3.Error as error:
        log.error("%s: cannot delete the group: %s", group_id, error)  # noqa: TRY400 - one line an event
        return {"group_id": group_id, "error_code": ErrorCode.coordinator_not_available}
    return {"group_id": group_id}
