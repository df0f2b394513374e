"""The commands on somebody's own CSV files: nothing of them is replaced, and what is left out is said."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dropship_dagster import stream, warehouse
from dropship_dagster.definitions import run_job
from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.shop import ShopConfig, generate
from dropship_dagster.shop.contract import ORDER_EVENTS, ORDER_LINES, ORDERS
from dropship_dagster_tests.resources.fixtures import own_folders, platform

__all__ = ["own_folders", "platform"]

STEPS = ("generate_seeds", "replay_seeds", "load_topics", "refresh_prod")
SMALL = ("--customers", "10", "--products", "5", "--orders", "10")


def dropship(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with the environment of the test."""
    command = [sys.executable, "-m", "dropship_dagster.cli", *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=300, check=False)


def content(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def own_shop(folder: Path, seed: int = 3) -> Path:
    """A folder of somebody's own: the contract's six files without a manifest."""
    generate(ShopConfig(customers=40, products=15, orders=60, seed=seed), folder)
    (folder / "manifest.json").unlink()
    return folder


def new_orders(folder: Path, beside: Path) -> Path:
    """Orders that are not among those of `folder`, of its customers and products, and nothing else."""
    beside.mkdir()
    for table in (ORDERS, ORDER_LINES, ORDER_EVENTS):
        text = (folder / table.file).read_text(encoding="utf-8")
        (beside / table.file).write_text(text.replace("\nO000", "\nO900"), encoding="utf-8")
    return beside


def test_generate_stops_at_own_files_and_overwrite_moves_them(own_folders: Path) -> None:
    folder = own_shop(own_folders / "data")
    before = content(folder)
    done = dropship("generate", *SMALL)
    assert done.returncode == 1
    assert "orders.csv" in done.stderr
    assert "--overwrite" in done.stderr
    assert content(folder) == before
    done = dropship("generate", *SMALL, "--overwrite")
    assert done.returncode == 0, done.stderr
    (backup,) = own_folders.glob("data.replaced-*")
    assert str(backup) in done.stdout
    assert content(backup) == before
    assert (folder / "manifest.json").is_file()


@pytest.mark.timeout(600)
def test_own_files_are_sent_as_they_are(platform: Settings) -> None:
    folder = own_shop(platform.data_dir)
    before = content(folder)
    for job in ("generate_seeds", "replay_seeds"):
        report = run_job(job)
        assert report.success, (report.failed_steps, report.failed_checks)
    assert content(folder) == before
    topics = stream.partitions(kafka_endpoint(platform).client_config, platform.topics).values()
    sent = {topic.name: sum(part.high - part.low for part in topic.partitions) for topic in topics}
    rows = {
        topic: (folder / name).read_text(encoding="utf-8").count("\n") - 1
        for topic, name in zip(platform.topics, ("customers.csv", "products.csv", "order_events.csv"), strict=True)
    }
    assert sent == rows


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("jobs", [STEPS, ("full_pipeline",)])
def test_own_files_go_through_the_whole_pipeline_as_they_are_and_new_orders_after_them(
    platform: Settings, jobs: tuple[str, ...]
) -> None:
    folder = own_shop(platform.data_dir)
    before = content(folder)
    for job in jobs:
        report = run_job(job)
        assert report.success, (report.failed_steps, report.failed_checks)
    assert content(folder) == before
    with warehouse.connect(warehouse_endpoint(platform)) as connection:
        cursor = connection.cursor()
        assert cursor.execute("SELECT COUNT(*) FROM PROD.ORDERS").fetchone() == (60,)

        shop = folder.rename(folder.with_name("shop"))
        new_orders(shop, folder)
        before = content(folder)
        done = dropship("generate", "--check", str(folder))
        assert done.returncode == 0, done.stdout
        assert "customers.csv is not in the folder" in done.stdout
        assert dropship("generate", "--check", str(folder), "--warehouse").returncode == 0
        for job in STEPS:
            report = run_job(job)
            assert report.success, (report.failed_steps, report.failed_checks)
        assert content(folder) == before
        assert cursor.execute("SELECT COUNT(*) FROM PROD.ORDERS").fetchone() == (120,)
        assert cursor.execute("SELECT COUNT(*) FROM PROD.CUSTOMERS").fetchone() == (40,)

        orders = folder / "orders.csv"
        text = orders.read_text(encoding="utf-8")
        orders.write_text(text.replace(",C0000", ",C7777", 1), encoding="utf-8")
        done = dropship("generate", "--check", str(folder), "--warehouse")
        assert done.returncode == 1
        assert "is not known, and customers.csv is not in the folder" in done.stdout

    if jobs != STEPS:
        done = dropship("validate", "--dir", str(shop), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["ok"]
    done = dropship("validate", "--dir", str(shop / "nowhere"))
    assert done.returncode == 1
    assert "is no folder" in done.stderr


def assert_rows_shown(folder: Path, printed: str) -> None:
    """The demo's table has the rows of the folder's files, whoever wrote them."""
    for name in ("customers", "orders", "order_events"):
        rows = (folder / f"{name}.csv").read_text(encoding="utf-8").count("\n") - 1
        assert re.search(rf"CSV\W+{name}\.csv\W+{rows}\b", printed), printed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_demo_uses_own_files_and_says_so(platform: Settings, whole: bool) -> None:
    folder = own_shop(platform.data_dir)
    if not whole:
        (folder / "order_lines.csv").unlink()  # the run ends at its first check
    before = content(folder)
    done = dropship("demo")
    assert done.returncode == (0 if whole else 1), done.stdout + done.stderr
    assert "used as they are" in done.stdout
    assert content(folder) == before
    if not whole:
        return
    assert_rows_shown(folder, done.stdout)
    report = json.loads((platform.reports_dir / "validation.json").read_bytes())
    assert report["stations"]["seeds"]["customers"] == 40
    assert report["stations"]["seeds"]["orders"] == 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_check_that_warns_is_named_and_the_demo_ends_with_0(platform: Settings) -> None:
    folder = own_shop(platform.data_dir)
    generate(ShopConfig(customers=40, products=15, orders=60, seed=3), folder.with_name("same"))
    (folder.with_name("same") / "manifest.json").rename(folder / "manifest.json")
    customers = folder / "customers.csv"
    text = customers.read_text(encoding="utf-8")
    city = text.splitlines()[1].split(",")[4]
    customers.write_text(text.replace(f",{city},", ",Elsewhere,", 1), encoding="utf-8")
    before = content(folder)
    done = dropship("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Checks: \d+ of \d+ passed, \d+ warned", done.stdout)
    assert re.search(r"warned seeds/customers \w+: .*customers\.csv was changed since it was generated", done.stdout)
    assert content(folder) == before, "a generated folder that was edited by hand stays as it is"
    assert_rows_shown(folder, done.stdout)


def test_replay_sends_the_rest_and_ends_with_1_when_rows_were_left_out(platform: Settings) -> None:
    folder = own_shop(platform.data_dir)
    events = folder / "order_events.csv"
    text = events.read_text(encoding="utf-8")
    with events.open(encoding="utf-8") as file:
        shipped = next(row for row in csv.DictReader(file) if row["event_type"] == "order_shipped")
    events.write_text(text.replace(f",{shipped['carrier']},{shipped['tracking_number']},", ",,,", 1), encoding="utf-8")
    done = dropship("produce", "replay", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["rejected_rows"] == 1
    assert report["acknowledged"] == text.count("\n") - 1 + 40 + 15 - 1
    done = dropship("produce", "replay")
    assert done.returncode == 1
    assert "1 CSV rows were left out" in done.stdout
    assert "carrier, tracking_number: carrier: carrier is missing; tracking_number: tracking_number" in done.stdout


@pytest.mark.parametrize("share", ["0.05", "0.5"])
def test_the_share_of_bad_rows_is_an_option(platform: Settings, share: str) -> None:
    folder = own_shop(platform.data_dir)
    customers = folder / "customers.csv"
    header, *rows = customers.read_text(encoding="utf-8").splitlines(keepends=True)
    customers.write_text(header + "".join(["x\n"] * 10 + rows[10:]), encoding="utf-8")
    done = dropship("produce", "replay", "--reject-share", share, "--json")
    assert done.returncode == 1
    if share == "0.5":
        assert json.loads(done.stdout)["rejected_rows"] == 10
    else:
        assert "--reject-share" in done.stderr
    orders = [
        line for line in dropship("generate", "--check", str(folder)).stdout.splitlines() if "orders.csv:" in line
    ]
    assert orders, "their customers are gone"
    assert dropship("generate", "--check", str(folder), "--reject-share", "1").returncode == 0
