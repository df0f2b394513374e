"""Key figures: value, change against the comparison, sparkline, and the way to the detail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import streamlit as st

from streamlit_monitor import links
from streamlit_monitor.controls import chosen_comparison
from streamlit_monitor.language import formats, t

Unit = Literal["money", "number", "percent"]


@dataclass(frozen=True)
class Card:
    """A figure. `before` is the figure of the comparison, None or NaN where there is none."""

    key: str
    unit: Unit
    value: float
    before: float | None
    spark: pd.Series | None = None
    more_is_worse: bool = False
    digits: int | None = None
    detail: str | None = None
    """The page that says more."""
    below: str | None = None
    """The heading of the part of this page that says more, where it is this page."""


def draw(cards: list[Card], width: int) -> None:
    """Draw the cards in rows of `width`; two a row on a phone."""
    for begin in range(0, len(cards), width):
        for column, card in zip(st.columns(width), cards[begin : begin + width], strict=False):
            with column:
                _draw(card)


def _draw(card: Card) -> None:
    delta = _delta(card)
    with st.container(key=f"card-{card.key}", height="stretch"):
        _metric(card, delta)
        if card.detail:
            links.to(card.detail)
        elif card.below:
            links.down(card.below)


def _metric(card: Card, delta: str | None) -> None:
    st.metric(
        t(f"kpi.{card.key}"),
        _value(card),
        delta,
        delta_color="off" if _unchanged(delta) else "inverse" if card.more_is_worse else "normal",
        delta_arrow="off" if _unchanged(delta) else "auto",
        delta_description=t(f"versus.{chosen_comparison()}") if delta and delta != t("versus.missing") else None,
        help=t(f"kpi.{card.key}.help"),
        border=True,
        height="stretch",
        chart_data=None if card.spark is None else card.spark.dropna().tolist(),
        chart_type="area",
    )


def _value(card: Card) -> str:
    write = formats()
    if card.unit == "percent":
        return write.percent(card.value, 1 if card.digits is None else card.digits)
    return (write.money if card.unit == "money" else write.number)(card.value, card.digits or 0)


def _delta(card: Card) -> str | None:
    """The change in percent, or in points for what is a percentage itself; words where it cannot be told."""
    if card.before is None:
        return None
    if math.isnan(card.before) or math.isnan(card.value) or not (card.before or card.unit == "percent"):
        return t("versus.missing")
    if card.unit == "percent":
        points = (card.value - card.before) * 100
        return f"{'-' if points < 0 else '+'}{formats().number(abs(points), 1)} {t('kpi.points')}"
    return formats().change(card.value / card.before - 1)


def _unchanged(delta: str | None) -> bool:
    """Whether the change is none once it is written: neither good nor bad."""
    return delta is not None and not any(digit in delta for digit in "123456789")
