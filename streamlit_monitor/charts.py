"""Altair charts in the dashboard's colours and the reader's language.

Colours come from the theme in .streamlit/config.toml, the light or the dark one. Names out of the data are
drawn, never parsed.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_monitor.language import formats, t

_HEIGHT = 280
_BAR = 30
_LONG = 20_000
_ROOM = 72  # pixels beside the longest bar, for its value
_DARK_FROM = 0.55


def colours() -> list[str]:
    """The colours of categories: the first is the accent."""
    chosen: list[str] = st.get_option(f"theme.{_ground()}.chartCategoricalColors")
    return chosen


def muted() -> str:
    """The colour of what stands behind."""
    chosen: str = st.get_option(f"theme.{_ground()}.grayTextColor")
    return chosen


def trend(current: pd.DataFrame, previous: pd.DataFrame | None, field: str, *, money: bool, hours: bool) -> alt.Chart:
    """A line over time with its comparison dashed behind it, point by point.

    Args:
        current: columns `at` and `field`.
        previous: the same for the comparison, drawn over the times of `current`.
    """
    joined = current[["at", field]].rename(columns={field: "value"}).reset_index(drop=True)
    joined["before"] = previous[field].reset_index(drop=True).reindex(joined.index) if previous is not None else None
    joined["before"] = joined["before"].astype("float64")
    write = formats()
    moments = [write.moment(at) if hours else write.day(at) for at in joined["at"].dt.to_pydatetime()]
    joined["when"] = moments
    joined["value_text"] = [_text(value, money) for value in joined["value"]]
    joined["before_text"] = [_text(value, money) for value in joined["before"]]

    time = alt.X("at:T", title=None, axis=alt.Axis(format="%H:%M" if hours else "%-d %b", grid=False, tickCount=8))
    value = alt.Y(
        "value:Q",
        title=None,
        axis=_axis(money, float(joined[["value", "before"]].max().max())),
        scale=alt.Scale(zero=True),
    )
    base = alt.Chart(joined)
    accent = colours()[0]
    tips = [alt.Tooltip("when:N", title=" "), alt.Tooltip("value_text:N", title=t("chart.current"))]
    layers = [base.mark_area(color=accent, opacity=0.12).encode(x=time, y=value)]
    if previous is not None:
        tips.append(alt.Tooltip("before_text:N", title=t("chart.previous")))
        layers.append(
            base.mark_line(color=muted(), strokeDash=[4, 4], strokeWidth=1.5, opacity=0.8).encode(
                x=time, y=alt.Y("before:Q", title=None)
            )
        )
    layers.append(base.mark_line(color=accent, strokeWidth=2.5).encode(x=time, y=value))
    hover = alt.selection_point(fields=["at"], nearest=True, on="pointerover", clear="pointerout", empty=False)
    shown = alt.condition(hover, alt.value(1), alt.value(0))
    layers.append(
        base.mark_point(color=accent, filled=True, size=70)
        .encode(x=time, y=value, opacity=shown, tooltip=tips)
        .add_params(hover)
    )
    return _finish(alt.layer(*layers).properties(height=_HEIGHT))


def bars(frame: pd.DataFrame, field: str, *, money: bool, title: str, digits: int = 0) -> alt.Chart:
    """Horizontal bars of the columns `name` and `field` in the order of the frame, each with its value behind it."""
    shown = pd.DataFrame({"name": _distinct(frame["name"]), "value": frame[field].astype("float64")})
    shown["text"] = [_text(value, money, digits) for value in shown["value"]]
    low, high = min(float(shown["value"].min()), 0.0), max(float(shown["value"].max()), 0.0)
    room = alt.Scale(domain=[low, high or 1.0], range=[0, alt.ExprRef(f"max(width - {_ROOM}, {_ROOM})")], nice=False)
    base = alt.Chart(shown).encode(
        y=alt.Y(
            "name:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, ticks=False, domain=False, labelPadding=8)
        ),
        x=alt.X("value:Q", axis=None, scale=room),
        tooltip=[alt.Tooltip("name:N", title=" "), alt.Tooltip("text:N", title=title)],
    )
    drawn = base.mark_bar(color=colours()[0], cornerRadiusEnd=3, height=16)
    text = base.mark_text(align="left", dx=6, color=muted(), fontSize=12).encode(
        text="text:N", x=alt.X("end:Q", axis=None)
    )
    text = text.transform_calculate(end="max(datum.value, 0)")
    return _finish(alt.layer(drawn, text).properties(height=max(_BAR * len(shown), _BAR)))


def stacked(frame: pd.DataFrame, parts: dict[str, str], *, hours: bool) -> alt.Chart:
    """Columns over time, one part on the other.

    Args:
        frame: a column `at` and one for each part.
        parts: the words for each of these columns, from the bottom.
    """
    write = formats()
    pieces = [
        pd.DataFrame({"at": frame["at"], "part": words, "order": place, "value": frame[name]})
        for place, (name, words) in enumerate(parts.items())
    ]
    shown = pd.concat(pieces, ignore_index=True)
    shown["when"] = [write.moment(at) if hours else write.day(at) for at in shown["at"].dt.to_pydatetime()]
    shown["text"] = [write.number(value) for value in shown["value"]]
    chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X("at:T", title=None, axis=alt.Axis(format="%H:%M" if hours else "%-d %b", grid=False, tickCount=8)),
            y=alt.Y("value:Q", title=None, stack=True, axis=_axis(False, float(frame[list(parts)].sum(axis=1).max()))),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=list(parts.values()), range=colours()[: len(parts)]),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("when:N", title=" "),
                alt.Tooltip("part:N", title="  "),
                alt.Tooltip("text:N", title="   "),
            ],
        )
    )
    return _finish(chart.properties(height=_HEIGHT))


def heat(frame: pd.DataFrame, row: str, column: str, value: str, *, titles: tuple[str, str, str]) -> alt.Chart:
    """A table of shares (0 to 1), darker where they are higher.

    Args:
        frame: words in `row`, whole numbers in `column`, shares in `value`.
        titles: of the rows, the columns and the value.
    """
    shown = frame.rename(columns={row: "row", column: "column", value: "value"})[["row", "column", "value"]]
    shown["text"] = [formats().percent(share, 0) for share in shown["value"]]
    shown["light"] = shown["value"] > _DARK_FROM * float(shown["value"].max() or 1)
    base = alt.Chart(shown).encode(
        y=alt.Y("row:N", sort=None, title=titles[0], axis=alt.Axis(ticks=False, domain=False)),
        x=alt.X("column:O", title=titles[1], axis=alt.Axis(ticks=False, domain=False, labelAngle=0, orient="top")),
        tooltip=[
            alt.Tooltip("row:N", title=titles[0]),
            alt.Tooltip("column:O", title=titles[1]),
            alt.Tooltip("text:N", title=titles[2]),
        ],
    )
    steps: list[str] = st.get_option(f"theme.{_ground()}.chartSequentialColors")
    squares = base.mark_rect(cornerRadius=2).encode(
        color=alt.Color("value:Q", legend=None, scale=alt.Scale(range=steps, domainMin=0))
    )
    background, ink = st.get_option(f"theme.{_ground()}.backgroundColor"), st.get_option(f"theme.{_ground()}.textColor")
    figures = base.mark_text(fontSize=11).encode(
        text="text:N", color=alt.condition("datum.light", alt.value(background), alt.value(ink))
    )
    rows = shown["row"].nunique()
    return _finish(alt.layer(squares, figures).properties(height=max(28 * rows + 40, 80)))


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
            x=alt.X("cost:Q", title=titles["cost"], axis=_axis(True, top)),
            y=alt.Y("price:Q", title=titles["price"], axis=_axis(True, float(shown["price"].max() or 1))),
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
    return _finish(alt.layer(line, points).properties(height=_HEIGHT))


def ranges(frame: pd.DataFrame, titles: dict[str, str]) -> alt.Chart:
    """Days from paid to delivered: median and 90th percentile against the promise.

    Args:
        frame: name, median_days, p90_days, promised_days.
        titles: the words for the three.
    """
    fields = ("median_days", "p90_days", "promised_days")
    shown = frame[["name", *fields]].astype(dict.fromkeys(fields, "float64"))
    shown["name"] = _distinct(shown["name"])
    for field in fields:
        shown[f"{field}_text"] = [formats().number(value, 1) for value in shown[field]]
    base = alt.Chart(shown).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, ticks=False, domain=False)),
        tooltip=[alt.Tooltip("name:N", title=" ")]
        + [alt.Tooltip(f"{field}_text:N", title=titles[field]) for field in fields],
    )
    accent, warm = colours()[0], colours()[1]
    axis = alt.Axis(grid=True, tickCount=6, domain=False, ticks=False)
    bar = base.mark_bar(color=accent, opacity=0.25, height=12, cornerRadius=3).encode(
        x=alt.X("median_days:Q", title=titles["axis"], axis=axis, scale=alt.Scale(zero=True)), x2="p90_days:Q"
    )
    long = shown.melt("name", list(fields), "mark", "days")
    long["mark"] = long["mark"].map(titles)
    marks = (
        alt.Chart(long)
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            y=alt.Y("name:N", sort=None, title=None),
            x=alt.X("days:Q"),
            color=alt.Color(
                "mark:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(domain=[titles[field] for field in fields], range=[accent, muted(), warm]),
            ),
            shape=alt.Shape(
                "mark:N",
                title=None,
                legend=alt.Legend(orient="top"),
                scale=alt.Scale(
                    domain=[titles[field] for field in fields], range=["circle", "triangle-right", "diamond"]
                ),
            ),
        )
    )
    return _finish(alt.layer(bar, marks).properties(height=max(_BAR * len(shown) + 40, 80)))


def way(steps: list[tuple[str, str, str]]) -> alt.Chart:
    """Stations in a row with arrows between them: name, figure and note of each."""
    last = len(steps) - 1
    places = pd.DataFrame(
        [
            {"x": place / max(last, 1), "name": name, "figure": figure, "note": note}
            for place, (name, figure, note) in enumerate(steps)
        ]
    )
    arrows = pd.DataFrame([{"x": (place + 0.5) / max(last, 1), "arrow": "\u2192"} for place in range(last)])
    ink = st.get_option(f"theme.{_ground()}.textColor")
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.14, 1.14], nice=False))
    base = alt.Chart(places).encode(x=x)
    names = base.mark_text(dy=-34, fontSize=13, color=muted()).encode(text="name:N")
    figures = base.mark_text(dy=-6, fontSize=24, fontWeight=600, color=ink).encode(text="figure:N")
    notes = base.mark_text(dy=24, fontSize=12, color=muted(), lineBreak="|").encode(text="note:N")
    between = alt.Chart(arrows).mark_text(fontSize=26, dy=-8, color=colours()[0]).encode(x=x, text="arrow:N")
    return _finish(alt.layer(between, names, figures, notes).properties(height=130))


def outcomes(frame: pd.DataFrame, run: str, parts: dict[str, str]) -> alt.Chart:
    """Checks by outcome for each run, the oldest first.

    Args:
        frame: words in `run`, and a column of counts for each part.
        parts: the words for passed, warned and failed, in this order.
    """
    kept = frame[[run, *parts]].rename(columns={run: "run"})
    long = kept.melt("run", list(parts), "part", "checks")
    long["order"] = long["part"].map({name: place for place, name in enumerate(parts)})
    long["part"] = long["part"].map(parts)
    palette = colours()
    failed = st.get_option(f"theme.{_ground()}.redColor")
    chart = (
        alt.Chart(long)
        .mark_bar(size=18)
        .encode(
            x=alt.X("run:N", sort=None, title=None, axis=alt.Axis(labelAngle=-35, labelLimit=160, ticks=False)),
            y=alt.Y("checks:Q", title=None, stack=True, axis=_axis(False, float(kept[list(parts)].sum(axis=1).max()))),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=list(parts.values()), range=[palette[0], palette[1], failed]),
                legend=alt.Legend(orient="top"),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("run:N", title=" "),
                alt.Tooltip("part:N", title="  "),
                alt.Tooltip("checks:Q", title="   "),
            ],
        )
    )
    return _finish(chart.properties(height=_HEIGHT))


def _distinct(names: pd.Series) -> list[str]:
    """Two products may have one name; a chart would add their bars up."""
    seen: dict[str, int] = {}
    found = []
    for name in names.astype(str):
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _text(value: float, money: bool, digits: int = 0) -> str:
    return formats().money(value, digits) if money else formats().number(value, digits)


def _axis(money: bool, top: float) -> alt.Axis:
    """Ticks as 1,500 while that is short, then as 15k."""
    pattern = ",.0f" if top < _LONG else "~s"
    return alt.Axis(format=f"${pattern}" if money else pattern, tickCount=5, domain=False, ticks=False, tickMinStep=1)


def _finish(chart: Any) -> alt.Chart:
    finished: alt.Chart = chart.configure(locale=formats().vega()).configure_view(stroke=None)
    return finished


def _ground() -> str:
    return "dark" if st.context.theme.type == "dark" else "light"
