"""Sensors ask for the right runs, and for none that is not needed; on the real services."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
import snowflake.connector  # noqa: F401 - so that no tick is spent on importing it

from dropship_dagster import warehouse
from dropship_dagster.assets import names
from dropship_dagster.assets.names import key
from dropship_dagster.assets.topics import FINGERPRINT, replayed
from dropship_dagster.automation.sensors.active import sensor_status
from dropship_dagster.automation.sensors.backlog import (
    LOOK_ANYWAY_SECONDS,
    MAX_ATTEMPTS,
    RANGE_TAG,
    cursor,
    nothing_new,
    topic_backlog,
)
from dropship_dagster.automation.sensors.failures import failed_runs
from dropship_dagster.automation.sensors.first_run import first_run
from dropship_dagster.automation.sensors.live_traffic import live_traffic, seconds_to_wait
from dropship_dagster.automation.sensors.seeds import seed_files
from dropship_dagster.automation.sensors.task_history import Seen, scheduled_refreshes, worth_a_look
from dropship_dagster.definitions import defs, run_job
from dropship_dagster.resources import KafkaResource, WarehouseResource
from dropship_dagster.resources.alerts import AlertResource
from dropship_dagster.settings import Settings


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance that remembers runs while the test runs."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(
    sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None = None, **resources: object
) -> dg.SensorResult:
    """What the sensor decides."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def look(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    return tick(topic_backlog, instance, cursor, kafka=KafkaResource(), warehouse=WarehouseResource())


def test_new_files_are_replayed_once(own_folders: Path, instance: dg.DagsterInstance) -> None:
    assert "does not hold" in str(tick(seed_files, instance).skip_reason)
    small = {"ops": {"seeds": {"config": {"customers": 10, "products": 5, "orders": 10}}}}
    assert run_job("generate_seeds", run_config=small).success
    first = tick(seed_files, instance)
    assert first.run_requests
    assert not tick(seed_files, instance, first.cursor).run_requests


def test_changed_files_are_replayed_again_and_so_are_files_that_come_back(
    own_folders: Path, instance: dg.DagsterInstance
) -> None:
    cursors = []
    cursor = None
    for seed in (1, 2, 1):
        config = {"ops": {"seeds": {"config": {"customers": 10, "products": 5, "orders": 10, "seed": seed}}}}
        assert run_job("generate_seeds", run_config=config).success
        result = tick(seed_files, instance, cursor)
        assert result.run_requests, seed
        cursor = result.cursor
        cursors.append(cursor)
    assert cursors[0] == cursors[2] != cursors[1]


def test_a_backlog_asks_for_one_load_of_exactly_these_messages(
    platform: Settings, instance: dg.DagsterInstance
) -> None:
    assert "do not exist" in str(look(instance).skip_reason)
    assert run_job("generate_seeds", instance=instance).success
    assert run_job("replay_seeds", instance=instance).success
    assert "replayed last" in str(tick(seed_files, instance).skip_reason), "a run replayed them, whoever asked for it"
    (request,) = look(instance).run_requests or ()
    (again,) = look(instance).run_requests or ()
    assert request.run_key == again.run_key, "two ticks before the run begins ask for one run"
    assert int(request.tags["dropship/messages"]) > 100

    # A failed run for the same messages: the next one is another attempt, and after some somebody has to look.
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (request,) = look(instance).run_requests or ()
        assert str(request.run_key).endswith(f"-{attempt}")
        instance.add_run(dg.DagsterRun("load_topics", tags=request.tags, status=dg.DagsterRunStatus.FAILURE))
    assert "see the last" in str(look(instance).skip_reason)

    assert run_job("load_topics", instance=instance, tags={RANGE_TAG: "by hand"}).success
    loaded = look(instance)
    assert "Everything is loaded" in str(loaded.skip_reason)

    # From now on the warehouse is asked only when the topics' ends move, or after a while.
    again = look(instance, loaded.cursor)
    assert "Nothing has come" in str(again.skip_reason)
    live = {"ops": {"send_live_orders": {"config": {"rate": 50.0, "duration": 1.0}}}}
    assert run_job("stream_orders", instance=instance, run_config=live).success
    assert look(instance, loaded.cursor).run_requests


