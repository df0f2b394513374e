"""What the newest run of a task, and of its graph, says of its table."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from dropship_dagster import warehouse
from dropship_dagster.assets.names import key
from dropship_dagster.checks.task_health import task_health, verdict
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.resources import WarehouseResource
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import RefreshError
from dropship_dagster.warehouse.graph_history import Entry, GraphState
from dropship_dagster_tests.warehouse.gate import MENDED, break_task, run

ORDERS = key("prod/orders")
STARTED = GraphState("started", None, (), 0)


def entry(state: str, minute: int) -> Entry:
    at = dt.datetime(2026, 1, 1, 0, minute, tzinfo=dt.UTC)
    error = "Division by zero" if state == "FAILED" else None
    return Entry("MERGE_ORDERS", state, None, error, None, str(minute), 1, "q1", "MERGE INTO T", at, at, at)


def test_a_failure_that_a_later_run_made_good_is_counted_and_warns_of_nothing() -> None:
    result = verdict(ORDERS, "MERGE_ORDERS", [entry("SUCCEEDED", 2), entry("FAILED", 1)], STARTED)
    assert result.passed
    assert "1 failed" in str(result.description)


def test_a_task_that_did_not_run_has_nothing_to_answer_for() -> None:
    assert verdict(ORDERS, "MERGE_ORDERS", [], STARTED).passed


def test_a_schedule_that_somebody_suspended_is_named_and_warns_of_nothing() -> None:
    result = verdict(ORDERS, "MERGE_ORDERS", [], GraphState("suspended", "USER_SUSPENDED", (), 0))
    assert result.passed
    assert "The schedule of the graph is suspended: " in str(result.description)


def results() -> dict[str, dg.AssetCheckEvaluation]:
    """What the check says, by table."""
    job = dg.define_asset_job("checks", dg.AssetSelection.checks(task_health))
    defs = dg.Definitions(asset_checks=[task_health], jobs=[job], resources={"warehouse": WarehouseResource()})
    done = defs.resolve_job_def("checks").execute_in_process()
    return {each.asset_key.path[-1]: each for each in done.get_asset_check_evaluations()}


def test_a_task_that_fails_is_named_at_its_table_and_at_those_behind_it(platform: Settings) -> None:
    endpoint = warehouse_endpoint(platform)
    break_task(endpoint, "STAGE_PRODUCTS", suspend_after=2)
    for _ in range(2):
        with pytest.raises(RefreshError):
            warehouse.refresh(endpoint)
    found = results()
    failed, behind, beside = found["product_events"], found["products"], found["customers"]
    assert all(not each.passed and each.severity == dg.AssetCheckSeverity.WARN for each in (failed, behind, beside))
    assert str(failed.description).startswith("OPS.STAGE_PRODUCTS (STAGING.PRODUCT_EVENTS): ")
    for each in (failed, behind):
        assert "in `INSERT INTO OPS.NOT_THERE SELECT 1`, query " in str(each.description)
        assert "The last 2 runs of the task graph failed" in str(each.description)
        assert 'dropship sql "ALTER TASK OPS.REFRESH RESUME"' in str(each.description)
    assert "OPS.MERGE_PRODUCTS did not run, because a task that it waits for failed" in str(behind.description)
    assert str(beside.description).startswith("The schedule of the graph is suspended because run after run failed")
    assert failed.metadata["query_id"].value
    assert (failed.metadata["failures"].value, beside.metadata["failures"].value) == (2, 0)

    run(endpoint, f"ALTER TASK OPS.STAGE_PRODUCTS MODIFY AS {MENDED}", "ALTER TASK OPS.REFRESH RESUME")
    warehouse.refresh(endpoint)
    assert all(each.passed for each in results().values())
