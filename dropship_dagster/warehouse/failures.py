"""OPS.LOADER_ERRORS: what ended the last run of the loader that failed, and where it stood.

Kept in the warehouse, which all consumers reach: a pod's home is gone with the pod. A row counts as long as its
partition still stands where it stood; loading on makes it history.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster import logs
from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import connect, does_not_exist

logger = logging.getLogger(__name__)

_NETWORK_SECONDS = 20
_CHARACTERS = 4_000
_SECRETS = ("password", "token", "passcode", "private_key_file_pwd")

_RECORD = """
MERGE INTO OPS.LOADER_ERRORS t
USING (
  SELECT column1 AS TOPIC, column2 AS TOPIC_ID, column3 AS KAFKA_PARTITION, column4 AS KAFKA_OFFSET
  FROM VALUES {places}
) s
ON t.TOPIC_ID = s.TOPIC_ID AND t.KAFKA_PARTITION = s.KAFKA_PARTITION
WHEN MATCHED THEN UPDATE SET KAFKA_OFFSET = s.KAFKA_OFFSET, ERROR = ?, RUN_ID = ?, FAILED_AT = SYSDATE()
WHEN NOT MATCHED THEN INSERT (TOPIC, TOPIC_ID, KAFKA_PARTITION, KAFKA_OFFSET, ERROR, RUN_ID, FAILED_AT)
  VALUES (s.TOPIC, s.TOPIC_ID, s.KAFKA_PARTITION, s.KAFKA_OFFSET, ?, ?, SYSDATE())
"""

# Rows are not unique by key in Snowflake when two consumers failed at once: the newer one counts.
_STANDING = """
SELECT e.TOPIC, e.TOPIC_ID, e.KAFKA_PARTITION, e.KAFKA_OFFSET, e.ERROR, TO_CHAR(e.FAILED_AT, 'YYYY-MM-DD HH24:MI:SS')
FROM OPS.LOADER_ERRORS e
JOIN OPS.KAFKA_OFFSETS k
  ON k.TOPIC_ID = e.TOPIC_ID AND k.KAFKA_PARTITION = e.KAFKA_PARTITION AND k.NEXT_OFFSET = e.KAFKA_OFFSET
QUALIFY ROW_NUMBER() OVER (PARTITION BY e.TOPIC_ID, e.KAFKA_PARTITION ORDER BY e.FAILED_AT DESC) = 1
ORDER BY e.TOPIC, e.KAFKA_PARTITION
"""


@dataclass(frozen=True)
class Position:
    """A partition and the first of its offsets that is not loaded."""

    topic: str
    topic_id: str
    partition: int
    offset: int


@dataclass(frozen=True)
class LoaderFailure:
    """What ended a run of the loader: `offset` is the first that it did not load, `failed_at` UTC."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    error: str
    failed_at: str


def record_failure(endpoint: WarehouseEndpoint, places: Iterable[Position], error: Exception, run_id: str) -> None:
    """Record it in a session of its own. Raises nothing: the error itself is on its way to whoever started the run."""
    rows = [(place.topic, place.topic_id, place.partition, place.offset) for place in places]
    if not rows:
        return
    secrets = [str(endpoint.connect_args[name]) for name in _SECRETS if endpoint.connect_args.get(name)]
    text = logs.redacted(f"{type(error).__name__}: {error}", secrets)[:_CHARACTERS]
    statement = _RECORD.format(places=", ".join(["(?, ?, ?, ?)"] * len(rows)))
    bound = [*(value for row in rows for value in row), text, run_id, text, run_id]
    try:
        with connect(endpoint, query_tag="dropship consume", network_timeout=_NETWORK_SECONDS) as connection:
            connection.cursor().execute(statement, bound)
    except Exception as reason:  # noqa: BLE001 - nothing may take the place of the error that is recorded here
        logger.warning("The error could not be recorded in OPS.LOADER_ERRORS: %s", reason)


def standing_failures(connection: SnowflakeConnection) -> list[LoaderFailure]:
    """Errors at whose offsets partitions still stand; none where the database is older than the table."""
    try:
        rows = connection.cursor().execute(_STANDING).fetchall()
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            return []
        raise
    return [
        LoaderFailure(topic, topic_id, int(partition), int(offset), text, failed_at)
        for topic, topic_id, partition, offset, text, failed_at in rows
    ]
