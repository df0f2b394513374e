"""Metadata that several assets share, under the keys that Dagster's catalogue knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

ROW_COUNT = "dagster/row_count"
COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"

_BAR = 24
"""Characters of the longest bar."""

_COLUMNS = """
SELECT TABLE_SCHEMA || '.' || TABLE_NAME, COLUMN_NAME, DATA_TYPE, IS_NULLABLE, COMMENT
FROM INFORMATION_SCHEMA.COLUMNS
WHERE TABLE_SCHEMA IN ('RAW', 'STAGING', 'PROD')
ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
"""


def seconds(value: float) -> dg.MetadataValue[Any]:
    """A duration, to the millisecond."""
    return dg.MetadataValue.float(round(value, 3))


def per_second(count: int, duration: float) -> dg.MetadataValue[Any]:
    """A rate; 0 when there was nothing to measure."""
    return dg.MetadataValue.float(round(count / duration, 1) if duration > 0 else 0.0)


def bars(values: Mapping[str, float]) -> dg.MetadataValue[Any]:
    """A small chart: a bar a line, as long as its share of the largest value. The names are ours, never data's."""
    largest = max(values.values(), default=0.0) or 1.0
    width = max((len(name) for name in values), default=0)
    lines = [
        f"{name:<{width}} {'█' * round(_BAR * max(value, 0) / largest):<{_BAR}} {value:,.0f}"
        for name, value in values.items()
    ]
    return dg.MetadataValue.md("\n".join(["```", *lines, "```"]))


def column_schemas(connection: SnowflakeConnection) -> Mapping[str, dg.TableSchema]:
    """The columns of every table, by SCHEMA.TABLE, with their comments, in one query."""
    columns: dict[str, list[dg.TableColumn]] = {}
    for table, name, kind, nullable, comment in connection.cursor().execute(_COLUMNS).fetchall():
        constraints = dg.TableColumnConstraints(nullable=nullable == "YES")
        columns.setdefault(table, []).append(
            dg.TableColumn(name, type=kind, description=comment or None, constraints=constraints)
        )
    return {table: dg.TableSchema(columns=listed) for table, listed in columns.items()}
