"""How long deliveries take, against the CSV files."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform
from streamlit_monitor.period import Span
from streamlit_monitor.queries import fulfilment
from streamlit_monitor.store import Store


def test_suppliers_have_the_medians_and_delays_of_their_orders(platform: Platform, store: Store) -> None:
    end = truth.end_of_data(platform)
    span = Span(end - timedelta(days=364), end)
    found = fulfilment.by_supplier(store, span).set_index("name")
    orders = deliveries(platform, span)
    assert len(found) == orders["supplier"].nunique()
    for name, of_one in orders.groupby("supplier"):
        days = sorted((of_one["minutes"] + 72) // 144 / 10)
        shown = found.loc[str(name)]
        assert (shown["delivered"], shown["late"]) == (len(days), of_one["late"].sum())
        assert shown["median_days"] == days[-(-len(days) // 2) - 1]
        assert shown["p90_days"] == days[-(-len(days) * 9 // 10) - 1]
        assert abs(shown["promised_days"] - of_one["promised"].mean() / 1440) < 0.001


def deliveries(platform: Platform, span: Span) -> pd.DataFrame:
    """A row an order that was delivered and supplier of it: minutes from paid to delivered, to the promise, late."""
    orders = truth.orders(platform)
    orders = orders[(orders["ordered_at"] >= span.start) & (orders["ordered_at"] < span.end)]
    events = platform.csv("order_events")
    times = events.pivot_table(index="order_id", columns="event_type", values="event_time", aggfunc="min")
    known = orders.join(times[["order_paid", "order_delivered"]], how="inner").dropna(
        subset=["order_paid", "order_delivered"]
    )
    paid = known["order_paid"].dt.floor("min")  # DATEDIFF counts the minutes that begin between two times
    facts = pd.DataFrame(
        {
            "minutes": (known["order_delivered"].dt.floor("min") - paid).dt.total_seconds() // 60,
            "promised": (known["promised_at"].dt.floor("min") - paid).dt.total_seconds() // 60,
            "late": known["order_delivered"] > known["promised_at"],
        }
    )
    suppliers = platform.csv("suppliers").set_index("supplier_id")["name"]
    supplier = platform.csv("products").set_index("product_id")["supplier_id"].map(suppliers)
    lines = platform.csv("order_lines")
    pairs = lines.assign(supplier=lines["product_id"].map(supplier))[["order_id", "supplier"]].drop_duplicates()
    return pairs.join(facts, on="order_id", how="inner")
