"""The sensor of the task graph: tells of tasks that fail, and reports each table of each run once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
import snowflake.connector  # noqa: F401 - so that no tick is spent on importing it

from dropship_dagster import warehouse
from dropship_dagster.assets.names import key
from dropship_dagster.assets.refresh import refresh
from dropship_dagster.automation.sensors.task_history import Seen, scheduled_refreshes
from dropship_dagster.endpoints import WarehouseEndpoint, warehouse_endpoint
from dropship_dagster.resources import WarehouseResource
from dropship_dagster.resources.alerts import AlertResource
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import RefreshError
from dropship_dagster.warehouse.graph_history import root_runs
from dropship_dagster_tests.warehouse.gate import ALWAYS, MENDED, break_task, held_up, run
from dropship_dagster_tests.warehouse.pipeline import wait_until

TABLES = {key(table.lower().replace(".", "/")) for table in warehouse.TABLE_OF_TASK.values()}


@pytest.fixture
def endpoint(platform: Settings) -> WarehouseEndpoint:
    """A deployed database of the test's own, with nothing in it."""
    return warehouse_endpoint(platform)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance that several threads may use."""
    folder = tmp_path / "instance"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        yield instance


@pytest.fixture
def hook() -> Iterator[tuple[str, list[str]]]:
    """A webhook's address, and what it was told."""
    told: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", told
        server.shutdown()


def tick(instance: dg.DagsterInstance, cursor: str | None = None, webhook: str | None = None) -> dg.SensorResult:
    """What the sensor decides."""
    resources = {"warehouse": WarehouseResource(), "alerts": AlertResource(webhook=webhook)}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        result = scheduled_refreshes(context)
    assert isinstance(result, dg.SensorResult)
    return result


def later(result: dg.SensorResult) -> str:
    """The cursor of a result, as if it were long ago that the warehouse was asked."""
    seen = Seen.parse(result.cursor)
    assert seen is not None
    return dataclasses.replace(seen, looked=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)).cursor


def told(result: dg.SensorResult) -> set[tuple[str, dg.AssetKey]]:
    """The tables that a result reports, each with the run of the graph."""
    found = [(str(each.metadata["graph_run"].value), each.asset_key) for each in result.asset_events]
    assert len(found) == len(set(found))
    return set(found)


def test_a_task_that_fails_run_after_run_is_told_with_its_statement_and_what_to_do(
    endpoint: WarehouseEndpoint, instance: dg.DagsterInstance, hook: tuple[str, list[str]]
) -> None:
    webhook, alerts = hook
    break_task(endpoint, "STAGE_PRODUCTS", suspend_after=3)
    with pytest.raises(RefreshError):
        warehouse.refresh(endpoint)
    first = tick(instance, webhook=webhook)
    [alert] = alerts
    for words in ("OPS.STAGE_PRODUCTS (STAGING.PRODUCT_EVENTS)", "NOT_THERE", "in `INSERT INTO OPS.NOT_THERE SELECT 1`",
                  "query ", "`dropship refresh` carries on", "dropship rejected set-aside"):  # fmt: skip
        assert words in alert
        assert words in str(first.skip_reason)
    assert "RESUME" not in alert
    # While it fails in the same way nobody is told again, but every tick says so.
    again = tick(instance, later(first), webhook)
    quiet = tick(instance, again.cursor, webhook)
    assert "Nothing was loaded" in str(quiet.skip_reason)
    assert all("OPS.STAGE_PRODUCTS" in str(result.skip_reason) for result in (again, quiet))
    assert len(alerts) == 1

    for _ in range(2):
        with pytest.raises(RefreshError):
            warehouse.refresh(endpoint)
    wait_until(lambda: state(endpoint).suspended_by_failures, "the suspension")
    suspended = tick(instance, later(again), webhook)
    assert len(alerts) == 2
    assert "The last 3 runs of the task graph failed in OPS.STAGE_PRODUCTS" in alerts[1]
    assert 'dropship sql "ALTER TASK OPS.REFRESH RESUME"' in alerts[1]

    # The cause is removed, but nobody has resumed the schedule.
    run(endpoint, f"ALTER TASK OPS.STAGE_PRODUCTS MODIFY AS {MENDED}")
    warehouse.refresh(endpoint)
    standing = tick(instance, later(suspended), webhook)
    assert "The schedule of the graph is suspended because run after run failed" in alerts[2]
    assert "OPS.STAGE_PRODUCTS" not in alerts[2]
    run(endpoint, "ALTER TASK OPS.REFRESH RESUME")
    assert "OPS." not in str(tick(instance, later(standing), webhook).skip_reason)
    assert len(alerts) == 3


