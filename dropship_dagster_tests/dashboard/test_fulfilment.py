"""How long deliveries take, against the CSV files."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform
from streamlit_monitor.period import Span, period
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


@pytest.mark.parametrize("before_the_end", [0, 10, 40])
def test_late_orders_are_all_open_ones_past_their_promise_whenever_they_were_placed(
    platform: Platform, store: Store, before_the_end: int
) -> None:
    now = truth.newest(platform) - timedelta(days=before_the_end)
    orders = truth.orders(platform)
    still_open = orders[orders["status"].isin(["PLACED", "PAID", "SHIPPED"])]
    expected = still_open[(still_open["promised_at"] < now) & (still_open["ordered_at"] <= now)]
    found = fulfilment.late(store, now, 1000)
    assert set(found["order_id"]) == set(expected.index)
    assert found["promised_at"].is_monotonic_increasing
    if len(expected):
        assert fulfilment.late(store, now, 1)["late"].tolist() == [len(expected)]
    if not before_the_end:
        month = expected["ordered_at"] >= now - timedelta(days=28)
        assert len(expected) > month.sum(), "some were placed long ago"


@pytest.mark.parametrize("days", [7, 28, 90])
def test_an_earlier_period_is_seen_at_the_age_that_the_current_one_has(
    platform: Platform, store: Store, days: int
) -> None:
    known = fulfilment.known_until(store, truth.newest(platform))
    assert known == platform.csv("order_events")["event_time"].max()
    shown = period(truth.newest(platform), "custom", custom=_last(platform, days))
    assert shown.previous is not None
    events = platform.csv("order_events")
    then = events[events["event_time"] <= known - shown.shift]
    times = then.pivot_table(index="order_id", columns="event_type", values="event_time", aggfunc="min")
    placed = truth.orders(platform)["ordered_at"]
    here = times.reindex(placed[(placed >= shown.previous.start) & (placed < shown.previous.end)].index)
    took = (here["order_delivered"].dt.floor("min") - here["order_paid"].dt.floor("min")).dropna() / pd.Timedelta(
        days=1
    )
    found = fulfilment.funnel(store, shown.previous, known - shown.shift)
    assert found["placed"] == len(here)
    assert found["delivered"] == here["order_delivered"].count()
    assert found["shipped"] == here["order_shipped"].count()
    assert found["median_days"] == pytest.approx(took.median(), abs=0.001)
    assert found["p90_days"] == pytest.approx(took.quantile(0.9), abs=0.001)
    finished = fulfilment.funnel(store, shown.previous)
    assert finished["delivered"] > found["delivered"], "what came later is left out"


def test_days_to_deliver_are_not_better_in_every_month_than_in_the_one_before(store: Store, platform: Platform) -> None:
    newest = truth.newest(platform)
    better = 0
    for month in range(10):
        now = newest - timedelta(days=28 * month)
        shown = period(now, "28d")
        assert shown.previous is not None
        current, before = (
            fulfilment.funnel(store, span, at)["median_days"]
            for span, at in ((shown.current, now), (shown.previous, now - shown.shift))
        )
        better += current < before
    assert 1 <= better <= 9


def _last(platform: Platform, days: int) -> tuple[date, date]:
    last = truth.newest(platform).date()
    return last - timedelta(days=days - 1), last


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
