"""The oracle: whether every message is where it must be and PROD is what the accepted events say.

The counting is done by the views of sql/04_validation_queries.sql, in the warehouse.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import partitions
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.warehouse.connection import connect, does_not_exist
from dropship_dagster.warehouse.errors import NotDeployedError
from dropship_dagster.warehouse.reports import Report

PROD_TABLES = (
    "CUSTOMERS",
    "CUSTOMERS_HISTORY",
    "SUPPLIERS",
    "PRODUCTS",
    "PRODUCTS_HISTORY",
    "ORDERS",
    "ORDER_LINES",
    "ORDER_STATUS_HISTORY",
    "DAILY_SALES",
    "DAILY_PRODUCT_SALES",
    "DAILY_SUPPLIER_DELIVERIES",
    "CUSTOMER_FIRST_ORDERS",
)
STATIONS = (
    *(f"RAW.{name}" for name in ("CUSTOMERS", "PRODUCTS", "ORDERS_EVENTS")),
    *(f"STAGING.{name}" for name in ("CUSTOMER_EVENTS", "PRODUCT_EVENTS", "ORDER_EVENTS", "REJECTED_EVENTS")),
    *(f"PROD.{name}" for name in PROD_TABLES),
)

_NAMED_DIFFERENCES = 5


@dataclass(frozen=True)
class TopicVerdict:
    """A topic in RAW: `gaps` are offsets missing from RAW, `known_gaps` those recorded in OPS.KAFKA_GAPS.

    `broker_end` is the sum of the partitions' ends, None when no broker was asked; `lag` what is not loaded yet.
    """

    topic_id: str
    partitions: int
    first_offset: int
    next_offset: int
    broker_end: int | None
    lag: int | None
    raw_rows: int
    duplicates: int
    gaps: int
    known_gaps: int


@dataclass(frozen=True)
class StagingVerdict:
    """All of STAGING: `missing` messages are nowhere, `doubled` ones more than once."""

    accepted: int
    rejected: int
    missing: int
    doubled: int


@dataclass(frozen=True)
class TableVerdict:
    """A table of PROD against the fold of the accepted events; `examples` are the first differences."""

    rows: int
    expected: int
    differences: int
    examples: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class VerifyReport(Report):
    """`ok`: nothing is missing, doubled or different. `problems`: each thing that is, in a sentence."""

    ok: bool
    topics: Mapping[str, TopicVerdict]
    staging: StagingVerdict
    prod: Mapping[str, TableVerdict]
    problems: tuple[str, ...]


def verify(
    endpoint: WarehouseEndpoint,
    *,
    client_config: ClientConfig | None = None,
    topics: Iterable[str] = (),
    require_caught_up: bool = False,
) -> VerifyReport:
    """Count every station anew and compare. Changes nothing. Refresh first: what waits in a stream counts as missing.

    Args:
        endpoint: the deployed warehouse.
        client_config: librdkafka settings, to compare with the broker's ends.
        topics: the topics to ask the broker about.
        require_caught_up: messages that are not loaded yet are a problem too.

    Raises:
        NotDeployedError: there is nothing to verify.
        StreamError: the broker does not answer, or a topic does not exist.
    """
    ends = _broker_ends(client_config, topics) if client_config is not None else {}
    with connect(endpoint, query_tag="dropship verify") as connection:
        found = _topics(connection, ends)
        staging = _staging(connection)
        prod = {name: _table(connection, name) for name in PROD_TABLES}
        strays = _strays(connection)
    problems = [*strays, *_problems(found, staging, prod)]
    if require_caught_up:
        problems += [f"{name}: {topic.lag} messages are not loaded yet" for name, topic in found.items() if topic.lag]
    return VerifyReport(not problems, found, staging, prod, tuple(problems))


def counts(endpoint: WarehouseEndpoint) -> dict[str, int]:
    """Rows of every table of RAW, STAGING and PROD, in the order of the data's way.

    Raises:
        NotDeployedError: the tables are not there.
    """
    with connect(endpoint, query_tag="dropship counts") as connection:
        query = " UNION ALL ".join(f"SELECT '{table}', COUNT(*) FROM {table}" for table in STATIONS)
        rows = dict(_query(connection, query).fetchall())
    return {table: int(rows[table]) for table in STATIONS}


def _query(connection: SnowflakeConnection, sql: str) -> SnowflakeCursor:
    try:
        return connection.cursor().execute(sql)
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            raise NotDeployedError("The warehouse is not deployed yet: run `dropship deploy`.") from error
        raise


def _broker_ends(client_config: ClientConfig, topics: Iterable[str]) -> dict[str, int]:
    """By topic id, the sum of its partitions' ends."""
    return {
        str(topic.topic_id): sum(partition.high for partition in topic.partitions)
        for topic in partitions(client_config, topics).values()
    }


