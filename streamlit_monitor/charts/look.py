"""What every chart shares: the colours of the theme in .streamlit/config.toml, and how numbers are written."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_monitor.language import formats

HEIGHT = 280
_LONG = 20_000
_MIDDLE = 0.1791  # the luminance that is as far from black as from white: sqrt(1.05 * 0.05) - 0.05


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


def stack(
    frame: pd.DataFrame, parts: dict[str, str], value: str, palette: list[str], tips: tuple[str, str, str]
) -> dict[str, Any]:
    """The encoding of columns made of parts, one on the other.

    Args:
        frame: a column for each part.
        parts: the words for each of these columns, from the bottom.
        value: the field with the heights; `part` and `order` are the fields with a part's words and place.
        palette: the parts' colours.
        tips: the fields that the tooltip shows.
    """
    top = float(frame[list(parts)].sum(axis=1).max())
    return {
        "y": alt.Y(f"{value}:Q", title=None, stack=True, axis=value_axis(False, top)),
        "color": alt.Color(
            "part:N",
            title=None,
            scale=alt.Scale(domain=list(parts.values()), range=palette),
            legend=alt.Legend(orient="top"),
        ),
        "order": alt.Order("order:Q"),
        "tooltip": [alt.Tooltip(field, title=" " * place) for place, field in enumerate(tips, 1)],
    }


def finish(chart: Any) -> alt.Chart:
    """The chart with the reader's numbers and months on its axes, and without a frame."""
    finished: alt.Chart = chart.configure(locale=formats().vega()).configure_view(stroke=None)
    return finished


def ground() -> str:
    """The theme that the reader's browser shows: light or dark."""
    return "dark" if st.context.theme.type == "dark" else "light"


def is_dark(colour: str) -> bool:
    """Whether white stands out from `#rrggbb` more than black: one of the two always has a contrast above 4.5.

    w3.org/TR/WCAG22/#dfn-relative-luminance
    """
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < _MIDDLE
