"""The whole pipeline as a user runs it: one command, then Dagster's own, on an empty home."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dropship_dagster import warehouse
from dropship_dagster.endpoints import supervisor, warehouse_endpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster.supervisor import SERVICES

pytestmark = pytest.mark.timeout(600)

ORDERS = 600


class Platform:
    """A home of its own, and the commands run in it."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.reports = root / "reports"
        folders = {
            "DROPSHIP_HOME": str(root / "a home"),
            "DROPSHIP_DATA_DIR": str(self.data),
            "DROPSHIP_REPORTS_DIR": str(self.reports),
        }
        self.env = {**os.environ, **folders, "DROPSHIP_ORDERS": str(ORDERS)}
        self.settings = Settings.load(**folders)

    def run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.env,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with warehouse.connect(warehouse_endpoint(self.settings)) as connection:
            return [tuple(row) for row in connection.cursor().execute(sql).fetchall()]

    def csv(self, name: str) -> list[dict[str, str]]:
        with (self.data / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("pipeline"))
    yield platform
    supervisor(platform.settings).stop(*SERVICES)


@pytest.fixture(scope="module")
def demo(platform: Platform) -> subprocess.CompletedProcess[str]:
    return platform.run("dropship_dagster.cli", "demo")


def prod(platform: Platform) -> dict[str, Any]:
    """Row counts and a hash of every table of PROD, without the columns that tell when a row was written."""
    tables = platform.query(
        "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES "
        "WHERE TABLE_SCHEMA = 'PROD' AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME"
    )
    assert len(tables) >= 7
    content = {}
    for (table,) in tables:
        columns = [
            name
            for (name,) in platform.query(
                "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS "
                f"WHERE TABLE_SCHEMA = 'PROD' AND TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
            )
            if name not in ("UPDATED_AT", "LOADED_AT", "BATCH_ID")
        ]
        rows = platform.query(f"SELECT {', '.join(columns)} FROM PROD.{table}")
        content[table] = sorted(map(repr, rows))
    return content


def test_the_demo_ends_well_and_sums_up(demo: subprocess.CompletedProcess[str], platform: Platform) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Traceback" not in demo.stderr
    for words in ("Rows at each stage", "EUR revenue", "Top products", "Took", "make up"):
        assert words in demo.stdout
    report = json.loads((platform.reports / "validation.json").read_text())
    assert report["ok"] is True
    assert report["summary"]["checks"] == report["summary"]["passed"] > 0


def test_the_totals_of_prod_are_those_of_the_csv_files(
    demo: subprocess.CompletedProcess[str], platform: Platform
) -> None:
    """Folds the files in plain Python, by the definitions of docs/data-contracts.md."""
    assert demo.returncode == 0
    total, day, units, refunds, last = {}, {}, defaultdict(int), defaultdict(Decimal), {}
    for order in platform.csv("orders.csv"):
        total[order["order_id"]] = Decimal(order["total"])
        day[order["order_id"]] = order["ordered_at"][:10]
    lines = platform.csv("order_lines.csv")
    for line in lines:
        units[line["order_id"]] += int(line["quantity"])
    for event in platform.csv("order_events.csv"):
        number = int(event["version"])
        refunds[event["order_id"]] += Decimal(event["refunded_amount"] or 0)
        if number > last.get(event["order_id"], (0, ""))[0]:
            last[event["order_id"]] = (number, event["event_type"])
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    orders_of: dict[str, int] = defaultdict(int)
    for order_id, amount in total.items():
        cancelled = last[order_id][1] == "order_cancelled"
        revenue[day[order_id]] += Decimal(0) if cancelled else amount - refunds[order_id]
        orders_of[day[order_id]] += 1

    assert len(total) == ORDERS
    in_prod = platform.query("SELECT TO_VARCHAR(SALES_DATE), ORDERS, REVENUE FROM PROD.V_DAILY_REVENUE")
    assert {date: (count, Decimal(str(amount))) for date, count, amount in in_prod} == {
        date: (orders_of[date], revenue[date]) for date in orders_of
    }
    [(rows, quantity)] = platform.query("SELECT COUNT(*), SUM(QUANTITY) FROM PROD.ORDER_LINES")
    assert (rows, quantity) == (len(lines), sum(units.values()))
    [(customers, products)] = platform.query(
        "SELECT (SELECT COUNT(*) FROM PROD.CUSTOMERS), (SELECT COUNT(*) FROM PROD.PRODUCTS)"
    )
    assert (customers, products) == (len(platform.csv("customers.csv")), len(platform.csv("products.csv")))


DAGSTER = ("dagster", "job", "execute", "-m", "dropship_dagster.definitions", "-j")
STEPS = (
    (*DAGSTER, "replay_seeds"),
    ("dropship_dagster.cli", "consume"),
    ("dropship_dagster.cli", "refresh"),
)


