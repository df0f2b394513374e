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
from dropship_dagster.warehouse.graph import TABLE_OF_TASK
from dropship_dagster.warehouse.statements import split_statements

KEYS: Mapping[str, tuple[str, ...]] = {
    "CUSTOMERS": ("CUSTOMER_ID",),
    "CUSTOMERS_HISTORY": ("CUSTOMER_ID", "VERSION"),
    "SUPPLIERS": ("SUPPLIER_ID",),
    "PRODUCTS": ("PRODUCT_ID",),
    "PRODUCTS_HISTORY": ("PRODUCT_ID", "VERSION"),
    "ORDERS": ("ORDER_ID",),
    "ORDER_LINES": ("ORDER_ID", "LINE_NO"),
    "ORDER_STATUS_HISTORY": ("ORDER_ID", "VERSION"),
    "DAILY_SALES": ("SALES_DATE", "COUNTRY", "CATEGORY", "CHANNEL"),
    "DAILY_PRODUCT_SALES": ("SALES_DATE", "PRODUCT_ID", "SIZE"),
    "DAILY_SUPPLIER_DELIVERIES": ("SALES_DATE", "SUPPLIER_ID", "MINUTES"),
    "CUSTOMER_FIRST_ORDERS": ("CUSTOMER_ID",),
}
"""The key of each table of PROD, in the order in which the tables depend on each other."""

_OF_PRODUCTS = frozenset({"DAILY_SALES", "DAILY_SUPPLIER_DELIVERIES"})
"""The derived tables that follow the products as well."""

_STREAM = re.compile(r"\b(?:STAGING|OPS|PROD)\.[A-Z_]+_STREAM\b")
_BLOCK = re.compile(r"BEGIN\s+TRANSACTION\s*;(.*)\bCOMMIT\s*;", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """What a statement reads in place of a stream: a relation, and the values bound to its question marks."""

    relation: str
    bound: tuple[object, ...] = ()


def everything(table: str) -> Mapping[str, Source]:
    """For each stream of the task that fills a table of PROD, all that it could have shown.

    A derived table is counted anew for every order, and for every day that the table has.
    """
    daily = (
        "(SELECT ORDER_ID, NULL::DATE AS PLACED_ON FROM PROD.ORDERS "
        f"UNION ALL SELECT NULL, SALES_DATE FROM PROD.{table})"
    )
    events = {"CUSTOMERS": "CUSTOMER_EVENTS", "PRODUCTS": "PRODUCT_EVENTS", "SUPPLIERS": "PRODUCT_EVENTS"}
    staged = events.get(table.removesuffix("_HISTORY"), "ORDER_EVENTS")
    if not table.startswith(("DAILY_", "CUSTOMER_FIRST_")):
        return {f"STAGING.{table}_STREAM": Source(f"STAGING.{staged}")}
    sources = {f"OPS.{table}_STREAM": Source(daily if table.startswith("DAILY_") else "PROD.ORDERS")}
    if table in _OF_PRODUCTS:
        sources[f"PROD.{table}_PRODUCTS_STREAM"] = Source("(SELECT * FROM PROD.PRODUCTS WHERE FALSE)")
    return sources


def streams_before(table: str) -> tuple[str, ...]:
    """Every stream between STAGING and a table of PROD, those of the tables that it is derived from first."""
    if not table.startswith(("DAILY_", "CUSTOMER_FIRST_")):
        return tuple(everything(table))
    sources = ("ORDERS", "ORDER_LINES", *(("PRODUCTS",) if table in _OF_PRODUCTS else ()))
    return (*(stream for source in sources for stream in everything(source)), *everything(table))


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
