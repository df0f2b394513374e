"""Letting go of old messages in RAW and of old entries in the queue of changed orders. STAGING and PROD stay."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import connect
from dropship_dagster.warehouse.model import TOPICS
from dropship_dagster.warehouse.offsets import read_positions, transaction
from dropship_dagster.warehouse.reports import Report


@dataclass(frozen=True)
class RetentionReport(Report):
    """Messages deleted from RAW, by table."""

    older_than: dt.datetime
    deleted: dict[str, int]


def delete_old_messages(endpoint: WarehouseEndpoint, *, days: int) -> RetentionReport:
    """Delete the messages of RAW that were loaded longer ago, and move the partitions' first offsets behind them.

    A partition loses a run of offsets from its beginning and no others, so what stays can still be verified. Streams
    on RAW are append-only: they give messages that wait for a refresh even when they are deleted.
    """
    older_than = dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(days=days)
    deleted = {topic.raw: 0 for topic in TOPICS}
    with connect(endpoint, query_tag="dropship retention") as connection:
        positions = read_positions(connection)
        for table in deleted:
            with transaction(connection) as cursor:
                for position in positions:
                    deleted[table] += _trim(cursor, table, position.topic_id, position.partition, older_than)
        # The queue's streams are append-only too: they give what is deleted before a task has read it.
        connection.cursor().execute("DELETE FROM OPS.CHANGED_ORDERS WHERE CHANGED_AT < ?", (_text(older_than),))
    return RetentionReport(older_than, deleted)


def _text(time: dt.datetime) -> str:
    return time.isoformat(sep=" ", timespec="milliseconds")


def _trim(cursor: SnowflakeCursor, table: str, topic_id: str, partition: int, older_than: dt.datetime) -> int:
    place = (topic_id, partition)
    last_old = cursor.execute(
        f"SELECT MAX(KAFKA_OFFSET) FROM RAW.{table} WHERE TOPIC_ID = ? AND KAFKA_PARTITION = ? AND INGESTED_AT < ?",
        (*place, _text(older_than)),
    ).fetchone()[0]
    if last_old is None:
        return 0
    first_kept = int(last_old) + 1
    cursor.execute(
        "UPDATE OPS.KAFKA_OFFSETS SET FIRST_OFFSET = ? WHERE TOPIC_ID = ? AND KAFKA_PARTITION = ?", (first_kept, *place)
    )
    cursor.execute(
        "DELETE FROM OPS.KAFKA_GAPS WHERE TOPIC_ID = ? AND KAFKA_PARTITION = ? AND FROM_OFFSET < ?",
        (*place, first_kept),
    )
    cursor.execute(
        f"DELETE FROM RAW.{table} WHERE TOPIC_ID = ? AND KAFKA_PARTITION = ? AND KAFKA_OFFSET < ?", (*place, first_kept)
    )
    return int(cursor.rowcount or 0)