def test_what_the_ends_of_the_topics_tell_is_not_trusted_for_ever() -> None:
    ends = {"topic/0": (0, 10)}
    assert nothing_new(cursor(ends), ends)
    assert not nothing_new(cursor(ends), {"topic/0": (0, 11)})
    old = json.dumps({**json.loads(cursor(ends)), "at": time.time() - LOOK_ANYWAY_SECONDS - 1})
    assert not nothing_new(old, ends)
    assert not nothing_new(None, ends)


def test_no_load_is_asked_for_while_one_is_on_its_way(own_folders: Path, instance: dg.DagsterInstance) -> None:
    instance.add_run(dg.DagsterRun("load_topics", status=dg.DagsterRunStatus.STARTED))
    assert "on its way" in str(look(instance).skip_reason)


def test_live_traffic_waits_for_the_files_and_is_never_doubled(own_folders: Path, instance: dg.DagsterInstance) -> None:
    assert live_traffic.default_status == dg.DefaultSensorStatus.STOPPED
    assert "not replayed yet" in str(tick(live_traffic, instance).skip_reason)
    remember_a_replay(instance)
    first = tick(live_traffic, instance)
    assert first.run_requests
    instance.add_run(dg.DagsterRun("stream_orders", status=dg.DagsterRunStatus.STARTED))
    assert "on its way" in str(tick(live_traffic, instance, first.cursor).skip_reason)


def test_live_traffic_that_fails_is_tried_again_later_and_later(
    own_folders: Path, instance: dg.DagsterInstance
) -> None:
    remember_a_replay(instance)
    waits = []
    for _ in range(3):
        instance.add_run(dg.DagsterRun("stream_orders", status=dg.DagsterRunStatus.FAILURE))
        assert "failed: see it" in str(tick(live_traffic, instance).skip_reason)
        waits.append(seconds_to_wait(instance))
    assert waits[0] < 30 < waits[1] < 60 < waits[2]
    instance.add_run(dg.DagsterRun("stream_orders", status=dg.DagsterRunStatus.SUCCESS))
    assert tick(live_traffic, instance).run_requests


def test_live_traffic_goes_on_after_new_customers_of_its_own(platform: Settings, instance: dg.DagsterInstance) -> None:
    for job in ("generate_seeds", "replay_seeds"):
        assert run_job(job, instance=instance).success
    files = replayed(instance)
    live = {"ops": {"send_live_orders": {"config": {"rate": 400.0, "duration": 2.0}}}}
    assert run_job("stream_orders", instance=instance, run_config=live).success
    event = instance.get_latest_materialization_event(key("topics/customers"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.description == "New traffic of the shop.", "customers have signed up"
    sent, held = (event.asset_materialization.metadata[name].value for name in ("sent", "dagster/row_count"))
    assert held == platform.customers + int(str(sent))
    # A materialization that somebody reports in the UI tells nothing of files.
    instance.report_runless_asset_event(dg.AssetMaterialization(key("topics/customers")))
    assert replayed(instance) == files
    assert tick(live_traffic, instance).run_requests
    assert "replayed last" in str(tick(seed_files, instance).skip_reason)


def test_live_traffic_sells_by_demand_and_says_what_time_it_is_in_the_shop(
    platform: Settings, instance: dg.DagsterInstance
) -> None:
    for job in ("generate_seeds", "replay_seeds"):
        assert run_job(job, instance=instance).success
    fast = {"ops": {"send_live_orders": {"config": {"clock": 1_000_000.0, "duration": 3.0}}}}
    assert run_job("stream_orders", instance=instance, run_config=fast).success
    event = instance.get_latest_materialization_event(key("topics/orders_events"))
    assert event is not None
    assert event.asset_materialization is not None
    shown = str(event.asset_materialization.metadata["shop_clock"].value)
    assert re.fullmatch(r"\d+ (Jan|Feb) 2026 \d\d:\d\d \(x1000000, standing still\)", shown), shown
    assert event.asset_materialization.metadata["requested_rate"].value == 0.0


@pytest.mark.parametrize("kind", ["without a manifest", "changed", "not there"])
def test_live_traffic_makes_nothing_up_beside_somebodys_own_files(
    own_folders: Path, instance: dg.DagsterInstance, kind: str
) -> None:
    remember_a_replay(instance)
    folder = own_folders / "data"
    if kind == "without a manifest":
        (folder / "manifest.json").unlink()
    elif kind == "changed":
        (folder / "customers.csv").write_bytes((folder / "customers.csv").read_bytes() + b"\n")
    else:
        shutil.rmtree(folder)
    skipped = tick(live_traffic, instance)
    assert not skipped.run_requests
    assert "dropship generate" in str(skipped.skip_reason)
    assert str(folder) in str(skipped.skip_reason)
    # The same job started by hand, or before the files changed, ends well and sends nothing.
    report = run_job("stream_orders", instance=instance)
    assert report.success
    assert not (own_folders / "home" / "kafka").exists(), "no broker is started for nothing"


def remember_a_replay(instance: dg.DagsterInstance) -> None:
    """As if the CSV files of a generated shop had been sent."""
    small = {"ops": {"seeds": {"config": {"customers": 10, "products": 5, "orders": 10}}}}
    assert run_job("generate_seeds", run_config=small).success
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key("topics/customers"), metadata={FINGERPRINT: "of some files"})
    )


