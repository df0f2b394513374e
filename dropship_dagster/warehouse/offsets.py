"""OPS.KAFKA_OFFSETS: how far each partition is loaded. The warehouse's offsets are the only ones that count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.warehouse.connection import close_quietly, deployed, is_transient
from dropship_dagster.warehouse.errors import LoadError

# Keys are not enforced in Snowflake: two consumers that both find no row would both insert one. So whoever adds rows
# locks a row that is always there; a statement begun after the lock is had sees what the other committed.
_LOCK = "UPDATE OPS.LOCKS SET HELD_BY = ? WHERE NAME = 'KAFKA_OFFSETS'"

_REGISTER = """
INSERT INTO OPS.KAFKA_OFFSETS (TOPIC, TOPIC_ID, KAFKA_PARTITION, FIRST_OFFSET, NEXT_OFFSET, UPDATED_AT)
SELECT ?, ?, new.KAFKA_PARTITION, new.FIRST_OFFSET, new.FIRST_OFFSET, SYSDATE()
FROM (SELECT column1 AS KAFKA_PARTITION, column2 AS FIRST_OFFSET FROM VALUES {partitions}) new
WHERE NOT EXISTS (
  SELECT 1 FROM OPS.KAFKA_OFFSETS known WHERE known.TOPIC_ID = ? AND known.KAFKA_PARTITION = new.KAFKA_PARTITION
)
"""


@dataclass(frozen=True)
class Position:
    """A row of OPS.KAFKA_OFFSETS."""

    topic: str
    topic_id: str
    partition: int
    first_offset: int
    next_offset: int
    claimed_by: str | None
    last_batch_id: str | None


@contextmanager
def transaction(connection: SnowflakeConnection) -> Iterator[SnowflakeCursor]:
    """BEGIN ... COMMIT; ROLLBACK when anything is raised inside."""
    cursor = connection.cursor()
    cursor.execute("BEGIN TRANSACTION")
    try:
        yield cursor
    except BaseException as error:
        _rollback(cursor, error)
        raise
    cursor.execute("COMMIT")


def read_positions(connection: SnowflakeConnection, topic_id: str | None = None) -> list[Position]:
    """All positions, or those of one topic, ordered by topic and partition.

    Raises:
        NotDeployedError: the database has no OPS.KAFKA_OFFSETS.
    """
    where, bound = ("WHERE TOPIC_ID = ?", (topic_id,)) if topic_id else ("", ())
    with deployed():
        rows = connection.cursor().execute(
            "SELECT TOPIC, TOPIC_ID, KAFKA_PARTITION, FIRST_OFFSET, NEXT_OFFSET, CLAIMED_BY, LAST_BATCH_ID "
            f"FROM OPS.KAFKA_OFFSETS {where} ORDER BY TOPIC, TOPIC_ID, KAFKA_PARTITION",
            bound,
        )
    return [
        Position(topic, topic_id, int(partition), int(first), int(after), claimed_by, batch_id)
        for topic, topic_id, partition, first, after, claimed_by, batch_id in rows
    ]


def register(
    connection: SnowflakeConnection, topic: str, topic_id: str, first_offsets: Mapping[int, int], who: str
) -> None:
    """Make the rows of new partitions, each beginning at its first offset; rows that are there stay as they are."""
    if not first_offsets:
        return
    with transaction(connection) as cursor:
        cursor.execute(_LOCK, (who,))
        if cursor.rowcount != 1:
            raise LoadError("OPS.LOCKS has not exactly one row KAFKA_OFFSETS; restore it from sql/02_tables.sql.")
        partitions = ", ".join(f"({partition:d}, {first:d})" for partition, first in sorted(first_offsets.items()))
        cursor.execute(_REGISTER.format(partitions=partitions), (topic, topic_id, topic_id))


def accept_gap(
    connection: SnowflakeConnection, topic: str, topic_id: str, partition: int, start: int, end: int, who: str
) -> None:
    """Record that the offsets from `start` to before `end` are lost, and load on from `end`.

    Raises:
        LoadError: the partition is no longer at `start`.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE OPS.KAFKA_OFFSETS SET NEXT_OFFSET = ?, CLAIMED_BY = ?, UPDATED_AT = SYSDATE() "
            "WHERE TOPIC_ID = ? AND KAFKA_PARTITION = ? AND NEXT_OFFSET = ?",
            (end, who, topic_id, partition, start),
        )
        if cursor.rowcount != 1:
            raise LoadError(f"Partition {partition} of {topic} is no longer at offset {start}; look again.")
        record_gaps(cursor, topic, topic_id, [(partition, start, end)], "lost", who)


def record_gaps(
    cursor: SnowflakeCursor, topic: str, topic_id: str, gaps: Sequence[tuple[int, int, int]], reason: str, who: str
) -> None:
    """Insert (partition, start, end) rows into OPS.KAFKA_GAPS, in the caller's transaction."""
    for partition, start, end in gaps:
        cursor.execute(
            "INSERT INTO OPS.KAFKA_GAPS (TOPIC, TOPIC_ID, KAFKA_PARTITION, FROM_OFFSET, TO_OFFSET, REASON, "
            "RECORDED_BY, RECORDED_AT) SELECT ?, ?, ?, ?, ?, ?, ?, SYSDATE()",
            (topic, topic_id, partition, start, end, reason, who),
        )


def _rollback(cursor: SnowflakeCursor, cause: BaseException) -> None:
    """Undo. Behind a connection that is gone the server does, so nothing is sent there and waited for."""
    if is_transient(cause):
        close_quietly(cursor.connection)
        return
    try:
        cursor.execute("ROLLBACK")
    except (snowflake_errors.Error, OSError):
        close_quietly(cursor.connection)
