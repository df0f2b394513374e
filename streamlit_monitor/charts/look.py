"""What every chart shares: the colours of the theme in .streamlit/config.toml, and how numbers are written."""

from __future__ import annotations

from typing import Any

import altair as alt
import streamlit as st

from streamlit_monitor.language import formats

HEIGHT = 280
_LONG = 20_000


def colours() -> list[str]:
    """The colours of categories: the first is the accent."""
    chosen: list[str] = st.get_option(f"theme.{ground()}.chartCategoricalColors")
    return chosen


def muted() -> str:
    """The colour of what stands behind."""
    chosen: str = st.get_option(f"theme.{ground()}.grayTextColor")
    return chosen


def written(value: float, money: bool, digits: int = 0) -> str:
    """The value as the reader's language writes it."""
    return formats().money(value, digits) if money else formats().number(value, digits)


def value_axis(money: bool, top: float) -> alt.Axis:
    """Ticks as 1,500 while that is short, then as 15k."""
    pattern = ",.0f" if top < _LONG else "~s"
    return alt.Axis(format=f"${pattern}" if money else pattern, tickCount=5, domain=False, ticks=False, tickMinStep=1)


def finish(chart: Any) -> alt.Chart:
    """The chart with the reader's numbers and months on its axes, and without a frame."""
    finished: alt.Chart = chart.configure(locale=formats().vega()).configure_view(stroke=None)
    return finished


def ground() -> str:
    """The theme that the reader's browser shows: light or dark."""
    return "dark" if st.context.theme.type == "dark" else "light"