def _topics(connection: SnowflakeConnection, ends: Mapping[str, int]) -> dict[str, TopicVerdict]:
    """By name; a topic that was made again under the same name is told apart by its id behind the name."""
    rows = _query(
        connection,
        "SELECT TOPIC, TOPIC_ID, COUNT(*), SUM(FIRST_OFFSET), SUM(NEXT_OFFSET), SUM(RAW_ROWS), SUM(DUPLICATES), "
        "SUM(GAPS), SUM(KNOWN_GAPS), MAX(LATEST) FROM (SELECT p.*, k.UPDATED_AT AS LATEST FROM OPS.LOADED_PARTITIONS p "
        "JOIN OPS.KAFKA_OFFSETS k ON k.TOPIC_ID = p.TOPIC_ID AND k.KAFKA_PARTITION = p.KAFKA_PARTITION) "
        "GROUP BY TOPIC, TOPIC_ID ORDER BY TOPIC, MAX(LATEST) DESC",
    ).fetchall()
    found: dict[str, TopicVerdict] = {}
    for topic, topic_id, count, first, after, raw_rows, duplicates, gaps, known_gaps, _ in rows:
        name = str(topic) if topic not in found else f"{topic} ({topic_id})"
        end = ends.get(str(topic_id))
        found[name] = TopicVerdict(
            topic_id=str(topic_id),
            partitions=int(count),
            first_offset=int(first),
            next_offset=int(after),
            broker_end=end,
            lag=None if end is None else end - int(after),
            raw_rows=int(raw_rows),
            duplicates=int(duplicates),
            gaps=int(gaps),
            known_gaps=int(known_gaps),
        )
    return found


def _staging(connection: SnowflakeConnection) -> StagingVerdict:
    row = _query(
        connection, "SELECT SUM(ACCEPTED), SUM(REJECTED), SUM(MISSING), SUM(DOUBLED) FROM OPS.STAGED_MESSAGES"
    ).fetchone()
    return StagingVerdict(*(int(value or 0) for value in row))


def _table(connection: SnowflakeConnection, name: str) -> TableVerdict:
    rows, expected, differences = (
        int(_query(connection, f"SELECT COUNT(*) FROM {table}").fetchone()[0])
        for table in (f"PROD.{name}", f"OPS.EXPECTED_{name}", f"OPS.DIFFERENCES_{name}")
    )
    examples: tuple[Mapping[str, Any], ...] = ()
    if differences:
        cursor = _query(connection, f"SELECT * FROM OPS.DIFFERENCES_{name} ORDER BY 2, 3, 1 LIMIT {_NAMED_DIFFERENCES}")
        names = [column.name for column in cursor.description]
        examples = tuple(dict(zip(names, map(_plain, row), strict=True)) for row in cursor.fetchall())
    return TableVerdict(rows, expected, differences, examples)


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
    topics: Mapping[str, TopicVerdict], staging: StagingVerdict, prod: Mapping[str, TableVerdict]
) -> Iterable[str]:
    for name, topic in topics.items():
        if topic.duplicates:
            yield f"{name}: {topic.duplicates} messages are in RAW twice"
        if topic.gaps:
            yield f"{name}: {topic.gaps} offsets are missing from RAW"
        if topic.lag is not None and topic.lag < 0:
            yield f"{name}: the broker ends {-topic.lag} messages before what is loaded"
    if staging.missing:
        yield f"{staging.missing} messages of RAW are not in STAGING (refresh?)"
    if staging.doubled:
        yield f"{staging.doubled} messages are in STAGING twice"
    for name, table in prod.items():
        if table.differences or table.rows != table.expected:
            yield (
                f"PROD.{name}: {table.rows} rows, {table.expected} expected, {table.differences} differences; "
                f"first: {dict(table.examples[0]) if table.examples else 'rows that are there twice'}"
            )


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    return value
