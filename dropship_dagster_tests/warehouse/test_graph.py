"""The task graph: started, awaited, reported; a failing task loses nothing."""

from __future__ import annotations

import json

import pytest

from dropship_dagster import warehouse
from dropship_dagster.warehouse import TABLE_OF_TASK, RefreshError
from dropship_dagster.warehouse.graph import _blocked, _names
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline


def test_every_task_reports_its_table_state_and_rows(own_pipeline: Pipeline) -> None:
    pipeline = own_pipeline
    pipeline.send(pipeline.customers, [customer("C1"), customer("C2")])
    pipeline.send(pipeline.products, [product("P1")])
    pipeline.send(pipeline.orders, [Order("O1").placed(), Order("O1").paid()])
    pipeline.load()
    ended = []
    report = warehouse.refresh(pipeline.endpoint, on_task=ended.append)
    assert report.state == "SUCCEEDED"
    assert {run.table for run in report.tasks} == {None, *TABLE_OF_TASK.values()}
    assert {run.state for run in report.tasks} == {"SUCCEEDED"}
    assert {run.task for run in ended} == {run.task for run in report.tasks}
    rows = {run.table: run.rows for run in report.tasks}
    assert (rows["STAGING.ORDER_EVENTS"], rows["PROD.ORDERS"], rows["PROD.CUSTOMERS"], rows["PROD.SUPPLIERS"]) == (
        2,
        1,
        2,
        1,
    )
    assert report.table("PROD.ORDERS").rows == 1
    assert all(run.seconds is not None and run.seconds >= 0 for run in report.tasks)
    assert json.loads(report.to_json())["state"] == "SUCCEEDED"
    counts = warehouse.counts(pipeline.endpoint)
    assert next(iter(counts)) == "RAW.CUSTOMERS"
    assert counts["RAW.ORDERS_EVENTS"] == 2


def test_a_refresh_without_new_messages_is_skipped_or_changes_nothing(own_pipeline: Pipeline) -> None:
    report = own_pipeline.refresh()
    assert report.state in {"SKIPPED", "SUCCEEDED"}
    assert own_pipeline.value("SELECT COUNT(*) FROM PROD.ORDERS") == 0


def test_a_task_that_fails_is_named_and_the_next_refresh_makes_up_for_it(own_pipeline: Pipeline) -> None:
    pipeline = own_pipeline
    pipeline.send(pipeline.products, [product("P00001")])
    pipeline.send(pipeline.orders, [Order("O1").placed()])
    pipeline.load()
    pipeline.rows("ALTER TABLE PROD.ORDER_LINES RENAME TO PROD.ORDER_LINES_AWAY")
    with pytest.raises(RefreshError, match=r"OPS.MERGE_ORDER_LINES \(PROD.ORDER_LINES\): .*ORDER_LINES"):
        pipeline.refresh()
    pipeline.rows("ALTER TABLE PROD.ORDER_LINES_AWAY RENAME TO PROD.ORDER_LINES")
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDERS") == 1, "the tasks beside it did run"
    assert pipeline.value("SELECT COUNT(*) FROM PROD.DAILY_SALES") == 0, "the task behind it did not run"
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDER_LINES") == 0
    pipeline.send(pipeline.orders, [Order("O2").placed()])
    pipeline.load()
    pipeline.refresh()
    assert pipeline.value("SELECT COUNT(*) FROM PROD.ORDER_LINES") == 2
    pipeline.assert_sound(events=3)


def test_a_staging_task_that_fails_leaves_its_messages_for_the_next_run(own_pipeline: Pipeline) -> None:
    pipeline = own_pipeline
    pipeline.send(pipeline.orders, [Order("O1").placed(), b"no json"])
    pipeline.load()
    pipeline.rows("ALTER TABLE STAGING.REJECTED_EVENTS RENAME TO STAGING.REJECTED_AWAY")
    with pytest.raises(RefreshError, match=r"STAGE_ORDER_EVENTS"):
        pipeline.refresh()
    assert pipeline.value("SELECT COUNT(*) FROM STAGING.ORDER_EVENTS") == 0, "half of a statement was kept"
    pipeline.rows("ALTER TABLE STAGING.REJECTED_AWAY RENAME TO STAGING.REJECTED_EVENTS")
    pipeline.refresh()
    pipeline.assert_sound(events=2)


def test_a_refresh_that_takes_too_long_says_what_it_waits_for(pipeline: Pipeline) -> None:
    pipeline.send(pipeline.orders, [Order(pipeline.id(1)).placed()])
    pipeline.load()
    with pytest.raises(RefreshError, match=r"did not end within 0 s; still waiting for .*--timeout"):
        warehouse.refresh(pipeline.endpoint, timeout=0)
    pipeline.refresh()


@pytest.mark.parametrize("text", ['["DB.OPS.A", "DB.OPS.\\"B\\""]', "[DB.OPS.A, DB.OPS.B]", "['DB.OPS.A', 'DB.OPS.B']"])
def test_predecessors_are_read_in_every_form_accounts_show_them(text: str) -> None:
    assert _names(text) == {"A", "B"}


def test_tasks_behind_a_suspended_one_are_not_waited_for() -> None:
    assert not _blocked("CHILD", {}, {"CHILD": set()})
