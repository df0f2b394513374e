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


def column_schemas(connection: SnowflakeConnection) -> Mapping[str, dg.TableSchema]:
    """The columns of every table, by SCHEMA.TABLE, with their comments, in one query."""
    columns: dict[str, list[dg.TableColumn]] = {}
    for table, name, kind, nullable, comment in connection.cursor().execute(_COLUMNS).fetchall():
        constraints = dg.TableColumnConstraints(nullable=nullable == "YES")
        columns.setdefault(table, []).append(
            dg.TableColumn(name, type=kind, description=comment or None, constraints=constraints)
        )
    return {table: dg.TableSchema(columns=listed) for table, listed in columns.items()}
