"""Dagster's history stays small, and what pages and sensors read of it stays."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import dagster as dg

from dropship_dagster.automation.run_retention import delete_old_runs
from dropship_dagster.definitions import run_job

DAY = dt.timedelta(days=1)


@dg.asset
def table() -> None:
    """Stands for what a load fills."""


LOAD = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("load_topics", [table])]).resolve_job_def("load_topics")


def make_all_older(home: Path, age: dt.timedelta) -> None:
    """As if every run had ended so long ago."""
    ended = dt.datetime.now(dt.UTC).replace(tzinfo=None) - age
    with sqlite3.connect(home / "history" / "runs.db") as runs:
        runs.execute("UPDATE runs SET update_timestamp = ?", (ended.isoformat(" "),))


def succeeded(instance: dg.DagsterInstance, job: str, count: int = 1) -> list[str]:
    runs = [dg.DagsterRun(job, status=dg.DagsterRunStatus.SUCCESS) for _ in range(count)]
    return [instance.add_run(run).run_id for run in runs]


def events(home: Path, run_id: str) -> Path:
    """Where the events of a run are."""
    return home / "history" / "runs" / f"{run_id}.db"


def test_old_loads_are_forgotten_but_the_newest_and_what_holds_a_newest_materialization(
    home: Path, instance: dg.DagsterInstance
) -> None:
    first, second = (LOAD.execute_in_process(instance=instance).run_id for _ in range(2))
    failed = instance.add_run(dg.DagsterRun("load_topics", status=dg.DagsterRunStatus.FAILURE)).run_id
    (other,) = succeeded(instance, "full_pipeline")
    old, newest = succeeded(instance, "load_topics", 3), succeeded(instance, "load_topics", 100)
    assert events(home, first).exists()
    assert delete_old_runs(instance, dt.datetime.now(dt.UTC) - DAY) == 0, "all of them are new"
    make_all_older(home, 2 * DAY)
    assert delete_old_runs(instance, dt.datetime.now(dt.UTC) - DAY) == 4, "the first load and three that are old"
    assert set(instance.get_run_ids()) == {second, failed, other, *newest}
    assert not events(home, first).exists()
    assert not set(old) & set(instance.get_run_ids())
    event = instance.get_latest_materialization_event(table.key)
    assert event is not None
    assert event.run_id == second
    assert delete_old_runs(instance, dt.datetime.now(dt.UTC) - DAY) == 0, "once is enough"


def test_the_job_keeps_as_many_days_as_it_is_told(home: Path, instance: dg.DagsterInstance) -> None:
    succeeded(instance, "stream_orders", 102)
    make_all_older(home, 5 * DAY)
    for days, left in ((6, 102), (4, 100)):
        config = {"ops": {"delete_run_history": {"config": {"run_days": days}}}}
        assert run_job("run_retention", instance=instance, run_config=config).success
        assert instance.get_runs_count(dg.RunsFilter(job_name="stream_orders")) == left
