"""Fetch: batches from offsets on, with a wait for more where there is too little."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import Body, Call
from local_kafka.storage.batch import LEADER_EPOCH
from local_kafka.storage.log import PartitionLog
from local_kafka.topics import Topic
from local_kafka.wire.reader import Struct

log = logging.getLogger("kafka.apis")

# The first version that names topics by id (KIP-516).
_BY_ID = 13
# Bounds the memory of a response, whatever the client asks for; one batch larger than this is still sent.
MOST_RESPONSE_BYTES = 4 << 20


@dataclass(slots=True)
class _Wanted:
    """A partition of the request: its log, or the error that it is answered with."""

    request: Struct
    log: PartitionLog | None
    error: ErrorCode = ErrorCode.none
    data: bytes = b""

    def response(self) -> Body:
        found = self.log if self.error is ErrorCode.none else None
        end = found.end_offset if found else -1
        return {
            "partition_index": self.request.partition,
            "error_code": self.error,
            "high_watermark": end,
            "last_stable_offset": end,
            "log_start_offset": found.start_offset if found else -1,
            "records": self.data,
        }


@dataclass(slots=True)
class _WantedTopic:
    name: str
    id: uuid.UUID | None
    partitions: list[_Wanted] = field(default_factory=list)

    def response(self) -> Body:
        return {
            "topic": self.name,
            "topic_id": self.id,
            "partitions": [partition.response() for partition in self.partitions],
        }


async def fetch(call: Call) -> Body:
    """Answer when there are `min_bytes`, an error, or no time left."""
    request = call.request
    if getattr(request, "session_epoch", -1) > 0:
        # Sessions (KIP-227) are never granted, so this one is of another time; the client falls back to full requests.
        return {"error_code": ErrorCode.fetch_session_id_not_found, "session_id": 0}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + max(0, request.max_wait) / 1000
    while True:
        topics = [_find_topic(call, topic) for topic in request.topics]
        wanted = [partition for topic in topics for partition in topic.partitions]
        changed, stop_listening = _listen(wanted)
        try:
            size = await _read(call, wanted)
            wait = deadline - loop.time()
            failed = any(partition.error is not ErrorCode.none for partition in wanted)
            if size >= request.min_bytes or failed or wait <= 0 or not wanted:
                return {"responses": [topic.response() for topic in topics], "session_id": 0}
            await asyncio.wait([changed], timeout=wait)
        finally:
            stop_listening()


def _find_topic(call: Call, topic: Struct) -> _WantedTopic:
    topics = call.state.topics
    if call.version >= _BY_ID:
        found = topics.by_id.get(topic.topic_id)
        unknown, name, topic_id = ErrorCode.unknown_topic_id, "", topic.topic_id
    else:
        found = topics.by_name.get(topic.topic)
        unknown, name, topic_id = ErrorCode.unknown_topic_or_partition, topic.topic, None
    wanted = _WantedTopic(name, topic_id)
    for partition in topic.partitions:
        wanted.partitions.append(_find_partition(found, partition, unknown))
    return wanted


def _find_partition(topic: Topic | None, request: Struct, unknown: ErrorCode) -> _Wanted:
    if topic is None:
        return _Wanted(request, None, unknown)
    partition = topic.partition(request.partition)
    if partition is None:
        return _Wanted(request, None, ErrorCode.unknown_topic_or_partition)
    if getattr(request, "current_leader_epoch", -1) > LEADER_EPOCH:
        return _Wanted(request, partition, ErrorCode.unknown_leader_epoch)
    return _Wanted(request, partition)


def _listen(wanted: list[_Wanted]) -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future that is done when any of the logs changes, and what ends the listening."""
    changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def notice() -> None:
        if not changed.done():
            changed.set_result(None)

    logs = [partition.log for partition in wanted if partition.log]
    for each in logs:
        each.listen(notice)

    def stop() -> None:
        for each in logs:
            each.unlisten(notice)
        changed.cancel()

    return changed, stop


async def _read(call: Call, wanted: list[_Wanted]) -> int:
    """Read what is there; the number of bytes."""
    room = min(call.request.max_bytes, MOST_RESPONSE_BYTES)
    behind = []
    for partition in wanted:
        if partition.log is None or partition.error is not ErrorCode.none:
            continue
        offset = partition.request.fetch_offset
        if not partition.log.holds(offset):
            partition.error = ErrorCode.offset_out_of_range
        elif offset < partition.log.end_offset:
            behind.append(partition)
    if not behind:
        return 0
    return await call.state.disk.workers.run(_reading(behind, room))


def _reading(behind: list[_Wanted], room: int) -> Callable[[], int]:
    """One disk job for all partitions of a request."""
    jobs = [
        (partition, partition.request.partition_max_bytes, partition.log.reader(partition.request.fetch_offset))
        for partition in behind
        if partition.log
    ]

    def job() -> int:
        total = 0
        for partition, limit, read in jobs:
            if total >= room:
                break
            try:
                # The first batch of a response is sent even if it is larger than asked for (KIP-74).
                partition.data = read(max(0, min(limit, room - total)), total == 0)
            except OSError as error:
                log.error("%s: cannot read: %s", partition.log and partition.log.name, error)  # noqa: TRY400
                partition.error = ErrorCode.kafka_storage_error
            total += len(partition.data)
        return total

    return job
