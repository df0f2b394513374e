"""Reconciliation: whether every message is where it must be and PROD is what the accepted events say.

The counting is done by the views of sql/04_validation_queries, in the warehouse.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import partitions
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.warehouse.backlog import LOADED_PARTITIONS, Kafka, LoadedPartition, TopicVerdict, compare_topics
from dropship_dagster.warehouse.connection import connect, deployed, does_not_exist
from dropship_dagster.warehouse.failures import LoaderFailure, standing_failures
from dropship_dagster.warehouse.findings import Findings, conflicts, holes, plain
from dropship_dagster.warehouse.model import KEYS, TABLES, TOPICS, streams_before
from dropship_dagster.warehouse.reports import Report

_NAMED_DIFFERENCES = 5
_PATIENCE_SECONDS = 10.0
"""How long tables that differ are looked at again while tasks have something to merge into them."""

_PLACE = "TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET"
_MESSAGES = " UNION ALL ".join(f"SELECT '{topic.raw}' AS SOURCE, {_PLACE} FROM RAW.{topic.raw}" for topic in TOPICS)
_TO_STAGE = " UNION ".join(
    f"SELECT '{topic.raw}' AS SOURCE, {_PLACE} FROM RAW.{topic.raw}_STREAM "
    f"UNION SELECT SOURCE, {_PLACE} FROM STAGING.RETRIED_{topic.raw}_STREAM WHERE SOURCE = '{topic.raw}'"
    for topic in TOPICS
)
# Reading a stream moves nothing. Counted in one statement, so that no run of the graph comes in between.
_WAITING = f"""
WITH messages AS ({_MESSAGES}),
to_stage AS ({_TO_STAGE})
SELECT COUNT(*), COUNT(s.SOURCE)
FROM messages m
LEFT JOIN OPS.STAGED_PLACES p
  ON p.SOURCE = m.SOURCE
  AND p.TOPIC_ID = m.TOPIC_ID
  AND p.KAFKA_PARTITION = m.KAFKA_PARTITION
  AND p.KAFKA_OFFSET = m.KAFKA_OFFSET
LEFT JOIN to_stage s
  ON s.SOURCE = m.SOURCE
  AND s.TOPIC_ID = m.TOPIC_ID
  AND s.KAFKA_PARTITION = m.KAFKA_PARTITION
  AND s.KAFKA_OFFSET = m.KAFKA_OFFSET
