"""What several sensors need: whether an equivalent run is queued or in progress, and whether a shop is kept open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from dropship_dagster.settings import Settings, SettingsError

MAX_NOT_STARTED_AGE = dt.timedelta(minutes=3)
"""How long a run may be recorded and not yet handed to the queue; its plan takes seconds.

What is older was left behind by a program that died in between. Run monitoring fails it after its start_timeout_seconds
(dagster.yaml); an instance without run monitoring keeps it for ever.
"""

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def active_run(instance: DagsterInstance, jobs: Iterable[str]) -> str | None:
    """The name of a job among these that has an unfinished run or one recorded just now (`MAX_NOT_STARTED_AGE`)."""
    recent = dt.datetime.now(dt.UTC) - MAX_NOT_STARTED_AGE
    for job in jobs:
        unfinished = RunsFilter(job_name=job, statuses=_UNFINISHED)
        recorded = RunsFilter(job_name=job, statuses=[DagsterRunStatus.NOT_STARTED], created_after=recent)
        if instance.get_runs_count(unfinished) or instance.get_runs_count(recorded):
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
