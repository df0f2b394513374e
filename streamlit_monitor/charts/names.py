"""A row or a column for each name: bars, ranges, outcomes."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_monitor.charts.look import HEIGHT, colours, finish, ground, muted, stack, written
from streamlit_monitor.language import formats

_BAR = 30
_LEGEND = 260  # pixels of three marks with their words beside each other
_ROOM = 72  # pixels beside the longest bar, for its value


def bars(frame: pd.DataFrame, field: str, *, money: bool, title: str, digits: int = 0) -> alt.Chart:
    """Horizontal bars of the columns `name` and `field` in the order of the frame, each with its value behind it."""
    shown = pd.DataFrame({"name": _distinct(frame["name"]), "value": frame[field].astype("float64")})
    shown["text"] = [written(value, money, digits) for value in shown["value"]]
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
    return finish(alt.layer(drawn, text).properties(height=max(_BAR * len(shown), _BAR)))


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
        y=alt.Y(
            "name:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=190, labelOverlap=False, ticks=False, domain=False),
        ),
        tooltip=[alt.Tooltip("name:N", title=" ")]
        + [alt.Tooltip(f"{field}_text:N", title=titles[field]) for field in fields],
    )
    accent, warm = colours()[0], colours()[1]
    axis = alt.Axis(grid=True, tickCount=6, domain=False, ticks=False)
    bar = base.mark_bar(color=accent, opacity=0.25, height=12, cornerRadius=3).encode(
        x=alt.X("median_days:Q", title=titles["axis"], axis=axis, scale=alt.Scale(zero=True)), x2="p90_days:Q"
    )
    legend = alt.Legend(orient="top", columns=alt.ExprRef(f"width < {_LEGEND} ? 1 : {len(fields)}"))
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
                legend=legend,
                scale=alt.Scale(domain=[titles[field] for field in fields], range=[accent, muted(), warm]),
            ),
            shape=alt.Shape(
                "mark:N",
                title=None,
                legend=legend,
                scale=alt.Scale(
                    domain=[titles[field] for field in fields], range=["circle", "triangle-right", "diamond"]
                ),
            ),
        )
    )
    return finish(alt.layer(bar, marks).properties(height=_BAR * len(shown) + 90))


def outcomes(frame: pd.DataFrame, run: str, parts: dict[str, str]) -> alt.Chart:
    """Checks by outcome for each run, the oldest first.

    Args:
        frame: words in `run`, and a column of counts for each part.
        parts: the words for passed, warned and failed, in this order.
    """
    kept = frame[[run, *parts]].rename(columns={run: "run"})
    kept["run"] = _distinct(kept["run"])
    long = kept.melt("run", list(parts), "part", "checks")
    long["order"] = long["part"].map({name: place for place, name in enumerate(parts)})
    long["part"] = long["part"].map(parts)
    failed = st.get_option(f"theme.{ground()}.redColor")
    chart = (
        alt.Chart(long)
        .mark_bar(size=18)
        .encode(
            x=alt.X("run:N", sort=None, title=None, axis=alt.Axis(labelAngle=-35, labelLimit=160, ticks=False)),
            **stack(kept, parts, "checks", [*colours()[:2], failed], ("run:N", "part:N", "checks:Q")),
        )
    )
    return finish(chart.properties(height=HEIGHT))


def _distinct(names: pd.Series) -> list[str]:
    """Two products may have one name, two runs one minute; a chart would add their bars up."""
    seen: dict[str, int] = {}
    found = []
    for name in names.astype(str):
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
