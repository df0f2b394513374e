"""Altair charts in the dashboard's colours and the reader's language; the pages call these.

Names out of the data are drawn, never parsed. A chart is imported when the first one is drawn: the figures above it do
not wait for Altair.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit_monitor.charts.names import bars, outcomes, ranges
    from streamlit_monitor.charts.plane import heat, scatter, way
    from streamlit_monitor.charts.series import stacked, trend

__all__ = ["bars", "heat", "outcomes", "ranges", "scatter", "stacked", "trend", "way"]

_HOME = {
    "bars": "names",
    "outcomes": "names",
    "ranges": "names",
    "heat": "plane",
    "scatter": "plane",
    "way": "plane",
    "stacked": "series",
    "trend": "series",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
