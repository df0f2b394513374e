"""Over time: a line with its comparison behind it, columns of parts."""

from __future__ import annotations

import altair as alt
import pandas as pd

from streamlit_monitor.charts.look import HEIGHT, colours, finish, muted, stack, value_axis, written
from streamlit_monitor.language import formats, t


def trend(current: pd.DataFrame, previous: pd.DataFrame | None, field: str, *, money: bool, hours: bool) -> alt.Chart:
    """A line over time with its comparison dashed behind it, point by point.

    Args:
        current: columns `at` and `field`, without a value for what is still to come, which is not drawn.
        previous: the same for the comparison, drawn over the times of `current`.
    """
    joined = current[["at", field]].rename(columns={field: "value"}).reset_index(drop=True)
    joined["before"] = previous[field].reset_index(drop=True).reindex(joined.index) if previous is not None else None
    joined["before"] = joined["before"].astype("float64")
    write = formats()
    moments = [write.moment(at) if hours else write.day(at) for at in joined["at"].dt.to_pydatetime()]
    joined["when"] = moments
    joined["value_text"] = [written(value, money) for value in joined["value"]]
    joined["before_text"] = [written(value, money) for value in joined["before"]]

    time = _times(joined["at"], hours=hours)
    value = alt.Y(
        "value:Q",
        title=None,
        axis=value_axis(money, float(joined[["value", "before"]].fillna(0.0).max().max())),
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
    return finish(alt.layer(*layers).properties(height=HEIGHT))


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
    shown = pd.concat(pieces, ignore_index=True).dropna(subset="value")
    shown["when"] = [write.moment(at) if hours else write.day(at) for at in shown["at"].dt.to_pydatetime()]
    shown["text"] = [write.number(value) for value in shown["value"]]
    chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=_times(frame["at"], hours=hours),
            **stack(frame, parts, "value", colours()[: len(parts)], ("when:N", "part:N", "text:N")),
        )
    )
    return finish(chart.properties(height=HEIGHT))


def _times(at: pd.Series, *, hours: bool) -> alt.X:
    """The axis of all points, those without a value too: a day in progress is as wide as another."""
    first, last = (
        alt.DateTime(year=each.year, month=each.month, date=each.day, hours=each.hour, minutes=each.minute)
        for each in (at.min(), at.max())
    )
    axis = alt.Axis(format="%H:%M" if hours else "%-d %b", grid=False, tickCount=8)
    return alt.X("at:T", title=None, axis=axis, scale=alt.Scale(domain=[first, last]) if len(at) > 1 else alt.Undefined)
