"""Kafka -> RAW -> PROD: how fast, in how much memory, how late. Prints a table in Markdown.

    python -m dropship_dagster_tests.benchmarks.load_refresh [--orders 250000] [--later 10000] [--follow 30]

Starts its own embedded broker and warehouse in a temporary folder and stops them at the end. The loader runs in a
process of its own, whose peak memory is measured.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dropship_dagster import shop, stream, warehouse
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import LoadOptions, raw_tables
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=250_000, help="orders of the first load, about four events each")
    parser.add_argument("--later", type=int, default=10_000, help="events of the second refresh")
    parser.add_argument("--follow", type=float, default=30.0, help="seconds of events one by one; 0 for none")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the services are stopped then too
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(DROPSHIP_HOME=Path(folder) / "home", DROPSHIP_DATA_DIR=Path(folder) / "data")
        try:
            for name, value in measure(settings, options):
                print(f"| {name} | {value} |", flush=True)
        finally:
            for service in ("kafka", "snowflake"):
                supervisor(settings).stop(service)


def measure(settings: Settings, options: argparse.Namespace) -> Any:
    """Pairs of what was measured and its figure."""
    kafka, endpoint = kafka_endpoint(settings), warehouse_endpoint(settings)
    seconds, report = timed(lambda: warehouse.deploy(endpoint))
    yield f"deployment, {report.statements} statements", f"{seconds:.1f} s"
    tables = raw_tables(settings)
    stream.ensure_topics(kafka.client_config, [stream.TopicSpec(topic, 6) for topic in tables])
    config = shop.ShopConfig(customers=max(1000, options.orders // 20), products=1000, orders=options.orders)
    shop.generate(config, settings.data_dir)
    produced = stream.replay(kafka.client_config, settings.data_dir)
    events = sum(counts.acknowledged for counts in produced.topics.values())

    load, peak = load_in_process(kafka, endpoint, tables)
    assert load["events"] == events
    yield "Kafka -> RAW, committed", f"{load['events_per_second']:,.0f} events/s ({events:,} events)"
    yield "loader's peak memory", f"{peak} MB"

    seconds, refreshed = timed(lambda: warehouse.refresh(endpoint, timeout=900))
    yield f"RAW -> PROD, {events:,} events", f"{seconds:.1f} s ({events / seconds:,.0f} events/s)"
    slowest = sorted(refreshed.tasks, key=lambda task: task.seconds or 0)[-4:]
    yield "its slowest tasks", ", ".join(f"{task.task} {task.seconds:.1f} s" for task in reversed(slowest))

    pipeline = Pipeline(kafka.client_config, endpoint)
    later = [Order(pipeline.id(number)).placed() for number in range(options.later)]
    pipeline.send(pipeline.orders, later)
    pipeline.load()
    seconds, _ = timed(pipeline.refresh)
    yield f"a refresh of {options.later:,} events more, into {options.orders:,} orders", f"{seconds:.1f} s"
    seconds, verified = timed(lambda: warehouse.verify(endpoint, client_config=kafka.client_config, topics=tables))
    assert verified.ok, verified.problems
    yield f"verify, {events + options.later:,} events", f"{seconds:.1f} s"
    if options.follow:
        latencies = follow(pipeline, options.follow)
        p95 = statistics.quantiles(latencies, n=20)[-1]
        yield (
            f"event -> PROD when following, {len(latencies)} events",
            (f"median {statistics.median(latencies):.1f} s, p95 {p95:.1f} s"),
        )


def timed(step: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = step()
    return time.monotonic() - began, result


def load_in_process(
    kafka: KafkaEndpoint, endpoint: WarehouseEndpoint, tables: dict[str, str]
) -> tuple[dict[str, Any], int]:
    """The load's report and its process's peak memory in MB."""
    request = {
        "endpoint": {
            "account": endpoint.account,
            "database": endpoint.database,
            "warehouse": endpoint.warehouse,
            "role": endpoint.role,
            "connect_args": dict(endpoint.connect_args),
        },
        "client_config": dict(kafka.client_config),
        "tables": tables,
    }
    done = subprocess.run(
        [sys.executable, "-m", "dropship_dagster_tests.warehouse.consumer_process"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    return json.loads(done.stdout.splitlines()[-1]), peak


def follow(pipeline: Pipeline, seconds: float) -> list[float]:
    """Seconds from an event's acknowledgement to its order being seen in PROD, for events sent one by one."""
    stop, sent, latencies = threading.Event(), {}, []
    options = LoadOptions(follow=True, refresh=True)
    loader = threading.Thread(
        target=warehouse.load,
        args=(pipeline.endpoint, pipeline.client_config, pipeline.tables, options),
        kwargs={"stop": stop},
    )
    loader.start()
    deadline, number = time.monotonic() + seconds, 0
    with warehouse.connect(pipeline.endpoint) as connection:
        while time.monotonic() < deadline or (sent and time.monotonic() < deadline + 30):
            if time.monotonic() < deadline:
                number += 1
                order_id = pipeline.id(1_000_000 + number)
                pipeline.send(pipeline.orders, [Order(order_id).placed()])
                sent[order_id] = time.monotonic()
            waiting = ", ".join(f"'{order_id}'" for order_id in sent)
            query = f"SELECT ORDER_ID FROM PROD.ORDERS WHERE ORDER_ID IN ({waiting})"
            for (order_id,) in connection.cursor().execute(query).fetchall():
                latencies.append(time.monotonic() - sent.pop(order_id))
            time.sleep(0.2)
    stop.set()
    loader.join()
    return latencies


if __name__ == "__main__":
    main()