WHERE p.PLACES IS NULL
"""


@dataclass(frozen=True)
class StagingVerdict:
    """All of STAGING: `missing` messages of RAW are not there (those that wait for the tasks included), `doubled` ones
    more than once."""

    accepted: int
    rejected: int
    missing: int
    doubled: int


@dataclass(frozen=True)
class TableVerdict:
    """A table of PROD against the fold of the accepted events.

    Attributes:
        examples: the first differences.
        merging: a stream between STAGING and it still holds events or changed orders, which the differences may come
            from.
    """

    rows: int
    expected: int
    differences: int
    examples: tuple[Mapping[str, Any], ...]
    merging: bool = False

    @property
    def is_right(self) -> bool:
        """Whether it is what the events say."""
        return not self.differences and self.rows == self.expected


@dataclass(frozen=True)
class VerifyReport(Report):
    """The verdict.

    Attributes:
        ok: everything that Kafka acknowledged is in RAW once, staged once, and PROD is right.
        status: "right", "behind" (right so far, but messages wait) or "wrong".
        topics, staging, prod: what was counted.
        problems: what is missing, doubled or different, each in a sentence.
        behind: messages that Kafka holds and RAW does not have yet.
        waiting: messages of RAW that the next run of the task graph stages.
        stopped: where partitions stand because the last run of the loader ended with an error there.
        conflicts: rejected messages that contradict an accepted one. They are rejected as they should be, so they do
            not change the verdict; but two sources say different things.
        holes: orders with versions missing before their newest. The events may be on their way.
    """

    ok: bool
    topics: Mapping[str, TopicVerdict]
    staging: StagingVerdict
    prod: Mapping[str, TableVerdict]
    problems: tuple[str, ...]
    status: str
    behind: int
    waiting: int
    stopped: tuple[LoaderFailure, ...]
    conflicts: Findings
    holes: Findings


def verify(
    endpoint: WarehouseEndpoint,
    *,
    client_config: ClientConfig | None = None,
    topics: Iterable[str] = (),
    require_caught_up: bool = False,
) -> VerifyReport:
    """Count every stage anew and compare. Changes nothing.

    Args:
        endpoint: the deployed warehouse.
        client_config: librdkafka settings, to compare with what the broker holds.
        topics: the topics to ask the broker about.
        require_caught_up: messages that wait in Kafka are a problem too.

    Raises:
        NotDeployedError: there is nothing to verify.
        StreamError: the broker does not answer, or a topic does not exist.
    """
    names = list(topics)

    def ask() -> Kafka:
        return partitions(client_config, names) if client_config is not None else {}

    kafka = ask()
    with connect(endpoint, query_tag="dropship verify") as connection:
        rows = _query(connection, LOADED_PARTITIONS).fetchall()
        found = compare_topics(map(_loaded_partition, rows), kafka, ask)
        staging, waiting = _staging(connection)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        prod = {name: _table(connection, name, deadline) for name in KEYS}
        strays = _strays(connection)
        failures = standing_failures(connection)
        notices = conflicts(connection), holes(connection)
    behind = sum(topic.lag or 0 for topic in found.values())
    problems = [*strays, *_problems(found, staging, waiting, prod)]
    if require_caught_up:
        problems += [f"{name}: {topic.lag} messages are not loaded yet" for name, topic in found.items() if topic.lag]
    late = {topic.topic_id for topic in found.values() if topic.lag or topic.lost or topic.beyond}
    stopped = tuple(failure for failure in failures if failure.topic_id in late)
    merging = any(table.merging for table in prod.values())
    status = "wrong" if problems else "behind" if behind or waiting or merging else "right"
    return VerifyReport(
        status == "right", found, staging, prod, tuple(problems), status, behind, waiting, stopped, *notices
    )


def counts(endpoint: WarehouseEndpoint) -> dict[str, int]:
    """Rows of every table of RAW, STAGING and PROD, in the order of the data's way.

    Raises:
        NotDeployedError: the tables are not there.
    """
    with connect(endpoint, query_tag="dropship counts") as connection:
        query = " UNION ALL ".join(f"SELECT '{table}', COUNT(*) FROM {table}" for table in TABLES)
        rows = dict(_query(connection, query).fetchall())
    return {table: int(rows[table]) for table in TABLES}


def _query(connection: SnowflakeConnection, sql: str) -> SnowflakeCursor:
    with deployed():
        return connection.cursor().execute(sql)


def _loaded_partition(row: tuple[Any, ...]) -> LoadedPartition:
    topic, topic_id, *numbers = row
    return LoadedPartition(str(topic), str(topic_id), *map(int, numbers))


def _staging(connection: SnowflakeConnection) -> tuple[StagingVerdict, int]:
    """The verdict, and how many of the missing messages wait for the task graph."""
    row = _query(
        connection, "SELECT SUM(ACCEPTED), SUM(REJECTED), SUM(MISSING), SUM(DOUBLED) FROM OPS.STAGED_MESSAGES"
    ).fetchone()
    verdict = StagingVerdict(*(int(value or 0) for value in row))
    if not verdict.missing:
        return verdict, 0
    try:
        missing, waiting = connection.cursor().execute(_WAITING).fetchone()
    except snowflake_errors.ProgrammingError as error:
        if not does_not_exist(error):
            raise
        return verdict, 0  # a role that may not read the streams cannot tell the two apart
    return replace(verdict, missing=int(missing)), int(waiting)


def _table(connection: SnowflakeConnection, name: str, deadline: float) -> TableVerdict:
    """The comparison, once no task is about to change the table: what is on its way to it is no difference."""
    verdict = _compared(connection, name)
    while not verdict.is_right:
        idle = not _is_behind(connection, name)
        verdict = _compared(connection, name)
        if idle and not _is_behind(connection, name):
            return verdict
        if time.monotonic() > deadline:
            return replace(verdict, merging=not verdict.is_right)
        time.sleep(1)
    return verdict


def _is_behind(connection: SnowflakeConnection, name: str) -> bool:
    """Whether anything on its way from STAGING to the table is not merged."""
    asked = " OR ".join(f"SYSTEM$STREAM_HAS_DATA('{stream}')" for stream in streams_before(name))
    try:
        return bool(connection.cursor().execute(f"SELECT {asked}").fetchone()[0])
    except snowflake_errors.ProgrammingError as error:
        if not does_not_exist(error):
            raise
        return False  # a role that may not read the streams


def _compared(connection: SnowflakeConnection, name: str) -> TableVerdict:
    """In one statement, so that no task commits between the counts."""
    differences = f"SELECT COUNT(*) FROM OPS.DIFFERENCES_{name}"
    # where nothing differs, one row of each key is expected, so the events are folded once
    keys = f"SELECT COUNT(*) FROM (SELECT DISTINCT {', '.join(KEYS[name])} FROM PROD.{name})"
    verdict = TableVerdict(*_counts(connection, f"SELECT COUNT(*) FROM PROD.{name}", keys, differences), ())
    if not verdict.differences:
        return verdict
    expected = f"SELECT COUNT(*) FROM OPS.EXPECTED_{name}"
    verdict = TableVerdict(*_counts(connection, f"SELECT COUNT(*) FROM PROD.{name}", expected, differences), ())
    cursor = _query(connection, f"SELECT * FROM OPS.DIFFERENCES_{name} ORDER BY 2, 3, 1 LIMIT {_NAMED_DIFFERENCES}")
    names = [column.name for column in cursor.description]
    examples = tuple(dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall())
    return replace(verdict, examples=examples if verdict.differences else ())


def _counts(connection: SnowflakeConnection, rows: str, expected: str, differences: str) -> tuple[int, int, int]:
    """The numbers that three queries answer, as of one moment."""
    found = _query(connection, f"SELECT ({rows}), ({expected}), ({differences})").fetchone()
    return int(found[0]), int(found[1]), int(found[2])


def _strays(connection: SnowflakeConnection) -> list[str]:
    """Partitions with rows in RAW that the offsets know nothing of."""
    rows = _query(
        connection, "SELECT TOPIC_ID, KAFKA_PARTITION, RAW_ROWS FROM OPS.LOADED_PARTITIONS WHERE OUT_OF_RANGE LIMIT 5"
    ).fetchall()
    return [
        f"RAW has messages of partition {partition} of topic {topic_id} outside the offsets that are loaded"
        for topic_id, partition, _ in rows
    ]


def _problems(
    topics: Mapping[str, TopicVerdict], staging: StagingVerdict, waiting: int, prod: Mapping[str, TableVerdict]
) -> Iterable[str]:
    for name, topic in topics.items():
        if topic.duplicates:
            yield f"{name}: {topic.duplicates} messages are in RAW twice"
        if topic.gaps:
            yield f"{name}: {topic.gaps} offsets are missing from RAW"
        if topic.lost:
            yield f"{name}: {topic.lost} messages were not loaded and the broker no longer has them"
        if topic.beyond:
            yield f"{name}: the broker ends {topic.beyond} messages before what is loaded"
    if staging.missing > waiting:
        yield f"{staging.missing - waiting} messages of RAW are not in STAGING, and no task will bring them"
    if staging.doubled:
        yield f"{staging.doubled} messages are in STAGING twice"
    for name, table in prod.items():
        if not (table.is_right or table.merging):
            yield (
                f"PROD.{name}: {table.rows} rows, {table.expected} expected, {table.differences} differences; "
                f"first: {dict(table.examples[0]) if table.examples else 'rows that are there twice'}"
            )
