"""The schedule daily_seeds, by Dagster's own scheduler and queue: it never replaces what is somebody's own."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._scheduler.scheduler import launch_scheduled_runs

from dropship_dagster.settings import Settings
from dropship_dagster.shop import ShopConfig, generate, generated_manifest

PATIENCE_SECONDS = 300
MODULE = "dropship_dagster.definitions"


def content(folder: Path) -> dict[str, tuple[str, int]]:
    """SHA-256 and time of change, by name."""
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in folder.iterdir()
    }


def tick(workspace: WorkspaceProcessContext, day: int) -> dg.DagsterRun:
    """Let the night of a day from now come, and the run that it brings end."""
    instance = workspace.instance
    before = {run.run_id for run in instance.get_runs()}
    night = dt.datetime.now(dt.UTC) + dt.timedelta(days=day)
    list(launch_scheduled_runs(workspace, logging.getLogger("scheduler"), night, iteration_times={}))
    queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        list(queue.run_iteration(workspace))
        new = [run for run in instance.get_runs() if run.run_id not in before]
        if new and all(run.is_finished for run in new):
            (run,) = new
            return run
        assert time.monotonic() < deadline, new
        time.sleep(0.5)


@pytest.mark.timeout(900)
def test_a_tick_leaves_own_files_and_edited_ones_as_they_are_and_replaces_generated_ones(
    own_folders: Path, home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    folder = Settings.load().data_dir
    generate(ShopConfig(customers=40, products=15, orders=60, seed=3), folder)
    manifest = folder / "manifest.json"
    written = manifest.read_bytes()
    manifest.unlink()
    target = ModuleTarget(MODULE, attribute=None, working_directory=None, location_name=MODULE)
    with WorkspaceProcessContext(instance, target) as workspace:
        (location,) = workspace.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        for schedule in repository.get_schedules():
            if schedule.name == "daily_seeds":
                instance.start_schedule(schedule)
            else:  # the other nights' work needs the services
                instance.stop_schedule(schedule.get_remote_origin_id(), schedule.selector_id, schedule)

        own = content(folder)
        assert tick(workspace, 1).status == dg.DagsterRunStatus.SUCCESS
        assert content(folder) == own

        manifest.write_bytes(written)
        suppliers = folder / "suppliers.csv"
        suppliers.write_bytes(suppliers.read_bytes().replace(b"e", b"a", 1))
        edited = content(folder)
        tick(workspace, 2)  # whether the edit breaks the contract is for the checks to say
        assert content(folder) == edited

        suppliers.write_bytes(suppliers.read_bytes().replace(b"a", b"e", 1))
        generate(ShopConfig(customers=40, products=15, orders=60, seed=4), folder, overwrite=True)
        assert generated_manifest(folder) is not None
        assert tick(workspace, 3).status == dg.DagsterRunStatus.SUCCESS
        found = generated_manifest(folder)
        assert found is not None
        assert found.config["seed"] == Settings.load().seed, "a tick does generate, where nothing is somebody's own"
