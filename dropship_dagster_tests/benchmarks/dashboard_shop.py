"""A shop with millions of orders in PROD, for the benchmarks of the dashboard.

A shop of 5,000 orders, 1,000 customers and 1,000 products goes through the pipeline; then customers, orders and lines
are doubled as often as told (10: 5.1 million orders of 0.7 million customers), each copy some hours earlier, and the
aggregates are counted anew.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dropship_dagster.endpoints import supervisor
from dropship_dagster.supervisor import SERVICES
from dropship_dagster_tests.dashboard.platform import Platform, platform_in, run_pipeline, write_report

_SHIFT_HOURS = 11
_TIMES = ("PLACED_AT", "PAID_AT", "SHIPPED_AT", "DELIVERED_AT", "CANCELLED_AT", "RETURNED_AT", "PROMISED_AT")
_FILLED = "filled"


def main(description: str, measure: Callable[[Platform], None]) -> None:
    """A benchmark as a command: fill the shop and measure."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--doublings", type=int, default=10, help="of 5,000 orders (%(default)s)")
    parser.add_argument("--in", dest="folder", type=Path, help="keep the shop in this folder, or use the one there")
    with _large_shop(parser.parse_args()) as platform:
        measure(platform)


@contextmanager
def _large_shop(arguments: argparse.Namespace) -> Iterator[Platform]:
    """The shop, its services stopped afterwards; without a folder to keep it in nothing is left behind."""
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.folder.resolve() if arguments.folder else Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        platform = platform_in(root / "home", root)
        try:
            _fill(platform, arguments.doublings, root / _FILLED)
            [(orders,)] = platform.execute("SELECT COUNT(*) FROM PROD.ORDERS")
            print(f"{orders:,} orders", flush=True)
            yield platform
        finally:
            supervisor(platform.settings).stop(*SERVICES)


def _fill(platform: Platform, doublings: int, filled: Path) -> None:
    if filled.exists():
        if filled.read_text() != str(doublings):
            raise SystemExit(f"{filled.parent} holds a shop doubled {filled.read_text()} times: name another folder.")
        return
    run_pipeline(platform, customers=1000, products=1000, orders=5000)
    begun = time.perf_counter()
    # Nothing changes any more: a graph that found these rows in its streams would merge them all.
    platform.execute("ALTER TASK OPS.REFRESH SUSPEND")
    _double(platform, doublings)
    write_report(platform)
    print(f"doubled in {time.perf_counter() - begun:.0f} s")
    filled.write_text(str(doublings))


def _double(platform: Platform, times: int) -> None:
    """Copy every customer, order and line, under another number and a few hours earlier; then count the aggregates."""
    columns = {
        table: [
            str(row[0])
            for row in platform.execute(
                "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'PROD' AND TABLE_NAME = ? "
                "ORDER BY ORDINAL_POSITION",
                table,
            )
        ]
        for table in ("CUSTOMERS", "ORDERS", "ORDER_LINES")
    }
    for time_round in range(times):
        hours = _SHIFT_HOURS * 2**time_round % 8000
        for table, names in columns.items():
            values = ", ".join(_copied(name, time_round, hours) for name in names)
            platform.execute(f"INSERT INTO PROD.{table} ({', '.join(names)}) SELECT {values} FROM PROD.{table}")
    for table in ("DAILY_PRODUCT_SALES", "DAILY_SUPPLIER_DELIVERIES", "CUSTOMER_FIRST_ORDERS"):
        platform.execute(f"TRUNCATE TABLE PROD.{table}")
        platform.execute(f"INSERT INTO PROD.{table} SELECT * FROM OPS.EXPECTED_{table}")


def _copied(column: str, time_round: int, hours: int) -> str:
    if column in ("ORDER_ID", "CUSTOMER_ID"):
        return f"{column} || '{chr(ord('a') + time_round)}'"
    if column in (*_TIMES, "ORDERED_AT"):
        return f"DATEADD('hour', -{hours}, {column})"
    return column
