"""What stands above the figures of every page: what time it is in the shop, which days are shown, and what they are
compared with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from dropship_dagster import clock
from streamlit_monitor.language import formats, t
from streamlit_monitor.period import Period, Span
from streamlit_monitor.queries import sales
from streamlit_monitor.store import Pulse, Store


def shop_clock(home: Path) -> None:
    """Draw the shop's clock: that of its stream, or the wall clock where it has none."""
    with st.container(key="shop-clock"):
        st.caption(_clock_words(clock.read(home / clock.HOME_FILE)))


def _clock_words(found: clock.ShopClock | None) -> str:
    write = formats()
    if found is None:
        return t("clock.wall", moment=write.minute(_wall()))
    words = t("clock.shop", moment=write.minute(found.now()), speed=clock.speed(found.speed))
    if found.rate:
        words += t("clock.load", rate=write.number(found.rate, 0 if found.rate.is_integer() else 2))
    if not found.goes(clock.wall_ms()):
        words += t("clock.stands")
    return words


def latest(home: Path) -> datetime:
    """No time of the shop lies behind this one: its stream's clock may be ahead of ours."""
    found = clock.read(home / clock.HOME_FILE)
    return max(_wall(), found.now()) if found else _wall()


def draw(store: Store, pulse: Pulse, period: Period) -> Period:
    """Draw which days are shown and what they are compared with.

    Returns:
        The period; without a comparison when there was no order in it.
    """
    write = formats()
    compared, comparison = _comparison(store, period)
    parts = (
        _days(period.current),
        t("header.through", moment=write.moment(pulse.newest)) if pulse.newest else "",
        comparison,
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="headline"):
        if not store.trouble:
            st.badge(t("state.live"), icon=":material/sensors:", color="green")
        st.caption(" · ".join(part for part in parts if part))
    return compared


def _comparison(store: Store, period: Period) -> tuple[Period, str]:
    if period.previous is None:
        return period, t("compared.nothing")
    days = _days(period.previous)
    first = sales.first_order(store)
    if first is None or first >= period.previous.end or not sales.any_order(store, period.previous):
        return replace(period, previous=None), t("compared.none", days=days)
    if first.date() > period.previous.start.date():
        return period, t("compared.part", days=days, first=formats().day(first))
    return period, t("compared.with", days=days)


def _days(span: Span) -> str:
    """The days of a span, and the hour at which it stops where that is within a day."""
    write = formats()
    if span.last_day == span.start.date():
        days = write.day(span.start)
    else:
        days = t("header.range", first=write.day(span.start), last=write.day(span.last_day))
    return t("compared.until", days=days, time=f"{span.end:%H:%M}") if span.end.time() != datetime.min.time() else days


def _wall() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
