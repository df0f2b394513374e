"""What `dropship cost` reckons, against a warehouse watched second by second and against the table in docs/."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from dropship_dagster.cli.app import app
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.warehouse.costs import LOADINGS, Traffic, credit_quota, month, runs_a_month, table
from dropship_dagster.warehouse.measured import traffic_of
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline


def seconds_up(every: int, work: int, suspend: int = 60) -> int:
    """A day of a warehouse, second by second: up while it works and until it has rested for `suspend` seconds."""
    up, until = 0, 0
    for second in range(86_400):
        if second % every == 0:
            until = max(until, second + work + suspend)
        up += second < until
    return up


@pytest.mark.parametrize(
    ("schedule", "every"), [("1 MINUTE", 60), ("2 MINUTES", 120), ("15 MINUTES", 900), ("1 HOUR", 3600)]
)
def test_the_hours_are_those_of_a_warehouse_watched_second_by_second(schedule: str, every: int) -> None:
    cost = month(Traffic(0.5, run_seconds=20), schedule, "streaming")
    work = round(20 + 0.5 * every / 5_000)
    assert cost.warehouse_hours == pytest.approx(30 * seconds_up(every, work) / 3600, rel=0.01)


def test_streaming_is_billed_by_the_gigabyte() -> None:
    """1 MB a second, the example of Snowflake's page on costs: 3.6 GB an hour times the rate."""
    cost = month(Traffic(1_000, bytes_per_event=1_000), "1 HOUR", "streaming")
    assert cost.streaming_credits == pytest.approx(3.6 * 0.0037 * 24 * 30, rel=0.001)


def test_a_loader_that_follows_never_lets_the_warehouse_sleep_while_events_come_each_minute() -> None:
    assert month(Traffic(1.0), "1 HOUR", "copy, following").warehouse_hours == 720
    assert month(Traffic(0.0), "1 MINUTE", "copy, following").credits == 0


@pytest.mark.parametrize(
    ("schedule", "runs"),
    [
        ("15 MINUTES", 2_880),
        ("30 SECONDS", 86_400),
        ("TRIGGERED", 86_400),
        ("USING CRON 0 * * * * UTC", 720),
        ("USING CRON */15 8-20 * * * Europe/Paris", 30 * 4 * 13),
        ("USING CRON 0,30 6/6 * * * UTC", 30 * 2 * 3),
    ],
)
def test_a_schedule_comes_round_so_often(schedule: str, runs: int) -> None:
    assert runs_a_month(schedule) == runs


@pytest.mark.parametrize("schedule", ["1 MINUTE", "15 MINUTES", "1 HOUR"])
def test_the_monitor_allows_what_the_schedule_takes_and_no_multiple_of_it(schedule: str) -> None:
    usual = month(Traffic(1.0), schedule, "copy, on the schedule").credits
    assert usual * 1.1 < credit_quota(schedule) < usual * 1.6 + 10


def test_the_documentations_table_is_what_is_reckoned() -> None:
    assert f"\n{table()}\n" in (PROJECT_ROOT / "docs/snowflake.md").read_text()


def test_the_command_prints_a_month_of_each_way_of_loading() -> None:
    result = CliRunner().invoke(app, ["cost", "--json", "--events-per-second", "100", "--schedule", "1 hour"])
    assert result.exit_code == 0
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["schedule"] == "1 HOUR"
    assert [found["loading"] for found in report["months"]] == list(LOADINGS)
    assert report["months"][2]["credits"] == month(Traffic(100), "1 HOUR", "streaming").credits


def test_traffic_is_measured_from_the_loads_and_the_runs(own_pipeline: Pipeline) -> None:
    own_pipeline.send(own_pipeline.orders, [Order(own_pipeline.id(number)).placed() for number in range(40)])
    own_pipeline.load()
    own_pipeline.refresh()
    rows, size = own_pipeline.rows("SELECT SUM(ROWS_LOADED), SUM(BYTES) FROM OPS.LOADS")[0]
    traffic = traffic_of(own_pipeline.endpoint)
    assert traffic.bytes_per_event == pytest.approx(float(size) / float(rows))
    assert 0 < traffic.events_per_second <= 40
    assert 0 < traffic.run_seconds < 600
