"""The controls above every page: period, comparison, language. Their values are in the URL, so a link carries them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import cast

import streamlit as st

from streamlit_monitor.language import KEY as LANGUAGE
from streamlit_monitor.language import LANGUAGES, browser_language, t
from streamlit_monitor.period import (
    COMPARISONS,
    DEFAULT_PRESET,
    FIRST_DAY,
    LAST_DAY,
    PRESETS,
    Comparison,
    Period,
    Preset,
    period,
)
from streamlit_monitor.store import Pulse

_PERIOD = "period"
_COMPARE = "compare"
_DATES = "dates"
_FIRST_DATES = "dates-of-the-url"
_NO_DATES = "no-dates-in-the-url"
_TO = "_"
_ALLOWED: dict[str, Collection[str]] = {_PERIOD: PRESETS, _COMPARE: COMPARISONS, LANGUAGE: LANGUAGES}


def draw(title: str, *, about_orders: bool) -> None:
    """Draw the title of the page and the controls: those of the period on pages about orders, the language on all."""
    _read_url()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(key="title", width="content"):
            st.title(title, anchor=False)
        st.segmented_control(
            t("control.language"),
            list(LANGUAGES),
            format_func=str.upper,
            key=LANGUAGE,
            required=True,
            label_visibility="collapsed",
        )
    if about_orders:
        _draw_period()
    _write_url()


def _draw_period() -> None:
    if st.session_state[_NO_DATES]:
        st.text(t("control.dates.unknown", first=str(FIRST_DAY), last=str(LAST_DAY)))
    with st.container(horizontal=True, vertical_alignment="top"):
        st.segmented_control(
            t("control.period"),
            PRESETS,
            format_func=lambda code: t(f"period.{code}"),
            key=_PERIOD,
            required=True,
            persist_state="session",
        )
        if st.session_state[_PERIOD] == "custom":
            st.date_input(
                t("control.dates"),
                value=st.session_state[_FIRST_DATES],
                min_value=FIRST_DAY,
                max_value=LAST_DAY,
                key=_DATES,
                width=240,
                format="YYYY-MM-DD",
                persist_state="session",
            )
        st.selectbox(
            t("control.compare"),
            COMPARISONS,
            format_func=lambda code: t(f"compare.{code}"),
            key=_COMPARE,
            width=210,
            persist_state="session",
        )


def chosen_period(pulse: Pulse) -> Period:
    """What the controls say, given the newest order.

    Raises:
        ValueError: there is no order, so there is no period that ends with one.
    """
    if pulse.newest is None:
        raise ValueError("there is no order yet")
    state = st.session_state
    return period(pulse.newest, cast(Preset, state.get(_PERIOD, DEFAULT_PRESET)), chosen_comparison(), _dates())


def chosen_comparison() -> Comparison:
    """What the period is compared with."""
    return cast(Comparison, st.session_state.get(_COMPARE, "previous"))


def link() -> dict[str, str]:
    """The query parameters that carry the controls to another page."""
    state = st.session_state
    parameters = {key: state[key] for key, default in _defaults().items() if state.get(key, default) != default}
    dates = _dates()
    if parameters.get(_PERIOD) == "custom" and dates:
        parameters[_DATES] = f"{dates[0]}{_TO}{dates[1]}"
    return parameters


def _read_url() -> None:
    """The first run of a visit takes the controls from the URL.

    A value that does not exist counts as none, and so does a custom period without two days that can be shown.
    """
    state, url = st.session_state, st.query_params
    for key, allowed in _ALLOWED.items():
        if state.get(key) not in allowed:
            state[key] = url[key] if url.get(key) in allowed else _defaults()[key]
    if _FIRST_DATES not in state:
        state[_FIRST_DATES] = _parsed(url.get(_DATES, ""))
        state[_NO_DATES] = state[_PERIOD] == "custom" and not state[_FIRST_DATES]
        if state[_NO_DATES]:
            state[_PERIOD] = DEFAULT_PRESET
    state[_NO_DATES] = state[_NO_DATES] and state[_PERIOD] == DEFAULT_PRESET  # until another period is chosen


def _write_url() -> None:
    """Say in the URL what differs from the defaults."""
    wanted = link()
    for key in (*_ALLOWED, _DATES):
        if key in wanted:
            st.query_params[key] = wanted[key]
        elif key in st.query_params:
            del st.query_params[key]


def _defaults() -> dict[str, str]:
    return {_PERIOD: DEFAULT_PRESET, _COMPARE: "previous", LANGUAGE: browser_language()}


def _dates() -> tuple[date, date] | None:
    """The first and last day of a custom period, once both are chosen."""
    chosen: tuple[date, ...] = st.session_state.get(_DATES) or ()
    return (chosen[0], chosen[-1]) if len(chosen) > 1 else None


def _parsed(text: str) -> tuple[date, ...]:
    """`2025-12-01_2025-12-24`; nothing for what is not two days that a page can show."""
    try:
        first, last = (date.fromisoformat(day) for day in text.split(_TO))
    except ValueError:
        return ()
    if not all(FIRST_DAY <= day <= LAST_DAY for day in (first, last)):
        return ()
    return min(first, last), max(first, last)
