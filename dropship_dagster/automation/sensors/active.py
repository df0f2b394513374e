"""Whether a run is on its way that does the same."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def active_run(instance: DagsterInstance, jobs: Iterable[str]) -> str | None:
    """The name of a job among these that has an unfinished run."""
    for job in jobs:
        if instance.get_runs_count(RunsFilter(job_name=job, statuses=_UNFINISHED)):
            return job
    return None


def skip(reason: str, cursor: str | None = None) -> dg.SensorResult:
    """A tick without a run; the reason shows in the UI."""
    return dg.SensorResult(skip_reason=reason, cursor=cursor)
