"""What several sensors need: whether a run is on its way that does the same, and whether a shop is kept open."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from dropship_dagster.settings import Settings, SettingsError

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


def sensor_status() -> dg.DefaultSensorStatus:
    """The first state of the sensors that make data by themselves: running with DROPSHIP_LIVE, as in `dropship up`.

    Beside somebody's own data they must not; and what was switched in the UI stays as it was switched.
    """
    try:
        live = Settings.load().live
    except SettingsError:  # fails the first run with its sentence, not the code location
        live = False
    return dg.DefaultSensorStatus.RUNNING if live else dg.DefaultSensorStatus.STOPPED
