"""What a consumer shows while it loads: metrics for Prometheus, JSON for a log collector, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dropship_dagster import logs
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse.metrics import LoadMetrics, served
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until

CANARY = 'canary-"1b\\9'


def scraped(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and label values, labels in the order of their names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def lag(values: dict[tuple[str, tuple[str, ...]], float], topic: str) -> float:
    return sum(value for (name, labels), value in values.items() if name == "dropship_lag_events" and topic in labels)


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def consume(pipeline: Pipeline, *arguments: str) -> subprocess.Popen[str]:
    """`dropship consume` on the pipeline's topics and database, as an operator runs it."""
    account = pipeline.endpoint.connect_args
    environment = {
        **os.environ,
        "DROPSHIP_LOG_FORMAT": "json",
        "KAFKA_BOOTSTRAP_SERVERS": pipeline.client_config["bootstrap.servers"],
        "KAFKA_SSL_KEY_PASSWORD": CANARY,  # of no use on a plain connection, and a secret all the same
        "DROPSHIP_TOPIC_CUSTOMERS": pipeline.customers,
        "DROPSHIP_TOPIC_PRODUCTS": pipeline.products,
        "DROPSHIP_TOPIC_ORDERS_EVENTS": pipeline.orders,
        "DROPSHIP_TOPIC_PARTITIONS": str(pipeline.partitions),
        "SNOWFLAKE_ACCOUNT": account["account"],
        "SNOWFLAKE_USER": account["user"],
        "SNOWFLAKE_PASSWORD": account["password"],
        "SNOWFLAKE_HOST": account["host"],
        "SNOWFLAKE_PORT": str(account["port"]),
        "SNOWFLAKE_PROTOCOL": account["protocol"],
        "SNOWFLAKE_DATABASE": pipeline.endpoint.database,
        "SNOWFLAKE_WAREHOUSE": pipeline.endpoint.warehouse,
    }
    command = [sys.executable, "-m", "dropship_dagster.cli", "consume", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_a_following_consumer_shows_lag_rate_seconds_and_logs_in_json(pipeline: Pipeline) -> None:
    port = free_port()
    consumer = consume(pipeline, "--follow", "--metrics-port", str(port))
    try:

        def loaded(events: int) -> Any:
            try:
                values = scraped(port)
            except OSError:
                assert consumer.poll() is None, consumer.communicate()
                return None
            return values if values.get(("dropship_loaded_events_total", (pipeline.orders,))) == events else None

        pipeline.send(pipeline.orders, [Order(pipeline.id(number)).placed() for number in range(20)])
        values = wait_until(lambda: loaded(20), "20 events in the metrics")
        assert values["dropship_kafka_up", ()] == 1
        assert values["dropship_loading", ()] == 1
        assert values["dropship_batch_seconds_count", ("copy", pipeline.orders)] >= 1
        assert values["dropship_batch_seconds_sum", ("copy", pipeline.orders)] > 0
        assert values["dropship_last_commit_timestamp_seconds", (pipeline.orders,)] > 1.7e9
        assert values["dropship_warehouse_retries_total", ()] == 0
        offsets = [value for (name, labels), value in values.items() if name == "dropship_next_offset"]
        assert len(offsets) == 3 * pipeline.partitions
        assert sum(offsets) == 20
        wait_until(lambda: lag(scraped(port), pipeline.orders) == 0, "no lag")
    finally:
        consumer.send_signal(signal.SIGTERM)
        _, errors = consumer.communicate(timeout=300)
    assert consumer.returncode == 0, errors
    assert CANARY not in errors
    assert pipeline.endpoint.connect_args["password"] not in errors
    lines = [json.loads(line) for line in errors.splitlines()]
    commits = [line for line in lines if "batch_id" in line]
    assert sum(line["rows"] for line in commits) == 20
    assert {line["run_id"] for line in lines} == {commits[0]["run_id"]}
    batches = pipeline.rows("SELECT BATCH_ID FROM OPS.LOADS WHERE RUN_ID = ?", commits[0]["run_id"])
    assert {line["batch_id"] for line in commits} == {batch for (batch,) in batches}
    assert all(part["to"] > part["from"] >= 0 for line in commits for part in line["ranges"])


def test_the_lag_is_what_kafka_holds_beyond_what_was_loaded(pipeline: Pipeline) -> None:
    metrics = LoadMetrics(pipeline.client_config)
    pipeline.send(pipeline.orders, [Order(pipeline.id(number)).placed() for number in range(12)], partition=1)
    metrics.planned({(pipeline.orders, 0): 0, (pipeline.orders, 1): 5})
    with served(metrics, 0) as port:
        values = scraped(port)
    assert values["dropship_lag_events", ("1", pipeline.orders)] == 7
    assert values["dropship_lag_events", ("0", pipeline.orders)] == 0


def test_without_kafka_the_other_metrics_are_still_there_and_the_lag_is_not_invented() -> None:
    metrics = LoadMetrics({"bootstrap.servers": "127.0.0.1:9"})
    metrics.planned({("orders", 0): 5})
    metrics.retrying("gone", 1.0)
    metrics.entered("waiting: gone")
    with served(metrics, 0) as port:
        values = scraped(port)
    assert values["dropship_kafka_up", ()] == 0
    assert values["dropship_next_offset", ("0", "orders")] == 5
    assert values["dropship_warehouse_retries_total", ()] == 1
    assert values["dropship_loading", ()] == 0
    assert ("dropship_lag_events", ("0", "orders")) not in values


def test_a_taken_metrics_port_is_named_with_the_fix() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(DropshipError, match=rf"127\.0\.0\.1:{port} .*--metrics-port"),
            served(LoadMetrics({"bootstrap.servers": "127.0.0.1:9"}), port),
        ):
            pass


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_redacted_from_messages_fields_and_tracebacks(
    form: logs.LogFormat, monkeypatch: pytest.MonkeyPatch, untouched_logging: None
) -> None:
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", CANARY)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "kafka-canary")
    stream = io.StringIO()
    logs.configure(form, secrets=Settings.load().secrets, fields={"service": "test"}, stream=stream)
    logger = logging.getLogger("dropship.test")
    error = ValueError(f"refused {CANARY}")
    logger.error("Not with %s", "kafka-canary", extra={"detail": {"deep": [CANARY, 3]}}, exc_info=error)
    text = stream.getvalue()
    assert "canary" not in text
    assert "***" in text
    if form == "json":
        entry = json.loads(text)
        assert (entry["service"], entry["level"], entry["detail"]) == ("test", "ERROR", {"deep": ["***", 3]})
        assert "ValueError: refused ***" in entry["exception"]
