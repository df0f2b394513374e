"""A table of PROD computed anew by the statements of its own task, from whole tables instead of streams.

The tasks compare what a stream shows with what is there. Given everything that a stream could ever have shown, the same
statements give the whole table, so nothing of sql/ is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.warehouse.errors import NotDeployedError
from dropship_dagster.warehouse.model import KEYS, TABLE_OF_TASK, prod_table
from dropship_dagster.warehouse.statements import split_statements

_STREAM = re.compile(r"\b(?:STAGING|OPS|PROD)\.[A-Z_]+_STREAM\b")
_BLOCK = re.compile(r"BEGIN\s+TRANSACTION\s*;(.*)\bCOMMIT\s*;", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """What a statement reads in place of a stream: a relation, and the values bound to its question marks."""

    relation: str
    bound: tuple[object, ...] = ()


def everything(table: str) -> Mapping[str, Source]:
    """For each stream of the task that fills a table of PROD, all that it could have shown.

    A derived table is recomputed for every order, and for every day that the table has.
    """
    of = prod_table(table)
    if not of.is_derived:
        return {of.streams[0]: Source(of.sources[0])}
    days = f"UNION ALL SELECT NULL, SALES_DATE FROM PROD.{table}" if "SALES_DATE" in of.key else ""
    orders = Source(f"(SELECT ORDER_ID, NULL::DATE AS PLACED_ON FROM PROD.ORDERS {days})")
    queue, *products = of.streams
    return {queue: orders} | {stream: Source("(SELECT * FROM PROD.PRODUCTS WHERE FALSE)") for stream in products}


def run_task(cursor: SnowflakeCursor, statements: Sequence[str], sources: Mapping[str, Source]) -> int:
    """Run a task's statements in the cursor's transaction, reading `sources` in place of streams.

    Returns:
        Rows that its MERGE inserted, updated or deleted.
    """
    changed = 0
    for statement in statements:
        bound: list[object] = []

        def relation(match: re.Match[str], bound: list[object] = bound) -> str:
            source = sources[match.group()]
            bound.extend(source.bound)
            return source.relation

        row = cursor.execute(_STREAM.sub(relation, statement), tuple(bound)).fetchone()
        if statement.lstrip().upper().startswith("MERGE"):
            changed += sum(int(count) for count in row)
    return changed


def statements_of(connection: SnowflakeConnection, database: str) -> dict[str, list[str]]:
    """For each table of PROD, without its schema, the statements of its task as it is deployed.

    Raises:
        NotDeployedError: a task is missing.
    """
    cursor = connection.cursor().execute(f'SHOW TASKS IN SCHEMA "{database}".OPS')
    names = [column.name.lower() for column in cursor.description]
    name, definition = names.index("name"), names.index("definition")
    bodies = {str(row[name]): str(row[definition]) for row in cursor.fetchall()}
    found = {
        table.removeprefix("PROD."): _statements(bodies[task])
        for task, table in TABLE_OF_TASK.items()
        if task in bodies and table.startswith("PROD.")
    }
    missing = KEYS.keys() - found.keys()
    if missing:
        raise NotDeployedError(f"The task graph has no task for {', '.join(sorted(missing))}: run `dropship deploy`.")
    return found


def _statements(body: str) -> list[str]:
    """The statements of a task's body, without those that begin and end its transaction."""
    block = _BLOCK.search(body)
    return split_statements(block.group(1) if block else body)
