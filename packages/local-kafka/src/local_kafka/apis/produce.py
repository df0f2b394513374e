"""Produce and InitProducerId."""

from __future__ import annotations

import logging
import sqlite3
from functools import partial

from kio.schema.errors import ErrorCode

from local_kafka.apis.call import Answer, Body, Call, ConnectionClosedError, Deferred
from local_kafka.storage.append import AppendResult
from local_kafka.storage.batch import RefusedError, check_produced
from local_kafka.topics import Topic
from local_kafka.wire.reader import Struct

log = logging.getLogger("kafka.apis")

_ACKS = (0, 1, -1)
# A producer that has no id yet, or no epoch.
_NONE = -1
NO_TRANSACTIONS = (
    "The local broker has no transactions: leave transactional.id empty (enable.idempotence works), "
    "or use Apache Kafka or Redpanda."
)


class _PendingProduce:
    """A request whose batches are on their way to the disk."""

    def __init__(self, acks: int) -> None:
        self.answer = Deferred()
        self._acks = acks
        self._waiting = 1
        self._topics: list[Body] = []
        self._failed = False

    def add_topic(self, name: str) -> list[Body]:
        """A topic of the response; its partitions are appended to what is returned."""
        partitions: list[Body] = []
        self._topics.append({"name": name, "partition_responses": partitions})
        return partitions

    def expect(self) -> None:
        """One answer more is awaited."""
        self._waiting += 1

    def answered(self, response: Body, start_offset: int, result: AppendResult) -> None:
        """A batch is stored, or is not."""
        response["error_code"] = result.error
        response["base_offset"] = result.base_offset
        response["log_start_offset"] = start_offset if result.error is ErrorCode.none else -1
        response["error_message"] = result.sentence
        if result.append_time >= 0:
            response["log_append_time"] = result.append_time
        if result.wrong_records:
            response["record_errors"] = [
                {"batch_index": number, "batch_index_error_message": result.sentence} for number in result.wrong_records
            ]
        self._failed = self._failed or result.error is not ErrorCode.none
        self.done()

    def done(self) -> None:
        """One awaited thing less; the last one answers the request."""
        self._waiting -= 1
        if self._waiting:
            return
        if self._acks:
            self.answer.give({"responses": self._topics})
        elif self._failed:
            self.answer.give(None, ConnectionClosedError("a batch sent with acks=0 cannot be stored"))
        else:
            self.answer.give(None)


def produce(call: Call) -> Answer:
    """Store batches; the answer comes when all of them are stored or refused."""
    request = call.request
    pending = _PendingProduce(request.acks)
    for topic_data in request.topic_data:
        topic = call.state.topics.by_name.get(topic_data.name)
        responses = pending.add_topic(topic_data.name)
        for partition_data in topic_data.partition_data:
            response: Body = {"index": partition_data.index}
            responses.append(response)
            pending.expect()
            _append(call, pending, response, topic, partition_data)
    pending.done()
    return pending.answer


def _append(call: Call, pending: _PendingProduce, response: Body, topic: Topic | None, data: Struct) -> None:
    partition = topic.partition(data.index) if topic else None
    if topic is None or partition is None:
        pending.answered(response, -1, AppendResult(ErrorCode.unknown_topic_or_partition, -1))
        return
    try:
        if call.request.acks not in _ACKS:
            raise RefusedError(ErrorCode.invalid_required_acks, "acks is 0, 1 or all.")  # noqa: TRY301
        if call.request.transactional_id is not None:
            log.warning("client %s produces in a transaction, which is refused", call.client_id)
            raise RefusedError(ErrorCode.transactional_id_authorization_failed, NO_TRANSACTIONS)  # noqa: TRY301
        header = check_produced(data.records or memoryview(b""), topic.max_message_bytes, partition.segment_bytes)
    except RefusedError as refusal:
        pending.answered(response, -1, AppendResult(refusal.code, -1, str(refusal)))
        return
    answer = partial(pending.answered, response, partition.start_offset)
    partition.append(header, data.records, topic.record_rules, answer)


async def init_producer_id(call: Call) -> Body:
    """An id for an idempotent producer: another one whether or not it has one, as in Kafka (KIP-360)."""
    request = call.request
    if request.transactional_id is not None:
        log.warning("client %s wants transactions (%s), which are refused", call.client_id, request.transactional_id)
        return {
            "error_code": ErrorCode.transactional_id_authorization_failed,
            "producer_id": -1,
            "producer_epoch": -1,
        }
    if (getattr(request, "producer_id", _NONE) == _NONE) != (getattr(request, "producer_epoch", _NONE) == _NONE):
        return {"error_code": ErrorCode.invalid_request, "producer_id": _NONE, "producer_epoch": _NONE}
    try:
        return {"producer_id": await call.state.producer_ids.take(), "producer_epoch": 0}
    except sqlite3.Error as error:
        log.error("cannot reserve producer ids: %s", error)  # noqa: TRY400 - one line an event
        return {"error_code": ErrorCode.coordinator_not_available, "producer_id": -1, "producer_epoch": -1}