def state(endpoint: WarehouseEndpoint) -> warehouse.GraphState:
    with warehouse.connect(endpoint) as connection:
        return warehouse.graph_state(connection, endpoint.database)


def test_an_alert_that_the_webhook_did_not_take_is_tried_again(
    endpoint: WarehouseEndpoint, instance: dg.DagsterInstance, hook: tuple[str, list[str]]
) -> None:
    webhook, alerts = hook
    break_task(endpoint, "MERGE_SUPPLIERS", suspend_after=9)
    with pytest.raises(RefreshError):
        warehouse.refresh(endpoint)
    away = tick(instance, webhook="http://127.0.0.1:1/")
    assert "OPS.MERGE_SUPPLIERS" in str(away.skip_reason)
    refreshed = {asset for _, asset in told(away)}
    assert key("prod/suppliers") not in refreshed
    assert key("prod/products") in refreshed, "the tasks beside it did run, and are reported all the same"
    tick(instance, later(away), webhook)
    assert len(alerts) == 1


def test_a_refresh_without_dagster_is_reported_once_for_every_table(
    endpoint: WarehouseEndpoint, instance: dg.DagsterInstance
) -> None:
    run(endpoint, *ALWAYS)
    first = warehouse.refresh(endpoint).run_id
    result = tick(instance)
    assert told(result) == {(first, table) for table in TABLES}
    second = warehouse.refresh(endpoint).run_id
    assert told(tick(instance, later(result))) == {(second, table) for table in TABLES}


def test_a_run_of_the_schedule_that_a_step_waited_for_is_reported_by_the_step_alone(
    endpoint: WarehouseEndpoint, instance: dg.DagsterInstance
) -> None:
    run(endpoint, *ALWAYS, "ALTER TASK OPS.REFRESH SET SCHEDULE = '10 SECONDS'", "ALTER TASK OPS.REFRESH RESUME")

    def ended() -> str | None:
        with warehouse.connect(endpoint) as connection:
            runs = [each for each in root_runs(connection, endpoint.database) if each.scheduled_from == "SCHEDULE"]
        return runs[0].group if runs and runs[0].state == "SUCCEEDED" else None

    group = wait_until(ended, "a run of the schedule")
    run(endpoint, "ALTER TASK OPS.REFRESH SUSPEND")
    wait_until(lambda: len(told(tick(instance))) >= len(TABLES), "the end of the run")
    # What the step that waited for the same run reports: see assets/refresh.py.
    for table in TABLES - {key("prod/orders")}:
        instance.report_runless_asset_event(dg.AssetMaterialization(table, metadata={"graph_run": group}))
    assert {table for each, table in told(tick(instance)) if each == group} == {key("prod/orders")}


def test_while_a_run_of_dagster_refreshes_nothing_is_reported_and_afterwards_what_it_left(
    endpoint: WarehouseEndpoint, instance: dg.DagsterInstance
) -> None:
    run(endpoint, *ALWAYS)
    alone = warehouse.refresh(endpoint).run_id
    with warehouse.connect(endpoint) as connection:
        before = len(root_runs(connection, endpoint.database))  # the schedule may have come first
    with ThreadPoolExecutor() as pool, held_up(endpoint) as gate:
        resources = {"warehouse": WarehouseResource()}
        dagster = pool.submit(dg.materialize, [refresh], instance=instance, resources=resources)
        with warehouse.connect(endpoint) as connection:
            wait_until(lambda: len(root_runs(connection, endpoint.database)) > before, "the run that Dagster asked for")
        busy = tick(instance)
        assert (busy.asset_events, "reports what it refreshes" in str(busy.skip_reason)) == ([], True)
        gate.cursor().execute("COMMIT")
        assert dagster.result().success
    assert told(tick(instance, busy.cursor)) == {(alone, table) for table in TABLES}
    event = instance.get_latest_materialization_event(key("prod/orders"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["graph_run"].value != alone


def test_the_cursor_of_an_older_version_is_read() -> None:
    old = '{"ended": "2026-01-01T00:00:00+00:00", "looked": "2026-01-01T00:01:00+00:00"}'
    seen = Seen.parse(old)
    assert seen is not None
    assert (seen.told, seen.trouble) == ("", "")
    assert Seen.parse(seen.cursor) == seen
