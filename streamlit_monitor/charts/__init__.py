"""Altair charts in the dashboard's colours and the reader's language; the pages call these.

Names out of the data are drawn, never parsed. A chart is imported when the first one is drawn: the figures above it do
not wait for Altair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dropship_dagster.lazy import loader

if TYPE_CHECKING:
    from streamlit_monitor.charts.names import bars as bars
    from streamlit_monitor.charts.names import outcomes as outcomes
    from streamlit_monitor.charts.names import ranges as ranges
    from streamlit_monitor.charts.plane import heat as heat
    from streamlit_monitor.charts.plane import scatter as scatter
    from streamlit_monitor.charts.series import stacked as stacked
    from streamlit_monitor.charts.series import trend as trend
    from streamlit_monitor.charts.tasks import Task as Task
    from streamlit_monitor.charts.tasks import task_graph as task_graph
else:
    __getattr__ = loader(
        __name__,
        {
            "names": ("bars", "outcomes", "ranges"),
            "plane": ("heat", "scatter"),
            "series": ("stacked", "trend"),
            "tasks": ("Task", "task_graph"),
        },
    )
