"""`refresh --rebuild`: a table of PROD mended, whatever has damaged it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from snowflake.connector.cursor import SnowflakeCursor

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import PATIENCE_BESIDE_TASKS, connect, deployed, with_retries
from dropship_dagster.warehouse.errors import WarehouseError
from dropship_dagster.warehouse.model import KEYS
from dropship_dagster.warehouse.offsets import transaction
from dropship_dagster.warehouse.refold import everything, run_task, statements_of
from dropship_dagster.warehouse.reports import Report


@dataclass(frozen=True)
class RebuiltTable:
    """A table computed anew.

    Attributes:
        table: its name in PROD.
        removed: rows that were wrong, superfluous or doubled.
        changed: rows that were inserted, updated or deleted after that. 0 and 0: the table was right.
        rows: rows afterwards.
    """

    table: str
    removed: int
    changed: int
    rows: int


@dataclass(frozen=True)
class RebuildReport(Report):
    """The tables that were computed anew, in order."""

    tables: tuple[RebuiltTable, ...]
    seconds: float


def rebuild(endpoint: WarehouseEndpoint, tables: Iterable[str]) -> RebuildReport:
    """Compute tables of PROD anew from what they are derived from: STAGING, or other tables of PROD.

    One transaction per table removes the rows that differ from what the accepted events say and runs the statements of
    the table's task over everything. Right rows stay untouched; readers see the old table until the commit. A run of
    the graph meanwhile waits for the table's lock. Orders that change are queued for the derived tables.

    Args:
        endpoint: the deployed warehouse.
        tables: names in PROD, with or without the schema, in any case; ALL for every table.

    Raises:
        WarehouseError: no table of PROD has this name.
        NotDeployedError: there is no graph.
    """
    began = time.monotonic()
    rebuilt = [
        with_retries(partial(_rebuild, endpoint, table), patience_seconds=PATIENCE_BESIDE_TASKS)
        for table in _names(tables)
    ]
    return RebuildReport(tuple(rebuilt), round(time.monotonic() - began, 3))


def _rebuild(endpoint: WarehouseEndpoint, table: str) -> RebuiltTable:
    with deployed(), connect(endpoint, query_tag="dropship rebuild") as connection:
        *queueing, merge = statements_of(connection, endpoint.database)[table]
        with transaction(connection) as cursor:
            run_task(cursor, queueing, everything(table))  # first, as in the task: locks are taken in one order
            removed = _remove_wrong(cursor, table)
            changed = run_task(cursor, [merge], everything(table))
            rows = int(cursor.execute(f"SELECT COUNT(*) FROM PROD.{table}").fetchone()[0])
    return RebuiltTable(table, removed, changed, rows)


def _names(tables: Iterable[str]) -> list[str]:
    """The tables, each after those that it is derived from."""
    asked = {table.upper().removeprefix("PROD.") for table in tables}
    unknown = sorted(asked - KEYS.keys() - {"ALL"})
    if unknown:
        raise WarehouseError(
            f"PROD has no table {', '.join(unknown)} to rebuild: it is one of {', '.join(KEYS)}, or ALL."
        )
    return [table for table in KEYS if table in asked or "ALL" in asked]


def _remove_wrong(cursor: SnowflakeCursor, table: str) -> int:
    """Delete the rows that are not what the events say, and all rows of a key that is there more than once."""
    keys = ", ".join(KEYS[table])
    same = " AND ".join(f"t.{key} = w.{key}" for key in KEYS[table])
    cursor.execute(
        f"DELETE FROM PROD.{table} t USING ("
        f"SELECT {keys} FROM OPS.DIFFERENCES_{table} WHERE SIDE = 'surplus' "
        f"UNION SELECT {keys} FROM PROD.{table} GROUP BY {keys} HAVING COUNT(*) > 1) w WHERE {same}"
    )
    return int(cursor.rowcount or 0)
