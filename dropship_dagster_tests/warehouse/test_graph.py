"""The task graph: started, awaited, reported; a failing task loses nothing."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from snowflake.connector import DictCursor, SnowflakeConnection

from dropship_dagster import warehouse
from dropship_dagster.warehouse import TABLE_OF_TASK, RefreshError
from dropship_dagster.warehouse.graph import _blocked
from dropship_dagster.warehouse.graph_history import Entry, beginning, ended_runs, failures, root_runs, task_names
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.gate import held_up
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until


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


def test_a_task_comes_after_every_task_that_writes_what_its_streams_are_on(pipeline: Pipeline) -> None:
    """Otherwise a run may end with changes that wait for the next one. Deferred events do: `refresh` runs for them."""
    with warehouse.connect(pipeline.endpoint) as connection:
        cursor = connection.cursor(DictCursor)
        tasks = {str(task["name"]): task for task in cursor.execute("SHOW TASKS IN SCHEMA OPS").fetchall()}
        streams = cursor.execute("SHOW STREAMS IN DATABASE").fetchall()
    tables = {
        f"{stream['schema_name']}.{stream['name']}": str(stream["table_name"]).split(".", 1)[1] for stream in streams
    }
    after = {name: task_names(task["predecessors"]) for name, task in tasks.items()}

    def ancestors(name: str) -> set[str]:
        return after[name].union(*map(ancestors, after[name]))

    written = {name: set(re.findall(r"\bINTO (\w+\.\w+)", str(task["definition"]))) for name, task in tasks.items()}
    early = {
        (name, table, writer)
        for name, task in tasks.items()
        if name != "REFRESH"
        for stream, table in tables.items()
        if table != "STAGING.RETRIED_EVENTS" and re.search(rf"\b{stream}\b", str(task["definition"]))
        for writer in tasks
        if table in written[writer] and writer not in ancestors(name)
    }
    assert written["MERGE_ORDER_LINES"] == {"OPS.CHANGED_ORDERS", "PROD.ORDER_LINES"}
    assert early == set()


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
    assert task_names(text) == {"A", "B"}


def test_tasks_behind_a_suspended_one_are_not_waited_for() -> None:
    assert not _blocked("CHILD", {}, {"CHILD": set()})


@pytest.fixture
def gate(own_pipeline: Pipeline) -> Iterator[SnowflakeConnection]:
    """A session that holds up STAGE_PRODUCTS, and so the graph, until it commits."""
    with held_up(own_pipeline.endpoint) as connection:
        yield connection


def _roots(pipeline: Pipeline) -> list[Entry]:
    """The runs of the root, the oldest first."""
    with warehouse.connect(pipeline.endpoint) as connection:
        return sorted(root_runs(connection, pipeline.endpoint.database), key=lambda root: int(root.group))


def test_a_refresh_during_a_run_waits_for_one_that_began_after_it_was_called(
    own_pipeline: Pipeline, gate: SnowflakeConnection
) -> None:
    pipeline = own_pipeline
    pipeline.rows("EXECUTE TASK OPS.REFRESH")
    wait_until(lambda: [r.state for r in _roots(pipeline)] == ["SUCCEEDED"], "the first root")
    pipeline.send(pipeline.customers, [customer("C1")])
    pipeline.load()
    with ThreadPoolExecutor() as pool:
        refreshed = pool.submit(pipeline.refresh)
        wait_until(lambda: [r.state for r in _roots(pipeline)] == ["SUCCEEDED", "SCHEDULED"], "the request")
        first, second = _roots(pipeline)
        gate.cursor().execute("COMMIT")
        report = refreshed.result()
    assert (report.run_id, report.state) == (second.group, "SUCCEEDED")
    assert report.run_id != first.group
    assert pipeline.value("SELECT COUNT(*) FROM PROD.CUSTOMERS") == 1


def test_refreshes_share_the_request_that_waits_and_add_none(own_pipeline: Pipeline, gate: SnowflakeConnection) -> None:
    pipeline = own_pipeline
    pipeline.rows("EXECUTE TASK OPS.REFRESH")
    wait_until(lambda: [r.state for r in _roots(pipeline)] == ["SUCCEEDED"], "the first root")
    pipeline.rows("EXECUTE TASK OPS.REFRESH")
    waiting = _roots(pipeline)[-1]
    assert waiting.state == "SCHEDULED"
    looked = threading.Barrier(4)

    def refresh() -> str:
        looked.wait()
        return pipeline.refresh().run_id

    with ThreadPoolExecutor() as pool:
        refreshed = [pool.submit(refresh) for _ in range(3)]
        looked.wait()
        for _ in range(20):
            assert _roots(pipeline)[-1] == waiting
        gate.cursor().execute("COMMIT")
        assert {future.result() for future in refreshed} == {waiting.group}


def test_refreshes_beside_each_other_and_other_runs_each_see_what_was_loaded_before(own_pipeline: Pipeline) -> None:
    pipeline, done, loading = own_pipeline, threading.Event(), threading.Lock()

    def execute() -> None:
        while not done.is_set():
            pipeline.rows("EXECUTE TASK OPS.REFRESH")

    def load_and_refresh(worker: int) -> None:
        for step in range(3):
            with loading:
                pipeline.send(pipeline.customers, [customer(f"C{worker}{step}")])
                pipeline.load()
            pipeline.refresh()
            assert pipeline.value("SELECT COUNT(*) FROM PROD.CUSTOMERS WHERE CUSTOMER_ID = ?", f"C{worker}{step}") == 1

    with ThreadPoolExecutor() as pool:
        others = pool.submit(execute)
        try:
            for worker in [pool.submit(load_and_refresh, worker) for worker in range(3)]:
                worker.result()
        finally:
            done.set()
        others.result()
    pipeline.refresh()
    pipeline.assert_sound(events=9)


def test_a_graph_suspended_by_failures_says_so_and_is_refreshed_all_the_same(own_pipeline: Pipeline) -> None:
    pipeline = own_pipeline
    pipeline.rows("ALTER TASK OPS.REFRESH SUSPEND")
    pipeline.rows("ALTER TASK OPS.REFRESH SET SUSPEND_TASK_AFTER_NUM_FAILURES = 2")
    pipeline.rows("ALTER TASK OPS.REFRESH RESUME")
    pipeline.send(pipeline.orders, [Order("O1").placed()])
    pipeline.load()
    pipeline.rows("ALTER TABLE STAGING.REJECTED_EVENTS RENAME TO STAGING.REJECTED_AWAY")
    for _ in range(2):
        with pytest.raises(RefreshError, match=r"in `INSERT .*`, query [0-9a-f-]+"):
            pipeline.refresh()

    def state() -> warehouse.GraphState:
        with warehouse.connect(pipeline.endpoint) as connection:
            return warehouse.graph_state(connection, pipeline.endpoint.database)

    found = wait_until(lambda: (now := state()).suspended_by_failures and now, "the suspension")
    assert {run.task for run in found.failed} >= {"STAGE_ORDER_EVENTS"}
    assert all("REJECTED_EVENTS" in str(run.error) for run in found.failed)
    assert found.failed_runs >= 2
    with pytest.raises(RefreshError, match=r'suspended because run after run failed.*ALTER TASK OPS.REFRESH RESUME"'):
        pipeline.refresh()
    pipeline.rows("ALTER TABLE STAGING.REJECTED_AWAY RENAME TO STAGING.REJECTED_EVENTS")
    report = pipeline.refresh()
    assert report.state == "SUCCEEDED"
    assert "ALTER TASK OPS.REFRESH RESUME" in str(report.schedule)
    assert (state().failed, state().failed_runs) == ((), 0)
    pipeline.rows("ALTER TASK OPS.REFRESH RESUME")
    assert state().schedule is None
    assert pipeline.refresh().schedule is None


def _entry(group: str, state: str, name: str = "REFRESH", attempt: int = 1, minute: int = 0) -> Entry:
    at = dt.datetime(2026, 1, 1, 0, minute, tzinfo=dt.UTC)
    return Entry(name, state, None, "why", "SCHEDULE", group, attempt, None, "SELECT 1", at, at, at)


@pytest.mark.parametrize(
    ("entries", "failed", "runs"),
    [
        ([], [], 0),
        ([_entry("1", "FAILED"), _entry("2", "SUCCEEDED", minute=1)], [], 0),
        ([_entry("2", "FAILED", minute=1), _entry("1", "FAILED")], ["REFRESH"], 2),
        ([_entry("1", "SUCCEEDED"), _entry("1", "FAILED", "CHILD"), _entry("2", "SKIPPED", minute=1)], ["CHILD"], 1),
        ([_entry("1", "FAILED"), _entry("2", "SUCCEEDED", minute=1), _entry("2", "EXECUTING", "CHILD", minute=1)],
         ["REFRESH"], 1),
        ([_entry("1", "SUCCEEDED"), _entry("1", "FAILED", "CHILD"), _entry("1", "SUCCEEDED", "CHILD", 2)], [], 0),
    ],
    ids=["never ran", "made good", "twice", "skipped since", "another runs", "retried"],
)  # fmt: skip
def test_the_failures_of_the_graph_are_those_of_its_newest_run_that_ended(
    entries: list[Entry], failed: list[str], runs: int
) -> None:
    found, count = failures(ended_runs(entries))
    assert ([run.task for run in found], count) == (failed, runs)


def test_a_statement_is_told_by_its_first_words() -> None:
    text = "/* why */ -- and more\n  INSERT INTO T\n  SELECT 1"
    assert beginning(text) == "INSERT INTO T SELECT 1"
    assert beginning("SELECT " + "1 + " * 100) == ("SELECT " + "1 + " * 100)[:80] + "..."
    assert beginning(None) is None