def test_an_empty_home_asks_once_for_the_whole_pipeline(own_folders: Path, instance: dg.DagsterInstance) -> None:
    assert first_run.default_status == dg.DefaultSensorStatus.STOPPED
    first = tick(first_run, instance)
    assert len(first.run_requests or ()) == 1
    instance.add_run(dg.DagsterRun("full_pipeline", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED))
    assert "on its way" in str(tick(first_run, instance, first.cursor).skip_reason)
    failed = dg.DagsterInstance.ephemeral()
    assert "made no files" in str(tick(first_run, failed, first.cursor).skip_reason)
    small = {"ops": {"seeds": {"config": {"customers": 10, "products": 5, "orders": 10}}}}
    assert run_job("generate_seeds", run_config=small).success
    filled = tick(first_run, failed, first.cursor)
    assert not filled.run_requests
    shutil.rmtree(own_folders / "data")
    assert tick(first_run, failed, filled.cursor).run_requests, "an emptied folder is filled again"


@pytest.mark.parametrize(("value", "status"), [("yes", "RUNNING"), ("no", "STOPPED"), ("maybe", "STOPPED")])
def test_a_shop_is_kept_open_where_the_settings_say_so(
    monkeypatch: pytest.MonkeyPatch, value: str, status: str
) -> None:
    monkeypatch.setenv("DROPSHIP_LIVE", value)
    assert sensor_status().value == status


def load_orders(instance: dg.DagsterInstance) -> None:
    """From nothing to RAW."""
    for job in ("generate_seeds", "replay_seeds", "load_topics"):
        report = run_job(job, instance=instance)
        assert report.success, (job, report.failed_steps, report.failed_checks)


def test_a_refresh_that_dagster_started_is_not_told_a_second_time(
    platform: Settings, instance: dg.DagsterInstance
) -> None:
    load_orders(instance)
    report = run_job("refresh_prod", instance=instance)
    assert report.success, (report.failed_steps, report.failed_checks)
    event = instance.get_latest_materialization_event(key("prod/orders"))
    assert event is not None
    assert event.asset_materialization is not None
    ours = event.asset_materialization.metadata["graph_run"].value
    told = tick(scheduled_refreshes, instance, warehouse=WarehouseResource(), alerts=AlertResource()).asset_events
    assert ours not in {each.metadata["graph_run"].value for each in told}


