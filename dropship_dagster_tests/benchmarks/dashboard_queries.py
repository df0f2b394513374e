"""How long the dashboard's queries take over millions of orders.

    python -m dropship_dagster_tests.benchmarks.dashboard_queries --doublings 10

A shop of 5,000 orders, 1,000 customers and 1,000 products goes through the pipeline; then customers, orders and lines
are doubled as often as told (10: 5.1 million orders of 0.7 million customers), each copy some hours earlier, and the
aggregates are counted anew. Every query of every page is asked for several periods, uncached, three times, of which
the best counts; printed are the slowest queries, their processor time in the embedded warehouse, and the 95th
percentile.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from dropship_dagster.endpoints import supervisor
from dropship_dagster_tests.dashboard.platform import Platform, platform_in, run_pipeline
from streamlit_monitor.period import Period, period
from streamlit_monitor.queries import customers, fulfilment, pipeline, products, sales
from streamlit_monitor.store import Store
from streamlit_monitor.warehouse import Warehouse

_SHIFT_HOURS = 11
_ROUNDS = 3
_TIMES = ("PLACED_AT", "PAID_AT", "SHIPPED_AT", "DELIVERED_AT", "CANCELLED_AT", "RETURNED_AT", "PROMISED_AT")

Question = Callable[[Store, Period], object]
_NO_CHOICE = products.Choice()

QUESTIONS: dict[str, Question] = {
    "pulse": lambda store, _: store.pulse(),
    "overview: kpis": lambda store, p: sales.kpis(store, p.current),
    "overview: trend": lambda store, p: sales.trend(store, p.current),
    "overview: parcels": lambda store, p: sales.parcels(store, p.current),
    "overview: channels": lambda store, p: sales.by_channel(store, p.current),
    "overview: countries": lambda store, p: sales.by_country(store, p.current),
    "overview: recent": lambda store, p: sales.recent_orders(store, p.current, 12),
    "overview: top products": lambda store, p: products.top(store, p.current, 10),
    "overview: products sold": lambda store, p: products.sold(store, p.current),
    "products: ranking": lambda store, p: products.ranking(store, p.current, "sales", _NO_CHOICE, 200),
    "products: categories": lambda store, p: products.by_category(store, p.current),
    "products: sizes": lambda store, p: products.by_size(store, p.current),
    "products: one": lambda store, p: products.one_trend(store, p.current, "P00001"),
    "customers: kpis": lambda store, p: customers.kpis(store, p.current),
    "customers: trend": lambda store, p: customers.trend(store, p.current),
    "customers: cohorts": lambda store, p: customers.cohorts(store, p.current.end - timedelta(days=360), p.current.end),
    "customers: segments": lambda store, p: customers.segments(store, p.current),
    "customers: best": lambda store, p: customers.best(store, p.current, 25),
    "fulfilment: funnel": lambda store, p: fulfilment.funnel(store, p.current),
    "fulfilment: suppliers": lambda store, p: fulfilment.by_supplier(store, p.current),
    "fulfilment: countries": lambda store, p: fulfilment.by_country(store, p.current),
    "fulfilment: late": lambda store, p: fulfilment.late(store, p.current, p.current.end, 100),
    "pipeline: stations": lambda store, _: pipeline.stations(store),
    "pipeline: loads": lambda store, _: pipeline.loads(store, 50),
}


def double(platform: Platform, times: int) -> None:
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


def measure(platform: Platform) -> None:
    """Ask everything for several periods and print how long it took."""
    warehouse = Warehouse(platform.settings)
    newest = Store(warehouse.query).pulse().newest
    if newest is None:
        raise SystemExit("There is no order: the pipeline brought none.")
    custom = (date(newest.year - 1, 3, 1), date(newest.year - 1, 8, 31))
    periods = [period(newest, "7d"), period(newest, "28d"), period(newest, "90d"), period(newest, "year")]
    periods.append(period(newest, "custom", custom=custom))
    server = supervisor(platform.settings).ensure("snowflake")["pid"]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in QUESTIONS}
    for span in periods:
        for name, question in QUESTIONS.items():
            taken[name].append(min(_asked(warehouse, question, span, server) for _ in range(_ROUNDS)))
    warehouse.close()
    for name, times in sorted(taken.items(), key=lambda item: -max(item[1])[0]):
        clock, processor = [each[0] for each in times], [each[1] for each in times]
        print(
            f"{name:26} median {statistics.median(clock):6.0f} ms   slowest {max(clock):6.0f} ms   "
            f"processor {max(processor):6.0f} ms"
        )
    everything = [clock for times in taken.values() for clock, _ in times]
    print(f"95th percentile of {len(everything)}: {statistics.quantiles(everything, n=20)[-1]:.0f} ms")


def _asked(warehouse: Warehouse, question: Question, span: Period, server: int) -> tuple[float, float]:
    """Milliseconds on the clock and of the warehouse's processor time."""
    store = Store(warehouse.query)
    store.pulse()
    begun, worked = time.perf_counter(), _processor_seconds(server)
    question(store, span)
    return (time.perf_counter() - begun) * 1000, (_processor_seconds(server) - worked) * 1000


def _processor_seconds(pid: int) -> float:
    """man 5 proc: utime and stime are fields 14 and 15, counted behind the name, which may hold spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Build the shop, double it, measure, and leave nothing behind."""
    parser = argparse.ArgumentParser(description="How long the dashboard's queries take over millions of orders.")
    parser.add_argument("--doublings", type=int, default=10, help="of 5,000 orders (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        platform = platform_in(root / "home", root)
        try:
            run_pipeline(platform, customers=1000, products=1000, orders=5000)
            begun = time.perf_counter()
            double(platform, arguments.doublings)
            [(orders,)] = platform.execute("SELECT COUNT(*) FROM PROD.ORDERS")
            print(f"{orders:,} orders, doubled in {time.perf_counter() - begun:.0f} s")
            measure(platform)
        finally:
            for service in ("kafka", "snowflake"):
                supervisor(platform.settings).stop(service)


if __name__ == "__main__":
    main()
