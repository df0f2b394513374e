"""Rejected messages: listed, shown, corrected, sent through the rules once more."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import PATIENCE_BESIDE_TASKS, connect, deployed, with_retries
from dropship_dagster.warehouse.errors import WarehouseError
from dropship_dagster.warehouse.model import PROD
from dropship_dagster.warehouse.offsets import transaction
from dropship_dagster.warehouse.reports import Report

_COLUMNS = (
    "SOURCE, TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, REJECT_REASON, ATTEMPT, REJECTED_AT, KEY, VALUE, "
    "TO_JSON(PAYLOAD)"
)
_MOVED = (
    "SOURCE, TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, KEY, VALUE, PAYLOAD, HEADERS, KAFKA_TIMESTAMP, BATCH_ID, "
    "INGESTED_AT"
)

_EVENT_STREAMS = tuple(stream for table in PROD if not table.is_derived for stream in table.streams)
"""The streams on the accepted events, of the tasks that fill PROD."""

# Python's readers and writers of JSON call themselves once or twice for each level, and may do so a thousand times.
_LEVELS = 100
_STRINGS_OR_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


@dataclass(frozen=True)
class Selection:
    """Which rejected messages; what is left out does not narrow.

    Attributes:
        source: RAW table: CUSTOMERS, PRODUCTS or ORDERS_EVENTS.
        topic: name of the topic.
        topic_id: Kafka's id of the topic, for a name that several topics have had.
        partition, offset: the message.
        reason: text the reason contains, in any case.
    """

    source: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    reason: str | None = None
    topic_id: str | None = None

    def where(self) -> tuple[str, tuple[Any, ...]]:
        """A WHERE clause and what is bound to it."""
        conditions = {
            "SOURCE = ?": self.source.upper() if self.source else None,
            "TOPIC = ?": self.topic,
            "TOPIC_ID = ?": self.topic_id,
            "KAFKA_PARTITION = ?": self.partition,
            "KAFKA_OFFSET = ?": self.offset,
            "CONTAINS(LOWER(REJECT_REASON), ?)": self.reason.lower() if self.reason else None,
        }
        used = {condition: value for condition, value in conditions.items() if value is not None}
        return " AND ".join(["1 = 1", *used]), tuple(used.values())


@dataclass(frozen=True)
class RejectedMessage(Report):
    """A rejected message.

    `key` and `value` are text with what is not UTF-8 replaced, None where there is none. `payload` is the payload's
    JSON as Python has it, or its text where Python cannot have it: nested deeper than _LEVELS, or with numbers it has
    no value for.
    """

    source: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    reason: str
    attempt: int
    rejected_at: dt.datetime
    key: str | None
    value: str | None
    payload: Any


@dataclass(frozen=True)
class RetryReport(Report):
    """How many messages go through the rules again with the next refresh."""

    retry_id: str
    retried: int


def list_rejected(
    endpoint: WarehouseEndpoint, selection: Selection | None = None, *, limit: int = 100
) -> list[RejectedMessage]:
    """Rejected messages, newest first.

    Args:
        endpoint: the deployed warehouse.
        selection: which; all without one.
        limit: at most this many.
    """
    where, bound = (selection or Selection()).where()
    with deployed(), connect(endpoint, query_tag="dropship rejected list") as connection:
        rows = connection.cursor().execute(
            f"SELECT {_COLUMNS} FROM STAGING.REJECTED_EVENTS WHERE {where} "
            f"ORDER BY REJECTED_AT DESC, TOPIC, KAFKA_PARTITION, KAFKA_OFFSET LIMIT {int(limit)}",
            bound,
        )
        return [_message(row) for row in rows.fetchall()]


def show_rejected(
    endpoint: WarehouseEndpoint, topic: str, partition: int, offset: int, *, topic_id: str | None = None
) -> RejectedMessage:
    """One rejected message.

    Args:
        endpoint: the deployed warehouse.
        topic: the message's topic.
        partition: its partition.
        offset: its offset.
        topic_id: which of several topics that have had this name.

    Raises:
        WarehouseError: there is none at that place, or topics of one name have one each.
    """
    selection = Selection(topic=topic, partition=partition, offset=offset, topic_id=topic_id)
    found = {message.topic_id: message for message in list_rejected(endpoint, selection)}
    if not found:
        raise WarehouseError(
            f"No message of topic {topic}, partition {partition}, offset {offset} is rejected; "
            "`dropship rejected list` shows those that are."
        )
    if len(found) > 1:
        raise WarehouseError(
            f"{len(found)} topics have had the name {topic}, and each has a rejected message at partition {partition}, "
            f"offset {offset}. Say which one: " + " or ".join(f"--topic-id {each}" for each in sorted(found))
        )
    [message] = found.values()
    return message


def correct(
    endpoint: WarehouseEndpoint,
    topic: str,
    partition: int,
    offset: int,
    payload: Mapping[str, Any],
    *,
    topic_id: str | None = None,
) -> RejectedMessage:
    """Give a rejected message another payload for its next retry. RAW keeps the message as it came.

    Raises:
        WarehouseError: there is none at that place, or topics of one name have one each.
    """
    message = show_rejected(endpoint, topic, partition, offset, topic_id=topic_id)
    with connect(endpoint, query_tag="dropship rejected correct") as connection:
        cursor = connection.cursor()
        cursor.execute(
            "UPDATE STAGING.REJECTED_EVENTS SET PAYLOAD = PARSE_JSON(?) "
            "WHERE TOPIC_ID = ? AND KAFKA_PARTITION = ? AND KAFKA_OFFSET = ?",
            (json.dumps(payload, allow_nan=False), message.topic_id, partition, offset),
        )
    return show_rejected(endpoint, topic, partition, offset, topic_id=message.topic_id)


def retry_rejected(endpoint: WarehouseEndpoint, selection: Selection | None = None) -> RetryReport:
    """Send rejected messages through the rules again, with the next refresh. Each lands once, accepted or rejected.

    One transaction takes them out of REJECTED_EVENTS and hands them to the staging tasks: nothing is lost or doubled
    wherever it is killed. Messages are marked first, so one that is rejected meanwhile is not swept along.

    Raises:
        WarehouseError: one was set aside, and a task has yet to read over the event as it was.
    """
    return with_retries(lambda: _retry(endpoint, selection or Selection()), patience_seconds=PATIENCE_BESIDE_TASKS)


def _retry(endpoint: WarehouseEndpoint, selection: Selection) -> RetryReport:
    """The transaction."""
    where, bound = selection.where()
    retry_id = str(uuid.uuid4())
    with (
        deployed(),
        connect(endpoint, query_tag="dropship rejected retry") as connection,
        transaction(connection) as cursor,
    ):
        cursor.execute(f"UPDATE STAGING.REJECTED_EVENTS SET RETRY_ID = ? WHERE {where}", (retry_id, *bound))
        retried = int(cursor.rowcount or 0)
        _readmit(cursor, retry_id)
        cursor.execute(
            f"INSERT INTO STAGING.RETRIED_EVENTS (RETRY_ID, {_MOVED}, ATTEMPT, RETRIED_AT) "
            f"SELECT RETRY_ID, {_MOVED}, ATTEMPT + 1, SYSDATE() FROM STAGING.REJECTED_EVENTS WHERE RETRY_ID = ?",
            (retry_id,),
        )
        cursor.execute("DELETE FROM STAGING.REJECTED_EVENTS WHERE RETRY_ID = ?", (retry_id,))
    return RetryReport(retry_id, retried)


def _readmit(cursor: SnowflakeCursor, retry_id: str) -> None:
    """Take what is retried off the list of events that the MERGEs leave out.

    The streams still show such an event as it was accepted once, until every task has read over it: it would come back.
    """
    aside = (
        "SELECT s.TOPIC_ID, s.KAFKA_PARTITION, s.KAFKA_OFFSET FROM STAGING.SET_ASIDE_EVENTS s "
        "JOIN STAGING.REJECTED_EVENTS r ON r.TOPIC_ID = s.TOPIC_ID AND r.KAFKA_PARTITION = s.KAFKA_PARTITION "
        "AND r.KAFKA_OFFSET = s.KAFKA_OFFSET WHERE r.RETRY_ID = ?"
    )
    if not cursor.execute(f"SELECT COUNT(*) FROM ({aside})", (retry_id,)).fetchone()[0]:
        return
    shown = " UNION ALL ".join(f"SELECT TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET FROM {name}" for name in _EVENT_STREAMS)
    same = "a.TOPIC_ID = t.TOPIC_ID AND a.KAFKA_PARTITION = t.KAFKA_PARTITION AND a.KAFKA_OFFSET = t.KAFKA_OFFSET"
    waiting = cursor.execute(f"SELECT COUNT(*) FROM ({aside}) a JOIN ({shown}) t ON {same}", (retry_id,)).fetchone()[0]
    if waiting:
        raise WarehouseError(
            "An event that was set aside still waits in a stream as it was. Run `dropship refresh` first, so that "
            "every task reads over it, then retry."
        )
    cursor.execute(f"DELETE FROM STAGING.SET_ASIDE_EVENTS t USING ({aside}) a WHERE {same}", (retry_id,))


def _message(row: tuple[Any, ...]) -> RejectedMessage:
    source, topic, topic_id, partition, offset, reason, attempt, rejected_at, key, value, payload = row
    return RejectedMessage(
        source=source,
        topic=topic,
        topic_id=topic_id,
        partition=int(partition),
        offset=int(offset),
        reason=reason,
        attempt=int(attempt),
        rejected_at=rejected_at,
        key=_text(key),
        value=_text(value),
        payload=_document(payload),
    )


def _document(text: str | None) -> Any:
    """The JSON in it; the text itself where Python would end with an error, or write something that is no JSON."""
    if text is None or _depth(text) > _LEVELS:
        return text
    try:
        return json.loads(text, parse_float=finite, parse_constant=finite)
    except ValueError:
        return text


def _depth(text: str) -> int:
    """How deep the brackets of a JSON text nest."""
    depth = deepest = 0
    for part in _STRINGS_OR_BRACKETS.findall(text):
        if part in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif part in "]}":
            depth -= 1
    return deepest


def finite(text: str) -> float:
    """A number of JSON, for `json.loads`, which takes NaN and what is too large for a float without a word.

    Raises:
        ValueError: there is no such number in JSON.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that JSON has a value for")
    return value


def _text(value: bytes | bytearray | None) -> str | None:
    return None if value is None else bytes(value).decode("utf-8", errors="replace")
