"""What a database shows of its traffic: the loader's batches in OPS.LOADS and the graph's runs in TASK_HISTORY."""

from __future__ import annotations

import datetime as dt

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.connection import connect, deployed
from dropship_dagster.warehouse.costs import Traffic
from dropship_dagster.warehouse.errors import WarehouseError
from dropship_dagster.warehouse.graph_history import ended_runs, runs_since

_DAYS = 7
_LOADS = f"""
SELECT COUNT(*), SUM(ROWS_LOADED), SUM(BYTES), DATEDIFF('second', MIN(LOADED_AT), SYSDATE())
FROM OPS.LOADS
WHERE LOADED_AT > DATEADD('day', -{_DAYS}, SYSDATE())
"""


def traffic_of(endpoint: WarehouseEndpoint) -> Traffic:
    """The events of the last seven days, spread over the time since the first of them, and the mean run of the graph.

    Raises:
        WarehouseError: nothing was loaded in these days.
        NotDeployedError: the database is not deployed.
    """
    with connect(endpoint, query_tag="dropship cost") as connection:
        with deployed():
            row = connection.cursor().execute(_LOADS).fetchone()
        batches, events, size, seconds = row if isinstance(row, tuple) else (0, 0, 0, 0)
        if not batches or not events:
            raise WarehouseError(
                f"OPS.LOADS has no events of the last {_DAYS} days to measure: load some, or say --events-per-second."
            )
        since = dt.datetime.now(dt.UTC) - dt.timedelta(days=_DAYS)
        runs = ended_runs(runs_since(connection, endpoint.database, since))
    spans = [_span([(entry.started, entry.completed) for entry in run.values()]) for run in runs]
    took = [span for span in spans if span is not None]
    usual = Traffic(float(events) / max(1, int(seconds)), float(size) / float(events))
    return Traffic(usual.events_per_second, usual.bytes_per_event, sum(took) / len(took)) if took else usual


def _span(times: list[tuple[dt.datetime | None, dt.datetime | None]]) -> float | None:
    """Seconds from the first start to the last end."""
    whole = [(start, end) for start, end in times if start and end]
    if not whole:
        return None
    return (max(end for _, end in whole) - min(start for start, _ in whole)).total_seconds()
