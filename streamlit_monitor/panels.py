"""Boxes with a heading, and tables: what every page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from streamlit_monitor import charts, exports, links
from streamlit_monitor.language import label, t

Column = Any
"""What st.column_config makes."""


def text(key: str, **options: Any) -> Column:
    """A column of words."""
    return st.column_config.TextColumn(t(f"column.{key}"), **options)


def number(key: str, **options: Any) -> Column:
    """A column of numbers, written as the browser writes them."""
    return st.column_config.NumberColumn(t(f"column.{key}"), **{"format": "localized", **options})


def money(key: str, **options: Any) -> Column:
    """A column of amounts."""
    return st.column_config.NumberColumn(t(f"column.{key}"), format="euro", **options)


def moment(key: str) -> Column:
    """A column of UTC times."""
    return st.column_config.DatetimeColumn(t(f"column.{key}"), format="YYYY-MM-DD HH:mm:ss")


def box(heading: str, *, stretch: bool = False) -> Any:
    """A framed part of a page with its heading; use it with `with`."""
    container = st.container(border=True, height="stretch" if stretch else "content")
    container.subheader(t(heading), anchor=links.anchor(heading))
    return container


def bars(frame: pd.DataFrame, field: str, title: str, *, money: bool = False, digits: int = 0) -> None:
    """Bars of the columns `name` and `field`, or the words for nothing."""
    if frame.empty:
        st.caption(t("empty.period"))
    else:
        st.altair_chart(charts.bars(frame, field, money=money, digits=digits, title=title))


def named(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The frame with the reader's words for the codes in `name`."""
    return frame.assign(name=[label(kind, code) for code in frame["name"]])


def table(
    heading: str,
    name: str,
    frame: pd.DataFrame,
    columns: Mapping[str, Column],
    shown: pd.DataFrame | None = None,
    *,
    empty: str | None = None,
    caption: str | None = None,
) -> None:
    """A table with its heading and its download.

    Args:
        name: of the downloaded file.
        frame: what is downloaded.
        columns: what is shown, in order.
        shown: the same rows in the reader's words, where they differ.
        empty: what is said where there is no row; by default that the period holds nothing.
        caption: what the rows are, where the heading does not say.
    """
    with st.container(border=True, key=f"table-{name}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(t(heading), anchor=links.anchor(heading), width="content")
            exports.download(frame, name)
        if frame.empty:
            st.caption(empty or t("empty.period"))
            return
        if caption:
            st.caption(caption)
        st.dataframe(
            frame if shown is None else shown,
            hide_index=True,
            height="content" if len(frame) <= _WHOLE else _HEIGHT,
            alt=t(heading),
            column_order=list(columns),
            column_config=dict(columns),
        )


_WHOLE = 14
_HEIGHT = 460
