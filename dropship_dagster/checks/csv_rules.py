"""Rules between the rows of the CSV files, and DuckDB over the files to ask them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import dagster as dg
import duckdb
import pyarrow as pa

from dropship_dagster.assets.seeds import SEED_TABLES, seed_key
from dropship_dagster.checks.rules import Rule
from dropship_dagster.shop import Rejects, read_batches, tables_of
from dropship_dagster.shop.contract import Kind, Table, table

_MEMORY = "1GB"

_SQL_TYPES = {
    Kind.TEXT: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.MONEY: "DECIMAL(12, 2)",
    Kind.RATE: "DECIMAL(12, 4)",
    Kind.SHARE: "DECIMAL(5, 3)",
    Kind.TIME: "TIMESTAMPTZ",
}


class CsvFiles:
    """The CSV files of a folder as tables of a DuckDB of its own; rows that break the contract are left out.

    They are read by the contract's own reader: DuckDB's loses good rows behind a stray quote. What does not fit into
    the memory limit lies in a temporary folder, so that ten million orders need no more memory than ten thousand.
    """

    def __init__(self, folder: Path, names: Sequence[str] = SEED_TABLES) -> None:
        """Files that the folder need not hold (see `shop.parts`) are tables without rows."""
        self.folder = folder
        self.held = frozenset(each.name for each in tables_of(folder))
        self._names = names
        self._spill = TemporaryDirectory(prefix="dropship-checks-")
        self._connection = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": self._spill.name})

    def __enter__(self) -> Self:
        try:
            for name in self._names:
                self._read(table(name))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rows."""
        self._connection.close()
        self._spill.cleanup()

    def _read(self, contract: Table) -> None:
        read = read_batches(self.folder, contract, Rejects()) if contract.name in self.held else ()
        batches = (batch for each in read for batch in each.rows.to_batches())
        rows = pa.RecordBatchReader.from_batches(contract.schema, batches)
        columns = ", ".join(f"CAST({each.name} AS {_SQL_TYPES[each.kind]}) AS {each.name}" for each in contract.columns)
        self._connection.register("rows", rows)
        self._connection.execute(f"CREATE TABLE {contract.name} AS SELECT {columns} FROM rows")
        self._connection.unregister("rows")

    def rows(self, name: str) -> int:
        """Good rows of a file."""
        return int(self.query(f"SELECT COUNT(*) FROM {table(name).name}")[1][0][0])

    def query(self, sql: str) -> tuple[list[str], Sequence[tuple[Any, ...]]]:
        """Run a SELECT over the files: the columns' names and the rows."""
        cursor = self._connection.execute(sql)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()


def _unique(name: str) -> Rule:
    columns = ", ".join(table(name).key)
    return Rule(
        seed_key(name),
        "key_is_unique",
        f"No two rows have the same {columns}.",
        f"SELECT {columns}, COUNT(*) AS rows FROM {name} GROUP BY {columns} HAVING COUNT(*) > 1",
    )


@dataclass(frozen=True)
class ReferenceRule(Rule):
    """A rule between two files; of a parent that the folder need not hold, nothing can be said."""

    parent: str = ""


def evaluate(rule: Rule, files: CsvFiles, reject_share: float) -> dg.AssetCheckResult:
    """A rule's result; up to that share of the file's rows may break it."""
    if isinstance(rule, ReferenceRule) and rule.parent not in files.held:
        return dg.AssetCheckResult(
            asset_key=rule.asset,
            check_name=rule.name,
            passed=True,
            description=f"{rule.parent}.csv is not in the folder: what new orders refer to is known from before.",
        )
    return rule.evaluate(files.query, tolerate=int(files.rows(rule.asset.path[-1]) * reject_share))


def _exists(name: str, column: str, parent: str) -> Rule:
    return ReferenceRule(
        seed_key(name),
        f"{column}_exists",
        f"Each {column} is in {parent}.csv.",
        f"SELECT DISTINCT {column} FROM {name} ANTI JOIN {parent} USING ({column})",
        parent=parent,
    )


RULES = (
    *(_unique(name) for name in SEED_TABLES),
    _exists("products", "supplier_id", "suppliers"),
    _exists("orders", "customer_id", "customers"),
    _exists("order_lines", "order_id", "orders"),
    _exists("order_lines", "product_id", "products"),
    _exists("order_events", "order_id", "orders"),
    Rule(
        seed_key("orders"),
        "total_adds_up",
        "total = sum of quantity x unit_price - discount + shipping_fee, exactly.",
        """
        SELECT order_id, total, SUM(quantity * unit_price) - discount + shipping_fee AS expected
        FROM orders JOIN order_lines USING (order_id)
        GROUP BY order_id, total, discount, shipping_fee
        HAVING total <> SUM(quantity * unit_price) - discount + shipping_fee
        """,
    ),
    Rule(
        seed_key("orders"),
        "has_lines",
        "Each order has a line.",
        "SELECT order_id FROM orders ANTI JOIN order_lines USING (order_id)",
    ),
    Rule(
        seed_key("order_events"),
        "versions_are_whole",
        "The events of an order are numbered 1, 2, 3 ... and begin with order_placed.",
        """
        SELECT order_id, COUNT(*) AS events, MIN(version) AS first, MAX(version) AS last
        FROM order_events
        GROUP BY order_id
        HAVING MIN(version) <> 1 OR MAX(version) <> COUNT(DISTINCT version)
          OR ANY_VALUE(event_type) FILTER (version = 1) <> 'order_placed'
        """,
    ),
    Rule(
        seed_key("order_events"),
        "placed_with_the_order",
        "order_placed happens when the order says it was placed.",
        """
        SELECT order_id, ordered_at::VARCHAR AS ordered_at, event_time::VARCHAR AS event_time
        FROM orders JOIN order_events USING (order_id)
        WHERE version = 1 AND event_time <> ordered_at
        """,
    ),
)
