"""How long the dashboard's queries take over millions of orders.

    python -m dropship_dagster_tests.benchmarks.dashboard_queries [--doublings 10] [--in DIR]

Every query of every page is asked for several periods, uncached, three times, of which the best counts; printed are
the slowest queries, their processor time in the local warehouse, and the 95th percentile.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import date, timedelta

from dropship_dagster.endpoints import supervisor
from dropship_dagster_tests.benchmarks import dashboard_shop
from dropship_dagster_tests.dashboard.platform import Platform
from local_service_tests.processors import processor_seconds
from streamlit_monitor.period import Period, period
from streamlit_monitor.queries import customers, fulfilment, pipeline, products, sales
from streamlit_monitor.store import Store
from streamlit_monitor.warehouse import Warehouse

_ROUNDS = 3

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
    "customers: origins": lambda store, p: customers.by_country(store, p.current),
    "customers: best": lambda store, p: customers.best(store, p.current, 25),
    "fulfilment: funnel": lambda store, p: fulfilment.funnel(store, p.current),
    "fulfilment: suppliers": lambda store, p: fulfilment.by_supplier(store, p.current),
    "fulfilment: countries": lambda store, p: fulfilment.by_country(store, p.current),
    "fulfilment: late": lambda store, p: fulfilment.late(store, p.current.end, 100),
    "pipeline: stations": lambda store, _: pipeline.stations(store),
    "pipeline: loads": lambda store, _: pipeline.loads(store, 50),
}


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
    begun, worked = time.perf_counter(), processor_seconds(server)
    question(store, span)
    return (time.perf_counter() - begun) * 1000, (processor_seconds(server) - worked) * 1000


if __name__ == "__main__":
    dashboard_shop.main("How long the dashboard's queries take over millions of orders.", measure)
