"""The points of a chart: which of them a row belongs to, and a row for each."""

from __future__ import annotations

import pandas as pd

from streamlit_monitor.period import Span


def point(column: str) -> str:
    """SQL for where the point that a time of this column lies in begins, in seconds after `:start`.

    A point is `:step` seconds long. A remainder and no division: NUMBER division is exact decimal arithmetic, several
    times as slow over millions of rows.
    """
    seconds = f"DATEDIFF('second', CAST(:start AS TIMESTAMP_NTZ), {column})"
    return f"{seconds} - MOD({seconds}, :step)"


def every_point(found: pd.DataFrame, span: Span) -> pd.DataFrame:
    """Give a trend a row for each point of the span, and the time `at` instead of the seconds `point`."""
    points = span.points
    place = found["point"].astype("int64") // span.step
    whole = found.drop(columns="point").set_index(place).reindex(range(len(points)), fill_value=0).astype("float64")
    whole.insert(0, "at", pd.Series(points, dtype="datetime64[us]").to_numpy())
    return whole
