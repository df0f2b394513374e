"""Runs that nobody works on any more hold nothing back; on an instance as `dropship up` makes it."""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from dropship_dagster.automation.launcher import LocalRunLauncher, lives
from dropship_dagster.automation.sensors.active import MAX_NOT_STARTED_AGE, active_run

PATIENCE_SECONDS = 120


def test_a_run_that_was_recorded_and_never_handed_on_is_waited_for_a_short_time_only(
    home: Path, instance: dg.DagsterInstance
) -> None:
    left = instance.add_run(dg.DagsterRun("load_topics", status=dg.DagsterRunStatus.NOT_STARTED))
    assert active_run(instance, ["full_pipeline", "load_topics"]) == "load_topics"
    make_older(home, left.run_id, MAX_NOT_STARTED_AGE + dt.timedelta(seconds=1))
    assert active_run(instance, ["full_pipeline", "load_topics"]) is None
    instance.add_run(dg.DagsterRun("load_topics", status=dg.DagsterRunStatus.STARTING))
    assert active_run(instance, ["full_pipeline", "load_topics"]) == "load_topics"


def test_monitoring_fails_a_run_that_was_recorded_and_never_handed_on(home: Path, instance: dg.DagsterInstance) -> None:
    left = instance.add_run(dg.DagsterRun("load_topics", status=dg.DagsterRunStatus.NOT_STARTED))
    monitor(instance)
    assert status(instance, left.run_id) == dg.DagsterRunStatus.NOT_STARTED
    timeout = dt.timedelta(seconds=instance.run_monitoring_start_timeout_seconds)
    assert timeout < MAX_NOT_STARTED_AGE, "the sensors wait until monitoring has had its turn"
    make_older(home, left.run_id, timeout)
    monitor(instance)
    assert status(instance, left.run_id) == dg.DagsterRunStatus.FAILURE


def test_a_run_whose_process_was_killed_is_failed_and_one_that_lives_is_left_alone(
    own_folders: Path, home: Path, instance: dg.DagsterInstance
) -> None:
    assert isinstance(instance.run_launcher, LocalRunLauncher)
    # More orders than are made before the kill.
    config = {"ops": {"seeds": {"config": {"customers": 100, "orders": 50_000_000}}}}
    code = f"from dropship_dagster.definitions import run_job; run_job('generate_seeds', run_config={config!r})"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "DAGSTER_HOME": str(home)})
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
            assert time.monotonic() < deadline, "the run does not start"
            assert process.poll() is None, "the run has ended before it was killed"
            time.sleep(0.1)
        (run,) = instance.get_runs()
        monitor(instance)
        assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED
        assert active_run(instance, ["generate_seeds"]) == "generate_seeds"
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED, "nobody has told Dagster"
    monitor(instance)
    assert status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE
    assert f"(pid {process.pid}) is gone" in said(instance, run.run_id)
    assert active_run(instance, ["generate_seeds"]) is None


def test_a_process_is_told_from_another_one_that_has_got_its_number() -> None:
    now = time.time()
    assert lives(os.getpid(), since=now)
    assert not lives(os.getpid(), since=now - 86_400), "this process is younger than a day"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    zombie_until = time.monotonic() + PATIENCE_SECONDS
    while lives(ended.pid, since=time.time()):
        assert time.monotonic() < zombie_until, "what has ended and is not waited for counts as gone"
        time.sleep(0.05)
    ended.wait()
    assert not lives(ended.pid, since=time.time())


def make_older(home: Path, run_id: str, age: dt.timedelta) -> None:
    """As if the run had been recorded so long ago."""
    created = dt.datetime.now(dt.UTC).replace(tzinfo=None) - age
    with sqlite3.connect(home / "history" / "runs.db") as runs:
        changed = runs.execute(
            "UPDATE runs SET create_timestamp = ? WHERE run_id = ?", (created.isoformat(" "), run_id)
        )
        assert changed.rowcount == 1


def monitor(instance: dg.DagsterInstance) -> None:
    """What the daemon does every half minute."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
        problems = list(execute_run_monitoring_iteration(workspace, logging.getLogger("monitoring")))
    assert not any(problems), problems


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def said(instance: dg.DagsterInstance, run_id: str) -> str:
    return "\n".join(entry.message for entry in instance.all_logs(run_id))
