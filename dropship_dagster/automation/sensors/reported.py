"""Which runs of the task graph Dagster's own steps report: so that each table of each run is told once."""

from __future__ import annotations

import datetime as dt

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from dropship_dagster.assets import names

GRAPH_RUN = "graph_run"
"""The metadata that names the run of the graph."""

_ON_ITS_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_ABANDONED = dt.timedelta(hours=2)
"""A run that began so long ago and did not end was left by a program that died: see `active.MAX_NOT_STARTED_AGE`."""
_MOST = 2_000


def refreshing(instance: DagsterInstance) -> str | None:
    """The name of a job with a run on its way that refreshes the tables, and will report what it waited for.

    Its step may wait for a run of the graph that the warehouse's schedule began: so who asked for a run of the graph
    does not say who reports it.
    """
    recent = dt.datetime.now(dt.UTC) - _ABANDONED
    tables = {table.key for table in names.STAGING_TABLES + names.PROD_TABLES}
    for run in instance.get_runs(RunsFilter(statuses=_ON_ITS_WAY, created_after=recent)):
        planned = instance.all_logs(run.run_id, of_type={DagsterEventType.ASSET_MATERIALIZATION_PLANNED})
        if any(entry.dagster_event and entry.dagster_event.asset_key in tables for entry in planned):
            return run.job_name
    return None


def reported(instance: DagsterInstance, asset: dg.AssetKey, since: dt.datetime) -> set[str]:
    """The runs of the graph that the asset's materializations since then name."""
    after = dg.AssetRecordsFilter(asset_key=asset, after_timestamp=since.timestamp())
    found = set()
    for record in instance.fetch_materializations(after, limit=_MOST).records:
        materialization = record.asset_materialization
        value = materialization.metadata.get(GRAPH_RUN) if materialization else None
        if value is not None:
            found.add(str(value.value))
    return found
