"""What each materialization of a table carries, whoever filled it: a step, or the warehouse's own schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from dropship_dagster.assets import metadata, names
from dropship_dagster.assets.lineage import lineage

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

_DAYS = """
SELECT SALES_DATE, SUM(REVENUE) FROM PROD.DAILY_SALES GROUP BY SALES_DATE ORDER BY SALES_DATE DESC LIMIT 14
"""
"""For the chart: the last two weeks, EUR."""


def described(
    connection: SnowflakeConnection, tables: Iterable[names.Table], rows: Mapping[str, int]
) -> dict[dg.AssetKey, dict[str, Any]]:
    """The metadata of tables, by asset: rows, columns, of PROD where each column comes from, a chart of the days.

    Args:
        connection: in the project's database.
        tables: which ones; all must exist.
        rows: rows of every table, by SCHEMA.TABLE.
    """
    schemas = metadata.column_schemas(connection)
    found: dict[dg.AssetKey, dict[str, Any]] = {}
    for table in tables:
        schema = schemas[table.sql_name]
        values: dict[str, Any] = {metadata.ROW_COUNT: rows[table.sql_name], metadata.COLUMN_SCHEMA: schema}
        if table.schema == names.PROD:
            values[metadata.COLUMN_LINEAGE] = lineage(table, [column.name for column in schema.columns], schemas)
        if table.name == "daily_sales":
            days = connection.cursor().execute(_DAYS).fetchall()
            if days:
                bars = {str(day): float(revenue) for day, revenue in reversed(days)}
                values["revenue_by_day"] = metadata.bars(bars)
        found[table.key] = values
    return found
