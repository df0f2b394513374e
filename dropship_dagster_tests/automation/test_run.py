"""Running a job in this process and reading what came of it; the report of a run that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dropship_dagster import warehouse
from dropship_dagster.automation.hooks import report_failure
from dropship_dagster.automation.run import run_job
from dropship_dagster.definitions import defs
from dropship_dagster.definitions import run_job as run_named
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import PROJECT_ROOT, Settings


@dg.asset
def source() -> None:
    """An asset that always succeeds."""


@dg.asset_check(asset=source)
def warns() -> dg.AssetCheckResult:
    """A check that fails without weight."""
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="A trifle.")


@dg.asset_check(asset=source, blocking=True)
def blocks() -> dg.AssetCheckResult:
    """A critical check that fails."""
    return dg.AssetCheckResult(passed=False, metadata={"rows": 3}, description="Three rows are wrong.")


@dg.asset(deps=[source])
def downstream() -> None:
    """What a critical check keeps from running."""


@dg.asset_check(asset=downstream)
def never_evaluated() -> dg.AssetCheckResult:
    """A check of what never ran."""
    return dg.AssetCheckResult(passed=True)


@dg.asset
def impossible() -> Iterator[dg.MaterializeResult[None]]:
    """An asset whose data is wrong in the user's hands."""
    with user_errors():
        raise DropshipError("The file orders.csv has no header: generate it anew.")
    yield dg.MaterializeResult()


def job(*parts: object) -> dg.JobDefinition:
    assets = [part for part in parts if not isinstance(part, dg.AssetChecksDefinition)]
    checks = [part for part in parts if isinstance(part, dg.AssetChecksDefinition)]
    everything = dg.define_asset_job(
        "everything", dg.AssetSelection.all(), hooks={report_failure}, executor_def=dg.in_process_executor
    )
    return dg.Definitions(assets=assets, asset_checks=checks, jobs=[everything]).resolve_job_def("everything")


def test_a_warning_does_not_make_a_run_fail() -> None:
    report = run_job(job(source, warns))
    assert report.success
    assert [(check.check, check.severity) for check in report.failed_checks] == [("warns", "WARN")]
    assert set(report.seconds) == {"source", "source_warns"}


def test_a_critical_check_makes_the_run_fail_and_its_report_say_so(own_folders: Path) -> None:
    report = run_job(job(source, blocks, warns, downstream, never_evaluated))
    assert not report.success
    assert {check.check: check.status for check in report.failed_checks} == {
        "blocks": "failed",
        "warns": "failed",
        "never_evaluated": "not_evaluated",
    }
    written = json.loads((own_folders / "reports" / "validation.json").read_bytes())
    assert written["ok"] is False
    assert written["run_id"] == report.run_id
    assert (own_folders / "reports" / "runs" / f"{report.run_id}.json").exists()
    blocked = next(check for check in written["checks"] if check["check"] == "blocks")
    assert blocked["metadata"] == {"rows": 3}
    assert blocked["description"] == "Three rows are wrong."


def test_an_error_of_the_user_is_one_sentence(own_folders: Path) -> None:
    report = run_job(job(impossible))
    assert [step.sentence for step in report.failed_steps] == ["The file orders.csv has no header: generate it anew."]


def test_a_run_is_recorded_where_dagster_home_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    report = run_job(job(source), tags={"dropship/why": "test"})
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(report.run_id)
    assert run is not None
    assert run.is_success
    assert run.tags["dropship/why"] == "test"


def test_the_report_is_plain_json() -> None:
    values = json.loads(run_job(job(source, warns)).to_json())
    assert values["success"] is True
    assert values["checks"][0]["check"] == "warns"


def test_the_projects_jobs_run_by_name(own_folders: Path) -> None:
    config = {"ops": {"seeds": {"config": {"customers": 20, "products": 10, "orders": 30}}}}
    report = run_named("generate_seeds", run_config=config)
    assert report.success, report.failed_steps
    assert report.checks
    assert not report.failed_checks


def test_a_wrong_setting_ends_the_command_with_1_and_its_sentence(own_folders: Path) -> None:
    environment = {**os.environ, "DROPSHIP_TOPIC_PARTITIONS": "none"}
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "dropship_dagster.definitions"]
    done = subprocess.run(
        [*command, "-j", "generate_seeds"],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert "DROPSHIP_TOPIC_PARTITIONS: " in done.stderr


def test_every_job_of_the_design_is_defined() -> None:
    names = {job.name for job in defs.resolve_all_job_defs()}
    assert {"generate_seeds", "replay_seeds", "load_topics", "refresh_prod", "validate", "full_pipeline"} <= names


def load_topics() -> dg.JobDefinition:
    """Found by name when the run is executed again."""
    return defs.resolve_job_def("load_topics")


def test_a_failed_run_is_executed_again_from_where_it_failed(platform: Settings, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        job = dg.reconstructable(load_topics)
        with dg.execute_job(job, instance) as failed:
            assert not failed.success, "there are no topics yet"
        for before in ("generate_seeds", "replay_seeds"):
            assert run_named(before, instance=instance).success
        options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        for _ in range(2):
            with dg.execute_job(job, instance, reexecution_options=options) as again:
                assert again.success
                assert {event.step_key for event in again.get_step_success_events()} == {"raw"}
    loaded = warehouse.counts(warehouse_endpoint(platform))
    assert loaded["RAW.CUSTOMERS"] == platform.customers, "twice has the effect of once"
