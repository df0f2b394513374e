"""What the dashboard must say, computed from the CSV files with pandas: no SQL, no code of the dashboard."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from dropship_dagster_tests.dashboard.platform import Platform


def orders(platform: Platform) -> pd.DataFrame:
    """The orders with status and revenue, by the rules of docs/data-contracts.md."""
    placed = platform.csv("orders").set_index("order_id")
    events = platform.csv("order_events").sort_values("version")
    newest = events.groupby("order_id").last()
    placed["status"] = newest["event_type"].str.removeprefix("order_").str.upper()
    refunds = events.dropna(subset=["refunded_amount"]).groupby("order_id")["refunded_amount"].last()
    placed["refunded"] = refunds.reindex(placed.index).fillna(0)
    placed["revenue"] = (placed["total"] - placed["refunded"]).where(placed["status"] != "CANCELLED", 0.0)
    return placed


def newest(platform: Platform) -> datetime:
    """When the newest order was placed."""
    last: datetime = orders(platform)["ordered_at"].max().to_pydatetime()
    return last


def end_of_data(platform: Platform) -> datetime:
    """The midnight after the newest order."""
    return newest(platform).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def cards(platform: Platform, start: datetime, end: datetime) -> dict[str, str]:
    """The cards of the overview as an English reader sees them."""
    everything = orders(platform)
    span = everything[(everything["ordered_at"] >= start) & (everything["ordered_at"] < end)]
    lines = platform.csv("order_lines")
    kept = span[span["status"] != "CANCELLED"]
    events = platform.csv("order_events")
    inside = events[(events["event_time"] >= start) & (events["event_time"] < end)]
    delivered = inside[inside["event_type"] == "order_delivered"].set_index("order_id")
    returned = inside[inside["event_type"] == "order_returned"]
    promised = everything["promised_at"].reindex(delivered.index)
    on_time = (delivered["event_time"] <= promised).sum()
    return {
        "Revenue": f"€{span['revenue'].sum():,.0f}",
        "Orders": f"{len(span):,}",
        "Customers": f"{span['customer_id'].nunique():,}",
        "Products sold": f"{lines[lines['order_id'].isin(span.index)]['product_id'].nunique():,}",
        "Average order": f"€{span['revenue'].sum() / len(kept):,.2f}",
        "Return rate": f"{100 * len(returned) / len(delivered):.1f}%",
        "On time": f"{100 * on_time / len(delivered):.1f}%",
    }


def customer_cards(platform: Platform, start: datetime, end: datetime) -> dict[str, str]:
    """Cards of the customers' page as an English reader sees them."""
    everything = orders(platform)
    span = everything[(everything["ordered_at"] >= start) & (everything["ordered_at"] < end)]
    first = everything.groupby("customer_id")["ordered_at"].min()
    buyers = span.groupby("customer_id").size()
    return {
        "Customers": f"{len(buyers):,}",
        "New customers": f"{((first >= start) & (first < end)).sum():,}",
        "Bought again": f"{100 * (buyers > 1).sum() / len(buyers):.1f}%",
        "Revenue per customer": f"€{span['revenue'].sum() / len(buyers):,.2f}",
    }


def fulfilment_cards(platform: Platform, start: datetime, end: datetime) -> dict[str, str]:
    """Cards of the fulfilment's page as an English reader sees them."""
    everything = orders(platform)
    span = everything[(everything["ordered_at"] >= start) & (everything["ordered_at"] < end)]
    events = platform.csv("order_events")
    times = events.pivot_table(index="order_id", columns="event_type", values="event_time", aggfunc="min")
    delivered = times["order_delivered"].reindex(span.index).dropna()
    on_time = (delivered <= span["promised_at"].reindex(delivered.index)).sum()
    return {"Delivered": f"{len(delivered):,}", "Promises kept": f"{100 * on_time / len(delivered):.1f}%"}
