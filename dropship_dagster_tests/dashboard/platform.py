"""A small shop that went through the whole pipeline, and the dashboard's server on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dropship_dagster import shop, stream, warehouse
from dropship_dagster.assets.reports.model import CheckOutcome, FailedStep, RunOutcome, ValidationReport
from dropship_dagster.assets.reports.write import write
from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings

MARKUP = '<img src=x onerror="window.hacked=1"> **bold** [link](javascript:alert(1))'
"""The name of the product that sold best: inert wherever it is shown."""


@dataclass(frozen=True)
class Platform:
    """What a test needs to know."""

    settings: Settings
    environment: dict[str, str]
    """What a process needs to see the same platform."""

    def execute(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Run one statement in the warehouse."""
        with warehouse.connect(warehouse_endpoint(self.settings)) as connection:
            return [tuple(row) for row in connection.cursor().execute(sql, values).fetchall()]

    def csv(self, name: str) -> pd.DataFrame:
        """A CSV file of the shop, with its times as times."""
        frame = pd.read_csv(self.settings.data_dir / f"{name}.csv", keep_default_na=False, na_values=[""])
        for column in frame.columns:
            if column.endswith(("_at", "_time")):
                frame[column] = pd.to_datetime(frame[column]).dt.tz_localize(None)
        return frame


def platform_in(home: Path, root: Path) -> Platform:
    """The platform of that home folder, with the database of the settings, and topics and files of its own."""
    environment = {
        "DROPSHIP_ENV_FILE": "",
        "DROPSHIP_HOME": str(home),
        "DROPSHIP_DATA_DIR": str(root / "data"),
        "DROPSHIP_REPORTS_DIR": str(root / "reports"),
        "DROPSHIP_TOPIC_CUSTOMERS": "dashboard_customers",
        "DROPSHIP_TOPIC_PRODUCTS": "dashboard_products",
        "DROPSHIP_TOPIC_ORDERS_EVENTS": "dashboard_orders_events",
    }
    return Platform(Settings.load(**environment), environment)


def run_pipeline(platform: Platform, *, customers: int = 150, products: int = 60, orders: int = 900) -> None:
    """Bring a small shop into PROD."""
    settings = platform.settings
    shop.generate(shop.ShopConfig(customers=customers, products=products, orders=orders, seed=7), settings.data_dir)
    client = kafka_endpoint(settings).client_config
    stream.ensure_topics(client, [stream.TopicSpec(name, 3, 1, -1) for name in settings.topics])
    names = dict(zip(stream.TOPICS, settings.topics, strict=True))
    stream.replay(client, settings.data_dir, topic_names=names)
    endpoint = warehouse_endpoint(settings)
    warehouse.deploy(endpoint)
    warehouse.load(endpoint, client, warehouse.raw_tables(settings))
    warehouse.refresh(endpoint, timeout=120)


def rename_best_product(platform: Platform) -> None:
    """Give the product that sold best a name full of markup."""
    best = "SELECT PRODUCT_ID FROM PROD.V_TOP_PRODUCTS ORDER BY AMOUNT DESC, PRODUCT_ID LIMIT 1"
    platform.execute(f"UPDATE PROD.PRODUCTS SET NAME = ? WHERE PRODUCT_ID = ({best})", MARKUP)


def write_report(platform: Platform) -> None:
    """A report of a run in which one check passed, one warned, one failed, and a step did not end."""
    checks = (
        CheckOutcome("prod/orders", "order_id_is_unique", "passed", "ERROR", "No ORDER_ID occurs twice."),
        CheckOutcome("prod/orders", "total_adds_up", "failed", "ERROR", MARKUP),
        CheckOutcome("prod/customers", "country_is_a_code", "failed", "WARN", "COUNTRY has two letters."),
    )
    steps = (FailedStep("raw", "The broker does not answer."),)
    run = RunOutcome("0" * 36, "full_pipeline", "2026-01-01T00:00:00+00:00", checks, steps, {"raw": 1.0})
    stations = {"seeds": {"customers": 150}, "topics": {"customers": 150}, "raw": {"customers": 149}}
    write(ValidationReport(run, stations, "2026-01-01T00:01:00+00:00"), platform.settings.reports_dir)


def place_order(platform: Platform, order_id: str, seconds_after_newest: int = 60) -> None:
    """A new order, shortly after the newest one."""
    platform.execute(
        """
        INSERT INTO PROD.ORDERS (
          ORDER_ID, CUSTOMER_ID, STATUS, VERSION, PLACED_AT, CHANNEL, COUNTRY, CURRENCY, EXCHANGE_RATE, DISCOUNT,
          SHIPPING_FEE, TOTAL, REFUNDED_AMOUNT, REVENUE, COST, MARGIN, LINE_COUNT, UNITS, LINES_COST, PLACED_VERSION,
          PAID_VERSION, SHIPPED_VERSION, DELIVERED_VERSION, CANCELLED_VERSION, RETURNED_VERSION, UPDATED_AT)
        SELECT ?, 'C0000001', 'PLACED', 1,
          DATEADD('second', ?, COALESCE(n.NEWEST, TO_TIMESTAMP_NTZ('2025-12-31 12:00:00'))),
          'web', 'FR', 'EUR', 1, 0, 0, 100, 0, 100, 60, 40, 1, 1, 60, 1, 0, 0, 0, 0, 0,
          CURRENT_TIMESTAMP()::TIMESTAMP_NTZ
        FROM (SELECT MAX(PLACED_AT) AS NEWEST FROM PROD.ORDERS) n
        """,
        order_id,
        seconds_after_newest,
    )


@contextmanager
def dashboard(platform: Platform, log: Path, script: str = "app.py") -> Iterator[str]:
    """The dashboard's server as its users start it, from either of its entry points; its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", f"streamlit_monitor/{script}"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port), "--server.headless", "true"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env={**os.environ, **platform.environment}, stdout=output, stderr=output
        )
    try:
        _wait_until_healthy(process, f"http://127.0.0.1:{port}/_stcore/health", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the dashboard ended: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the dashboard does not answer: {log.read_text()[-2000:]}")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
