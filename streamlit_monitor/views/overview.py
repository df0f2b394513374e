"""How does the shop do?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_monitor import cards, charts, panels
from streamlit_monitor.cards import Card
from streamlit_monitor.language import formats, label, t
from streamlit_monitor.live import View, live
from streamlit_monitor.queries import products, sales

_TOP = 10
_RECENT = 12
_HOUR = 3600


def page() -> None:
    """Draw the page."""
    live(_draw)


def _draw(view: View) -> None:
    customers, articles = sales.catalogue(view.store)
    write = formats()
    st.caption(t("overview.catalogue", customers=write.number(customers), products=write.number(articles)))
    current = view.so_far(sales.trend(view.store, view.period.current))
    with st.container(key="kpis"):
        cards.draw(_cards(view, current), 4)
    _trend(view, current)
    left, right = st.columns([3, 2])
    with left, panels.box("overview.top", stretch=True):
        top = products.top(view.store, view.period.current, _TOP)
        panels.bars(top, "sales", t("column.sales"), money=True)
    with right:
        with panels.box("overview.channel"):
            _bars(panels.named(sales.by_channel(view.store, view.period.current), "channel"))
        with panels.box("overview.country"):
            _bars(panels.named(sales.by_country(view.store, view.period.current).head(5), "country"))
    _recent(view)


def _cards(view: View, current: pd.DataFrame) -> list[Card]:
    span, previous = view.period.current, view.period.previous
    now = sales.kpis(view.store, span)
    before = sales.kpis(view.store, previous) if previous else {}
    sold = products.sold(view.store, span)
    sold_before = products.sold(view.store, previous) if previous else None
    parcels = view.so_far(sales.parcels(view.store, span))
    value = _share(current["revenue"], current["kept_orders"])
    returns = _share(parcels["returned"], parcels["delivered"])
    on_time = _share(parcels["on_time"], parcels["delivered"])
    return [
        Card("revenue", "money", now["revenue"], before.get("revenue"), current["revenue"], detail="products"),
        Card("orders", "number", now["orders"], before.get("orders"), current["orders"], detail="fulfilment"),
        Card(
            "customers", "number", now["customers"], before.get("customers"), current["customers"], detail="customers"
        ),
        Card(
            "products",
            "number",
            sold,
            sold_before,
            view.so_far(products.sold_trend(view.store, span))["products"],
            detail="products",
        ),
        Card(
            "order_value", "money", now["order_value"], before.get("order_value"), value, digits=2, detail="customers"
        ),
        Card("margin", "money", now["margin"], before.get("margin"), current["margin"], detail="products"),
        Card(
            "return_rate",
            "percent",
            now["return_rate"],
            before.get("return_rate"),
            returns,
            more_is_worse=True,
            detail="fulfilment",
        ),
        Card("on_time_rate", "percent", now["on_time_rate"], before.get("on_time_rate"), on_time, detail="fulfilment"),
    ]


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Point by point; where there is no whole, a sparkline goes on from the point before."""
    known = part.notna()
    return (part / whole.where(whole > 0))[known].ffill().fillna(0.0)


def _trend(view: View, current: pd.DataFrame) -> None:
    step, before = view.period.current.step, view.period.previous
    heading = {_HOUR: "overview.trend.hour", 24 * _HOUR: "overview.trend"}.get(step, "overview.trend.week")
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(t(heading), anchor=False, width="content")
            field = st.segmented_control(
                t("overview.measure"),
                ("revenue", "orders", "customers"),
                default="revenue",
                format_func=lambda code: t(f"kpi.{code}"),
                key="measure",
                required=True,
                label_visibility="collapsed",
            )
        previous = sales.trend(view.store, before, customers=field == "customers") if before else None
        chart = charts.trend(current, previous, field, money=field == "revenue", hours=step == _HOUR)
        st.altair_chart(chart, key="trend", alt=t(heading))


def _bars(frame: pd.DataFrame) -> None:
    panels.bars(frame, "revenue", t("kpi.revenue"), money=True)


def _recent(view: View) -> None:
    orders = sales.recent_orders(view.store, view.period.current, _RECENT)
    panels.table(
        "overview.recent",
        "recent-orders",
        orders,
        {
            "order_id": panels.text("order_id"),
            "placed_at": panels.moment("placed_at"),
            "status": panels.text("status"),
            "country": panels.text("country"),
            "channel": panels.text("channel"),
            "units": panels.number("units"),
            "total": panels.money("total"),
        },
        orders.assign(
            status=[label("status", code) for code in orders["status"]],
            country=[label("country", code) for code in orders["country"]],
            channel=[label("channel", code) for code in orders["channel"]],
        ),
    )
