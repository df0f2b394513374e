"""What sells, by the day and by the hour, against the CSV files."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform
from streamlit_monitor.period import Span
from streamlit_monitor.queries import products
from streamlit_monitor.store import Store


def year(platform: Platform) -> Span:
    end = truth.end_of_data(platform)
    return Span(end - timedelta(days=364), end)


def test_sales_and_sizes_are_those_of_the_orders_that_were_not_cancelled(platform: Platform, store: Store) -> None:
    span = year(platform)
    orders = truth.orders(platform)
    lines = platform.csv("order_lines").join(orders[["ordered_at", "status"]], on="order_id")
    kept = lines[(lines["ordered_at"] >= span.start) & (lines["status"] != "CANCELLED")]
    sales = (kept["quantity"] * kept["unit_price"]).groupby(kept["product_id"]).sum().round(2)
    found = products.top(store, span, 1000).set_index("product_id")["sales"].round(2)
    assert found.to_dict() == sales.to_dict()
    sizes = products.by_size(store, span).set_index("name")["units"].astype(int).to_dict()
    assert sizes == kept.groupby("size")["quantity"].sum().to_dict()


def test_a_products_trend_is_the_same_by_the_day_and_from_its_lines(platform: Platform, store: Store) -> None:
    span = year(platform)
    best = str(products.top(store, span, 1)["product_id"][0])
    by_day = products.one_trend(store, span, best)
    an_hour_less = Span(span.start, span.end - timedelta(hours=1))  # does not end with a day, so the lines are asked
    from_lines = products.one_trend(store, an_hour_less, best)
    assert by_day["units"].sum() > 0
    assert by_day.iloc[:-1].equals(from_lines.iloc[:-1])


def test_what_is_counted_by_day_is_not_asked_for_a_part_of_one(platform: Platform, store: Store) -> None:
    span = year(platform)
    with pytest.raises(ValueError, match="not whole days"):
        products.top(store, Span(span.start, span.end - timedelta(hours=1)), 1)
