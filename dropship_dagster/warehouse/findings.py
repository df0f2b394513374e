"""What nothing is wrong with and somebody should know: conflicts and holes, counted, with the first of them."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster.warehouse.connection import does_not_exist
from dropship_dagster.warehouse.errors import NotDeployedError

EXAMPLES = 5

_CONFLICTS = "SELECT NVL(SUM(CONFLICTS), 0) FROM OPS.CONFLICTS"
_FIRST_CONFLICTS = f"""
SELECT SOURCE, TOPIC, KAFKA_PARTITION AS PARTITION, KAFKA_OFFSET AS OFFSET, REJECT_REASON AS REASON
FROM STAGING.REJECTED_EVENTS
WHERE REJECT_REASON LIKE 'conflict: %'
ORDER BY REJECTED_AT DESC, TOPIC, KAFKA_PARTITION, KAFKA_OFFSET
LIMIT {EXAMPLES}
"""

_HOLES = "SELECT COUNT(*) FROM OPS.MISSING_VERSIONS WHERE BEHIND_SINCE <= DATEADD('second', -?, SYSDATE())"
_FIRST_HOLES = f"""
SELECT ORDER_ID, VERSION, MISSING, FIRST_MISSING, BEHIND_SINCE
FROM OPS.MISSING_VERSIONS
WHERE BEHIND_SINCE <= DATEADD('second', -?, SYSDATE())
ORDER BY BEHIND_SINCE, ORDER_ID
LIMIT {EXAMPLES}
"""


@dataclass(frozen=True)
class Findings:
    """How many there are, and up to EXAMPLES of them, by column in lower case."""

    count: int
    examples: tuple[Mapping[str, Any], ...]


def conflicts(connection: SnowflakeConnection) -> Findings:
    """Rejected messages that contradict an accepted one; the examples are the newest.

    Raises:
        NotDeployedError: the database is older than the views.
    """
    return _findings(connection, _CONFLICTS, _FIRST_CONFLICTS, ())


def holes(connection: SnowflakeConnection, older_than: dt.timedelta = dt.timedelta(0)) -> Findings:
    """Orders that wait for an event before their newest; the examples are those that have waited longest.

    Args:
        connection: in the project's database.
        older_than: how long the event behind the hole must have been there.

    Raises:
        NotDeployedError: the database is older than the views.
    """
    return _findings(connection, _HOLES, _FIRST_HOLES, (int(older_than.total_seconds()),))


def _findings(connection: SnowflakeConnection, counting: str, naming: str, bound: tuple[int, ...]) -> Findings:
    cursor = connection.cursor()
    try:
        count = int(cursor.execute(counting, bound).fetchone()[0])
    except snowflake_errors.ProgrammingError as error:
        if does_not_exist(error):
            raise NotDeployedError("The database lacks views of this version: run `dropship deploy`.") from error
        raise
    if not count:
        return Findings(0, ())
    cursor.execute(naming, bound)
    names = [column.name.lower() for column in cursor.description]
    rows = cursor.fetchall()
    return Findings(count, tuple(dict(zip(names, map(plain, row), strict=True)) for row in rows))


def plain(value: Any) -> Any:
    """A value as JSON has it: times and decimals as text."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return str(value)
    return value
