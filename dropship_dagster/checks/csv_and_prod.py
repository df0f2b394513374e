"""The whole way at once: the orders of the CSV files are in PROD, day by day, to the cent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import dagster as dg

from dropship_dagster.assets.names import key
from dropship_dagster.checks.csv_rules import CsvFiles
from dropship_dagster.checks.outcome import ERROR, WARN, sample_table
from dropship_dagster.checks.rejected_rows import ORDER_FILES, rejected_rows
from dropship_dagster.checks.rules import Query

SPEC = dg.AssetCheckSpec(
    "equals_the_csv_files",
    asset=key("prod/orders"),
    description="The orders of orders.csv are in PROD: as many a day, with the same totals.",
)

_NUMBERS = "SELECT MIN(number), MAX(number) FROM (SELECT TRY_CAST(order_id[2:] AS BIGINT) AS number FROM orders)"
_CSV_DAYS = "SELECT CAST(ordered_at AT TIME ZONE 'UTC' AS DATE), COUNT(*), SUM(total) FROM orders GROUP BY ALL"
_PROD_DAYS = """
SELECT TO_DATE(PLACED_AT), COUNT(*), SUM(TOTAL)
FROM PROD.ORDERS
WHERE PLACED_AT IS NOT NULL AND TRY_TO_NUMBER(SUBSTR(ORDER_ID, 2)) BETWEEN {first} AND {last}
GROUP BY TO_DATE(PLACED_AT)
"""


@dataclass(frozen=True)
class Day:
    """Orders of a day and the sum of their totals, in EUR."""

    orders: int
    total: Decimal


_NOTHING = Day(0, Decimal(0))


def evaluate(files: CsvFiles, query: Query) -> dg.AssetCheckResult:
    """Compare orders and money by the day on which they were placed.

    PROD may hold more: the live stream goes on with numbers above those of the files. So only the range of order
    numbers that the files use is compared.
    """
    first, last = files.query(_NUMBERS)[1][0]
    expected = _days(files.query(_CSV_DAYS)[1])
    found = {} if first is None else _days(query(_PROD_DAYS.format(first=int(first), last=int(last)))[1])
    missing = sum(max(0, day.orders - found.get(date, _NOTHING).orders) for date, day in expected.items())
    differing = sorted(day for day in expected.keys() | found.keys() if expected.get(day) != found.get(day))
    metadata: dict[str, Any] = {
        "days": len(expected),
        "orders": sum(day.orders for day in expected.values()),
        "total_eur": float(sum((day.total for day in expected.values()), Decimal(0))),
        "differing_days": len(differing),
        "missing_orders": missing,
    }
    rejected = rejected_rows(files.folder, ORDER_FILES) if missing else 0
    explained = 0 < missing <= rejected
    if differing:
        metadata["samples"] = sample_table(
            ["day", "csv_orders", "csv_total", "prod_orders", "prod_total"],
            [_both(day, expected, found) for day in differing],
        )
    return dg.AssetCheckResult(
        asset_key=SPEC.asset_key,
        check_name=SPEC.name,
        passed=not differing,
        severity=WARN if explained else ERROR,
        description=(
            f"{missing:,} orders are not in PROD; {rejected:,} rows of the files break the contract and are not sent."
            if explained
            else _sentence(len(differing), len({*expected, *found}), bool(found))
        ),
        metadata=metadata,
    )


def _days(rows: Sequence[tuple[Any, ...]]) -> dict[dt.date, Day]:
    return {day: Day(int(orders), Decimal(total).quantize(Decimal("0.01"))) for day, orders, total in rows}


def _both(day: dt.date, expected: Mapping[dt.date, Day], found: Mapping[dt.date, Day]) -> tuple[Any, ...]:
    here, there = expected.get(day, _NOTHING), found.get(day, _NOTHING)
    return day, here.orders, here.total, there.orders, there.total


def _sentence(differing: int, days: int, any_found: bool) -> str:
    if not differing:
        return f"{days:,} days agree."
    if not any_found:
        return "No order of orders.csv is in PROD: replay the files, load the topics, refresh."
    return (
        f"{differing:,} of {days:,} days differ from orders.csv. Either it is not loaded to its end, or the files were "
        "made anew with another seed or size: PROD keeps the first version of an order, so another shop needs an empty "
        "home: `make clean` removes this one, DROPSHIP_HOME (or SNOWFLAKE_DATABASE) names another."
    )
