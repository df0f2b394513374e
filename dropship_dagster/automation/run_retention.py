"""Retention of Dagster's own history, which a minute of live traffic makes larger by a run or two."""

import datetime as dt
import shutil
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.storage.event_log import SqliteEventLogStorage
from pydantic import Field

from dropship_dagster.automation.jobs import load_topics, stream_orders

FREQUENT = (load_topics.name, stream_orders.name)
"""The jobs that sensors start by the minute. Every other one is started by people or by night: its runs are kept."""

_KEPT_RUNS = 100
"""Of each of these jobs, however old: what ran before a quiet time is still there to be looked at."""


class RunRetentionConfig(dg.Config):
    """How long to keep the record of a run."""

    run_days: int = Field(3, ge=1, description="Days to keep the runs of load_topics and stream_orders that succeeded.")


def delete_old_runs(instance: DagsterInstance, before: dt.datetime) -> int:
    """Delete the record of frequent runs that succeeded and ended before a time; how many.

    Kept are the newest runs of each job, and each run that an asset's newest materialization is of: the assets' pages
    and the sensors read these.
    """
    keep = _newest_materializations(instance)
    deleted = 0
    for job in FREQUENT:
        keep.update(instance.get_run_ids(RunsFilter(job_name=job), limit=_KEPT_RUNS))
        old = RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS], updated_before=before)
        for run_id in instance.get_run_ids(old):
            if run_id not in keep:
                instance.delete_run(run_id)
                _delete_files(instance, run_id)
                deleted += 1
    return deleted


def _delete_files(instance: DagsterInstance, run_id: str) -> None:
    """Of the default storage, which empties a run's file and leaves it as large as it was, and keeps its logs."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        Path(storage.path_for_shard(run_id)).unlink(missing_ok=True)
        shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)


def _newest_materializations(instance: DagsterInstance) -> set[str]:
    events = (instance.get_latest_materialization_event(key) for key in instance.all_asset_keys())
    return {event.run_id for event in events if event}


@dg.op(description="Delete the record of frequent runs that succeeded long ago.")
def delete_run_history(context: dg.OpExecutionContext, config: RunRetentionConfig) -> None:
    """What the runs did stays done: their rows, and OPS.LOADS, which tells each batch."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=config.run_days)
    context.add_output_metadata({"runs": delete_old_runs(context.instance, before)})


@dg.job(
    description="Delete Dagster's record of loads and live traffic that succeeded long ago.",
    executor_def=dg.in_process_executor,
)
def run_retention() -> None:
    """One step."""
    delete_run_history()
