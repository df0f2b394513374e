"""On a plane: a table of shares, points."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_monitor.charts.look import HEIGHT, colours, finish, ground, is_dark, muted, value_axis
from streamlit_monitor.language import formats

_FIGURE = 30  # pixels that "100%" takes


def heat(frame: pd.DataFrame, row: str, column: str, value: str, *, titles: tuple[str, str, str]) -> alt.Chart:
    """A table of shares (0 to 1), darker where they are higher.

    Args:
        frame: words in `row`, whole numbers in `column`, shares in `value`.
        titles: of the rows, the columns and the value.
    """
    shown = frame.rename(columns={row: "row", column: "column", value: "value"})[["row", "column", "value"]]
    shown["text"] = [formats().percent(share, 0) for share in shown["value"]]
    steps: list[str] = st.get_option(f"theme.{ground()}.chartSequentialColors")
    top = float(shown["value"].max() or 1)
    shown["light"] = [is_dark(steps[round(share / top * (len(steps) - 1))]) for share in shown["value"]]
    base = alt.Chart(shown).encode(
        y=alt.Y("row:N", sort=None, title=titles[0], axis=alt.Axis(ticks=False, domain=False)),
        x=alt.X("column:O", title=titles[1], axis=alt.Axis(ticks=False, domain=False, labelAngle=0, orient="top")),
        tooltip=[
            alt.Tooltip("row:N", title=titles[0]),
            alt.Tooltip("column:O", title=titles[1]),
            alt.Tooltip("text:N", title=titles[2]),
        ],
    )
    squares = base.mark_rect(cornerRadius=2).encode(
        color=alt.Color("value:Q", legend=None, scale=alt.Scale(range=steps, domainMin=0))
    )
    # A figure that is wider than its square is left to the tooltip.
    fits = alt.ExprRef(f"width / {max(shown['column'].nunique(), 1)} < {_FIGURE} ? 0 : 11")
    figures = base.mark_text(fontSize=fits).encode(
        text="text:N", color=alt.condition("datum.light", alt.value("#ffffff"), alt.value("#000000"))
    )
    rows = shown["row"].nunique()
    return finish(alt.layer(squares, figures).properties(height=max(28 * rows + 40, 80)))


def scatter(frame: pd.DataFrame, titles: dict[str, str]) -> alt.Chart:
    """Price against cost, a point a product, larger the more was sold; the line is a price equal to the cost.

    Args:
        frame: name, price, cost, units.
        titles: the words for price, cost and units.
    """
    write = formats()
    shown = frame[["name", "price", "cost", "units"]].astype(
        {"price": "float64", "cost": "float64", "units": "float64"}
    )
    shown["price_text"] = [write.money(value, 2) for value in shown["price"]]
    shown["cost_text"] = [write.money(value, 2) for value in shown["cost"]]
    top = float(shown["cost"].max() or 1)
    points = (
        alt.Chart(shown)
        .mark_circle(color=colours()[0], opacity=0.55)
        .encode(
            x=alt.X("cost:Q", title=titles["cost"], axis=value_axis(True, top)),
            y=alt.Y("price:Q", title=titles["price"], axis=value_axis(True, float(shown["price"].max() or 1))),
            size=alt.Size("units:Q", legend=None, scale=alt.Scale(range=[20, 400])),
            tooltip=[
                alt.Tooltip("name:N", title=" "),
                alt.Tooltip("price_text:N", title=titles["price"]),
                alt.Tooltip("cost_text:N", title=titles["cost"]),
                alt.Tooltip("units:Q", title=titles["units"]),
            ],
        )
    )
    equal = pd.DataFrame({"cost": [0.0, top], "price": [0.0, top]})
    line = alt.Chart(equal).mark_line(color=muted(), strokeDash=[4, 4], strokeWidth=1).encode(x="cost:Q", y="price:Q")
    return finish(alt.layer(line, points).properties(height=HEIGHT))