@pytest.mark.parametrize("commands", [STEPS, pytest.param([(*DAGSTER, "full_pipeline")], marks=pytest.mark.slow)])
def test_running_again_by_dagsters_own_command_changes_nothing_in_prod(
    demo: subprocess.CompletedProcess[str], platform: Platform, commands: Sequence[Sequence[str]]
) -> None:
    assert demo.returncode == 0
    before = prod(platform)
    [(raw,)] = platform.query("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS")
    for command in commands:
        again = platform.run(*command)
        assert again.returncode == 0, again.stderr[-3000:]
    assert prod(platform) == before
    sent = len(platform.csv("order_events.csv"))  # the second run did send and load
    assert platform.query("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == [(raw + sent,)]


def test_verify_decides_and_prints_what_scripts_rely_on(
    demo: subprocess.CompletedProcess[str], platform: Platform
) -> None:
    assert demo.returncode == 0
    result = platform.run("dropship_dagster.cli", "verify", "--json")
    assert result.returncode == 0, result.stderr
    verdict = json.loads(result.stdout)
    assert verdict["ok"] is True
    topic_keys = {"partitions", "first_offset", "next_offset", "broker_end", "raw_rows", "duplicates", "gaps"}
    assert all(topic_keys <= topic.keys() for topic in verdict["topics"].values())
    assert verdict["staging"].keys() == {"accepted", "rejected", "missing", "doubled"}
    assert all({"rows", "expected", "differences"} <= table.keys() for table in verdict["prod"].values())
    assert {"customers", "products", "orders_events"} == verdict["topics"].keys()


def test_new_orders_go_through_step_by_step_from_the_command_line(
    demo: subprocess.CompletedProcess[str], platform: Platform
) -> None:
    assert demo.returncode == 0
    [(before,)] = platform.query("SELECT COUNT(*) FROM PROD.ORDERS")
    produced = platform.run("dropship_dagster.cli", "produce", "stream", "--rate", "100", "--duration", "3", "--json")
    assert produced.returncode == 0, produced.stderr
    sent = json.loads(produced.stdout)
    assert sent["sent"] == sent["acknowledged"] == 300
    consumed = platform.run("dropship_dagster.cli", "consume", "--json")
    assert consumed.returncode == 0, consumed.stderr
    assert json.loads(consumed.stdout)["events"] == 300
    assert platform.run("dropship_dagster.cli", "refresh", "--timeout", "120").returncode == 0
    asked = platform.run("dropship_dagster.cli", "sql", "--json", "SELECT COUNT(*) AS ORDERS FROM PROD.ORDERS")
    assert json.loads(asked.stdout)[0]["ORDERS"] > before
    assert platform.run("dropship_dagster.cli", "verify").returncode == 0


def test_following_brings_events_into_prod_until_it_is_told_to_stop(
    demo: subprocess.CompletedProcess[str], platform: Platform
) -> None:
    assert demo.returncode == 0
    # A second of the stream may hold the next steps of earlier orders alone.
    steps = "SELECT COUNT(*) FROM PROD.ORDER_STATUS_HISTORY"
    [(before,)] = platform.query(steps)
    follower = subprocess.Popen(
        [sys.executable, "-m", "dropship_dagster.cli", "consume", "--follow", "--json"],
        env=platform.env,
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        sent = platform.run("dropship_dagster.cli", "produce", "stream", "--rate", "100", "--duration", "1", "--json")
        deadline = time.monotonic() + 300
        while platform.query(steps) == [(before,)]:
            assert follower.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.5)
        follower.terminate()
        output, _ = follower.communicate(timeout=300)
    finally:
        follower.kill()
    assert follower.returncode == 0
    assert json.loads(output)["events"] == json.loads(sent.stdout)["sent"]


def test_a_mistake_is_one_sentence_that_names_the_thing(platform: Platform) -> None:
    missing = platform.run("dropship_dagster.cli", "produce", "replay", "--dir", "no-such-folder")
    unknown = platform.run("dropship_dagster.cli", "sql", "SELECT * FROM PROD.NO_SUCH_TABLE")
    for result, words in ((missing, "no-such-folder"), (unknown, "NO_SUCH_TABLE")):
        assert result.returncode == 1
        assert result.stderr.startswith("Error: ")
        assert words in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.slow  # short forms: cli/test_own_files.py for the command, automation/test_full_pipeline.py for the check
@pytest.mark.parametrize("by_dagster", [False, True])
def test_a_critical_check_that_fails_ends_the_job_with_1_and_is_named(
    demo: subprocess.CompletedProcess[str], platform: Platform, by_dagster: bool
) -> None:
    assert demo.returncode == 0
    [(order,)] = platform.query("SELECT MIN(ORDER_ID) FROM PROD.ORDERS")
    platform.query(f"DELETE FROM PROD.ORDERS WHERE ORDER_ID = '{order}'")
    if by_dagster:
        assert platform.run(*DAGSTER, "validate").returncode == 1
    else:
        command = platform.run("dropship_dagster.cli", "validate")
        assert command.returncode == 1
        assert "prod/orders" in command.stdout
    report = json.loads((platform.reports / "validation.json").read_text())
    assert report["ok"] is False