@pytest.mark.slow
def test_a_refresh_that_the_schedule_made_is_told_for_every_table_and_once(
    platform: Settings, instance: dg.DagsterInstance
) -> None:
    load_orders(instance)
    deadline = time.monotonic() + 600
    told: list[tuple[object, dg.AssetKey]] = []
    tables = {table.key: table for table in names.WAREHOUSE_TABLES}
    cursor = None
    while key("prod/daily_sales") not in {asset for _, asset in told}:  # its task is the last of the graph
        assert time.monotonic() < deadline, "the warehouse's schedule is a minute"
        time.sleep(2)
        result = tick(scheduled_refreshes, instance, cursor, warehouse=WarehouseResource(), alerts=AlertResource())
        told += [(each.metadata["graph_run"].value, each.asset_key) for each in result.asset_events]
        for each in result.asset_events:
            assert each.metadata["dagster/column_schema"].value.columns
            assert ("dagster/column_lineage" in each.metadata) == (tables[each.asset_key].schema == names.PROD)
        cursor = result.cursor or cursor
    assert len(told) == len(set(told))
    assert {asset for _, asset in told} == {
        key(each.lower().replace(".", "/")) for each in warehouse.TABLE_OF_TASK.values()
    }


def test_the_warehouse_is_asked_after_a_load_and_now_and_then() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    seen = Seen(now - dt.timedelta(days=1), now - dt.timedelta(minutes=1))
    assert Seen.parse(seen.cursor) == seen
    assert not worth_a_look(seen, None, now)
    assert not worth_a_look(seen, now - dt.timedelta(minutes=5), now)
    assert worth_a_look(seen, now - dt.timedelta(minutes=2), now), "the schedule may be refreshing because of it"
    assert worth_a_look(seen, None, now + dt.timedelta(minutes=10))


class _Hook(BaseHTTPRequestHandler):
    """A webhook that remembers what it was told."""

    told: list[dict[str, str]] = []  # noqa: RUF012 - one list for the server of one test

    def do_POST(self) -> None:
        self.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_failed_run_is_told_to_the_webhook_with_reason_and_address(
    own_folders: Path, instance: dg.DagsterInstance
) -> None:
    hook = type("Hook", (_Hook,), {"told": []})
    with HTTPServer(("127.0.0.1", 0), hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bad = {"ops": {"seeds": {"config": {"orders": 10**12}}}}
        job = defs.resolve_job_def("generate_seeds")
        result = job.execute_in_process(instance=instance, run_config=bad, raise_on_error=False)
        assert not result.success
        alerts = AlertResource(webhook=f"http://127.0.0.1:{server.server_port}/secret-path", ui="http://127.0.0.1:3000")
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            resources={"alerts": alerts},
        ).for_run_failure()
        failed_runs(context)
        server.shutdown()
    (told,) = hook.told  # type: ignore[attr-defined]
    assert "generate_seeds failed" in told["text"]
    assert "orders" in told["text"]
    assert f"http://127.0.0.1:3000/runs/{result.run_id}" in told["text"]


def test_a_webhook_that_does_not_answer_is_named_without_its_secret() -> None:
    alerts = AlertResource(webhook="http://127.0.0.1:1/secret-path")
    with pytest.raises(Exception, match=r"at 127\.0\.0\.1 did not take") as caught:
        alerts.send("hello")
    assert "secret-path" not in str(caught.value)


def test_an_alert_never_goes_over_the_network_in_the_clear() -> None:
    with pytest.raises(Exception, match="https"):
        AlertResource(webhook="http://example.com/hook").send("hello")


def test_retention_deletes_old_messages_and_old_reports_and_keeps_the_newest(
    platform: Settings, instance: dg.DagsterInstance
) -> None:
    runs = platform.reports_dir / "runs"
    runs.mkdir(parents=True)
    old, new = runs / "old.json", runs / "new.json"
    for path in (old, new):
        path.write_text("{}")
    os.utime(old, (0, 0))
    report = run_job("retention", instance=instance)
    assert report.success, report.failed_steps
    assert not old.exists()
    assert new.exists()
