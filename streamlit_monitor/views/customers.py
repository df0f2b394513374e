"""Who buys, and do they come back?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from streamlit_monitor import cards, charts, panels
from streamlit_monitor.cards import Card
from streamlit_monitor.language import formats, label, t
from streamlit_monitor.live import View, live, settings
from streamlit_monitor.queries import customers
from streamlit_monitor.queries.sales import ratio

_COHORTS = 12
_BEST = 25
_HOUR = 3600


def page() -> None:
    """Draw the page."""
    live(_draw)


def _draw(view: View) -> None:
    span = view.period.current
    trend = view.so_far(customers.trend(view.store, span))
    with st.container(key="kpis"):
        cards.draw(_cards(view, trend), 4)
    with panels.box("customers.trend"):
        parts = {"returning": t("customers.returning"), "new_customers": t("customers.new")}
        st.altair_chart(charts.stacked(trend, parts, hours=span.step == _HOUR))
    with panels.box("customers.cohorts"):
        st.caption(t("customers.cohorts.help"))
        _cohorts(view)
    segments = panels.named(customers.segments(view.store, span), "segment")
    left, right = st.columns(2)
    with left, panels.box("customers.segments", stretch=True):
        panels.bars(segments, "customers", t("kpi.customers"))
    with right, panels.box("customers.segments.revenue", stretch=True):
        panels.bars(segments, "revenue", t("kpi.revenue"), money=True)
    left, right = st.columns(2)
    with left, panels.box("customers.country", stretch=True):
        found = panels.named(customers.by_country(view.store, span), "country")
        panels.bars(found, "revenue", t("kpi.revenue"), money=True)
    with right, panels.box("customers.acquisition", stretch=True):
        found = panels.named(customers.by_acquisition(view.store, span), "acquisition")
        panels.bars(found, "revenue", t("kpi.revenue"), money=True)
    _best(view)


def _cards(view: View, trend: pd.DataFrame) -> list[Card]:
    now = customers.kpis(view.store, view.period.current)
    before = customers.kpis(view.store, view.period.previous) if view.period.previous else {}
    arrived = trend["new_customers"]
    return [
        Card(
            "customers",
            "number",
            now["customers"],
            before.get("customers"),
            trend["customers"],
            below="customers.trend",
        ),
        Card(
            "new_customers",
            "number",
            now["new_customers"],
            before.get("new_customers"),
            arrived,
            below="customers.trend",
        ),
        Card(
            "repeat_rate",
            "percent",
            _repeat_rate(now),
            _repeat_rate(before) if before else None,
            below="customers.cohorts",
        ),
        Card(
            "customer_value",
            "money",
            _value(now),
            _value(before) if before else None,
            digits=2,
            below="customers.segments.revenue",
        ),
    ]


def _repeat_rate(figures: dict[str, float]) -> float:
    return ratio(figures.get("repeaters", 0.0), figures.get("customers", 0.0))


def _value(figures: dict[str, float]) -> float:
    return ratio(figures.get("revenue", 0.0), figures.get("customers", 0.0))


def _cohorts(view: View) -> None:
    """Of those who first bought in a month, the share that bought again in each month after it."""
    end = view.period.current.end
    oldest = (end - timedelta(days=30 * _COHORTS)).replace(day=1)
    found = customers.cohorts(view.store, oldest, end)
    if found.empty:
        st.caption(t("empty.period"))
        return
    sizes = found[found["age"] == 0].set_index("cohort")["customers"].astype("float64")
    shown = found.assign(share=found["customers"].astype("float64") / found["cohort"].map(sizes))
    shown["month"] = [_month(month, sizes[month]) for month in shown["cohort"]]
    shown = shown[shown["age"] > 0]
    if shown.empty:
        st.caption(t("empty.period"))
        return
    titles = (t("customers.cohort"), t("customers.months"), t("customers.came_back"))
    st.altair_chart(charts.heat(shown, "month", "age", "share", titles=titles))


def _month(month: datetime, size: float) -> str:
    write = formats()
    return f"{write.months[month.month - 1]} {month.year} ({write.number(size)})"


def _best(view: View) -> None:
    unmasked = settings().dashboard_personal_data
    best = customers.best(view.store, view.period.current, _BEST, unmasked=unmasked)
    person = {"name": panels.text("name", help=None if unmasked else t("customers.masked"))}
    if unmasked:
        person["email"] = panels.text("email")
    panels.table(
        "customers.best",
        "best-customers",
        best,
        {
            "customer_id": panels.text("customer_id"),
            **person,
            "country": panels.text("country"),
            "segment": panels.text("segment"),
            "orders": panels.number("orders"),
            "revenue": panels.money("revenue"),
            "last_at": panels.moment("last_at"),
        },
        best.assign(
            country=[label("country", code) for code in best["country"]],
            segment=[label("shop_segment", code) for code in best["segment"]],
        ),
    )
