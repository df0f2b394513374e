"""Do parcels arrive when they were promised, and why do they come back?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_monitor import cards, charts, panels
from streamlit_monitor.cards import Card
from streamlit_monitor.language import formats, label, t
from streamlit_monitor.live import View, live
from streamlit_monitor.queries import fulfilment
from streamlit_monitor.queries.sales import ratio

_STEPS = ("placed", "paid", "shipped", "delivered", "returned", "cancelled")
_LATE = 100


def page() -> None:
    """Draw the page."""
    live(_draw)


def _draw(view: View) -> None:
    span = view.period.current
    now = fulfilment.funnel(view.store, span)
    before = _before(view)
    with st.container(key="kpis"):
        cards.draw(_cards(now, before), 4)
    with panels.box("fulfilment.funnel"):
        steps = pd.DataFrame(
            {"name": [t(f"fulfilment.{step}") for step in _STEPS], "orders": [now[step] for step in _STEPS]}
        )
        panels.bars(steps, "orders", t("kpi.orders"))
    left, right = st.columns(2)
    with left, panels.box("fulfilment.supplier", stretch=True):
        _times(fulfilment.by_supplier(view.store, span))
    with right, panels.box("fulfilment.country", stretch=True):
        _times(panels.named(fulfilment.by_country(view.store, span), "country"))
    _late(view)
    left, right = st.columns(2)
    with left, panels.box("fulfilment.returns", stretch=True):
        panels.bars(panels.named(fulfilment.return_reasons(view.store, span), "reason"), "orders", t("kpi.orders"))
    with right, panels.box("fulfilment.cancellations", stretch=True):
        panels.bars(panels.named(fulfilment.cancel_reasons(view.store, span), "reason"), "orders", t("kpi.orders"))


def _before(view: View) -> dict[str, float]:
    """The figures of the comparison at the age that the current period has now."""
    if view.period.previous is None or view.pulse.newest is None:
        return {}
    known = fulfilment.known_until(view.store, view.pulse.newest) - view.period.shift
    return fulfilment.funnel(view.store, view.period.previous, known)


def _cards(now: dict[str, float], before: dict[str, float]) -> list[Card]:
    return [
        Card("delivered", "number", now["delivered"], before.get("delivered"), below="fulfilment.funnel"),
        Card(
            "delivery_days",
            "number",
            now["median_days"],
            before.get("median_days"),
            more_is_worse=True,
            digits=1,
            below="fulfilment.supplier",
        ),
        Card(
            "slow_days",
            "number",
            now["p90_days"],
            before.get("p90_days"),
            more_is_worse=True,
            digits=1,
            below="fulfilment.country",
        ),
        Card("kept_promises", "percent", _kept(now), _kept(before) if before else None, below="fulfilment.late"),
    ]


def _kept(figures: dict[str, float]) -> float:
    return ratio(figures["on_time"], figures["delivered"])


def _times(frame: pd.DataFrame) -> None:
    if frame.empty:
        st.caption(t("empty.period"))
        return
    titles = {name: t(f"fulfilment.{name}") for name in ("median_days", "p90_days", "promised_days", "axis")}
    st.altair_chart(charts.ranges(frame, titles))


def _late(view: View) -> None:
    if view.pulse.newest is None:
        return
    late = fulfilment.late(view.store, view.pulse.newest, _LATE)
    count = 0 if late.empty else int(late["late"].iloc[0])
    late = late.drop(columns="late")
    write = formats()
    caption = t("fulfilment.late.help", moment=write.moment(view.pulse.newest))
    if count > len(late):
        caption = t("fulfilment.late.most", count=write.number(count), shown=write.number(len(late))) + " " + caption
    panels.table(
        "fulfilment.late",
        "late-orders",
        late,
        {
            "order_id": panels.text("order_id"),
            "days_late": panels.number("days_late"),
            "promised_at": panels.moment("promised_at"),
            "status": panels.text("status"),
            "country": panels.text("country"),
            "carrier": panels.text("carrier"),
            "tracking_number": panels.text("tracking_number"),
            "total": panels.money("total"),
        },
        late.assign(
            status=[label("status", code) for code in late["status"]],
            country=[label("country", code) for code in late["country"]],
        ),
        empty=t("fulfilment.late.none"),
        caption=caption,
    )
