"""Kafka -> RAW -> PROD: how fast, in how much memory, how late. Prints a table in Markdown.

    python -m dropship_dagster_tests.benchmarks.load_refresh [--orders 250000] [--rounds 3] [--later 10000]
        [--follow 30] [--grow 1000000 10000000] [--peers]

Starts its own local broker and warehouse in a temporary folder and stops them at the end. The loader runs in a
process of its own, whose peak memory is measured, `--rounds` times, each time into a database of its own. `--peers`
installs dlt from the package index into a temporary environment and lets it load the same topic into DuckDB
(dlt_peer.py) after each of them, so that a machine that becomes slower slows both. `--grow` adds orders to PROD and
their events to STAGING by SQL alone, as copies of those that came through Kafka, each of years before.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dropship_dagster import shop, stream, warehouse
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.supervisor import SERVICES
from dropship_dagster.warehouse import LoadOptions, raw_tables
from dropship_dagster_tests.benchmarks.peers import environment
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline

READ_BY_DLT = {True: "all that RAW keeps of a message", False: "partition, offset, key and value"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=250_000, help="orders of the first load, about four events each")
    parser.add_argument("--rounds", type=int, default=3, help="loads of the same topics, of which the median counts")
    parser.add_argument("--later", type=int, default=10_000, help="events of the second refresh")
    parser.add_argument("--follow", type=float, default=30.0, help="seconds of events one by one; 0 for none")
    parser.add_argument("--grow", type=int, nargs="*", default=[], help="numbers of orders to repeat that refresh at")
    parser.add_argument("--peers", action="store_true", help="measure dlt too; needs a package index")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least one load is measured")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the services are stopped then too
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(DROPSHIP_HOME=Path(folder) / "home", DROPSHIP_DATA_DIR=Path(folder) / "data")
        try:
            for name, value in measure(settings, options):
                print(f"| {name} | {value} |", flush=True)
        finally:
            supervisor(settings).stop(*SERVICES)


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

    loads, peers = rounds(settings, options, kafka, endpoint, tables)
    assert all(load["events"] == events for load in loads)
    speeds = [load["events_per_second"] for load in loads]
    yield f"Kafka -> RAW, committed, {events:,} events", spread(speeds)
    yield "loader's peak memory", f"{max(load['peak_megabytes'] for load in loads):.0f} MB"
    for name, others in peers.items():
        ratio = statistics.median(speeds) / statistics.median(others)
        yield f"dlt {name} of orders_events -> DuckDB", f"{spread(others)}: the loader is {ratio:.2f} times as fast"

    seconds, refreshed = timed(lambda: warehouse.refresh(endpoint, timeout=900))
    yield f"RAW -> PROD, {events:,} events", f"{seconds:.1f} s ({events / seconds:,.0f} events/s)"
    slowest = sorted(refreshed.tasks, key=lambda task: task.seconds or 0)[-4:]
    yield "its slowest tasks", ", ".join(f"{task.task} {task.seconds:.1f} s" for task in reversed(slowest))

    pipeline = Pipeline(kafka.client_config, endpoint)
    refresh = later(pipeline, options.later, 0)
    yield f"a refresh of {options.later:,} events more, into {options.orders:,} orders", f"{refresh:.1f} s"
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
    for step, orders in enumerate(sorted(options.grow), 1):
        grow(pipeline, orders)
        refreshes = [later(pipeline, options.later, 10 * step + again) for again in range(3)]
        yield (
            f"a refresh of {options.later:,} events more, into {orders:,} orders, best of 3",
            f"{min(refreshes):.1f} s",
        )


def rounds(
    settings: Settings,
    options: argparse.Namespace,
    kafka: KafkaEndpoint,
    endpoint: WarehouseEndpoint,
    tables: dict[str, str],
) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """The loader's reports, and dlt's events per second by what it loads; in turn. The endpoint is loaded last."""
    dlt = environment(settings.home / "peers", "dlt[duckdb]", "confluent-kafka", "pyarrow") if options.peers else None
    loads: list[dict[str, Any]] = []
    peers: dict[str, list[float]] = {}
    schedule(endpoint, "SUSPEND")  # the load alone is measured, then the refresh alone
    for number in reversed(range(options.rounds)):
        target = replace(endpoint, database=f"{endpoint.database}_{number}") if number else endpoint
        if number:
            warehouse.deploy(target)
            schedule(target, "SUSPEND")
        loads.append(load_in_process(kafka, target, tables))
        if number:
            with warehouse.connect(endpoint) as connection:
                connection.cursor().execute(f"DROP DATABASE {target.database}")
        if dlt:
            for whole, columns in READ_BY_DLT.items():
                peer = dlt_peer(dlt, dict(kafka.client_config), whole=whole)
                peers.setdefault(f"{peer['dlt']}, {columns}", []).append(peer["events"] / peer["seconds"])
    schedule(endpoint, "RESUME")
    return loads, peers


def spread(speeds: list[float]) -> str:
    """The median of events per second, and between what they were."""
    return f"{statistics.median(speeds):,.0f} events/s ({min(speeds):,.0f} to {max(speeds):,.0f})"


def schedule(endpoint: WarehouseEndpoint, action: str) -> None:
    """SUSPEND or RESUME the task graph's minute."""
    with warehouse.connect(endpoint) as connection:
        connection.cursor().execute(f"ALTER TASK OPS.REFRESH {action}")


def later(pipeline: Pipeline, events: int, part: int) -> float:
    """Seconds of a refresh of so many events: new orders, one in ten of them returned long after by an old order."""
    first, old = part * events, events // 10
    new = [Order(pipeline.id(number)).placed() for number in range(first, first + events - old)]
    with warehouse.connect(pipeline.endpoint) as connection:
        rows = connection.cursor().execute(
            "SELECT ORDER_ID, VERSION FROM PROD.ORDERS WHERE STATUS = 'DELIVERED' ORDER BY MD5(ORDER_ID) LIMIT ?",
            (old,),
        )
        late = [Order(order_id).returned(version=int(version) + 1, refunded="1.00") for order_id, version in rows]
    pipeline.send(pipeline.orders, [*new, *late])
    pipeline.load()
    seconds, _ = timed(pipeline.refresh)
    return float(seconds)


def grow(pipeline: Pipeline, orders: int) -> None:
    """Copy the orders with their lines, steps and events, under other ids and years before, until there are so many."""
    schedule(pipeline.endpoint, "SUSPEND")  # a scheduled run would merge the copied events as well
    with warehouse.connect(pipeline.endpoint) as connection:
        cursor = connection.cursor()
        while (present := cursor.execute("SELECT COUNT(*) FROM PROD.ORDERS").fetchone()[0]) < orders:
            copied = {"ORDER_ID": f"t.ORDER_ID || '+{present}'", "EVENT_ID": "UUID_STRING()"}
            copied |= {name: f"DATEADD('day', -1000, t.{name})" for name in ("PLACED_AT", "ORDERED_AT")}
            copied |= {"KAFKA_OFFSET": f"t.KAFKA_OFFSET + {present * 1_000_000}", "PAYLOAD": "OBJECT_CONSTRUCT()"}
            for table in ("STAGING.ORDER_EVENTS", "PROD.ORDER_LINES", "PROD.ORDER_STATUS_HISTORY", "PROD.ORDERS"):
                names = [column.name for column in cursor.describe(f"SELECT * FROM {table}")]
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(names)}) "
                    f"SELECT {', '.join(copied.get(name, f't.{name}') for name in names)} "
                    f"FROM {table} t JOIN (SELECT ORDER_ID FROM PROD.ORDERS "
                    f"WHERE NOT ENDSWITH(ORDER_ID, '+{present}') ORDER BY ORDER_ID "
                    f"LIMIT {min(present, orders - present)}) some ON some.ORDER_ID = t.ORDER_ID"
                )
        for stream_name in ("ORDERS", "ORDER_LINES", "ORDER_STATUS_HISTORY"):  # read over what was copied
            cursor.execute(
                f"INSERT INTO OPS.LOCKS (NAME) SELECT ORDER_ID FROM STAGING.{stream_name}_STREAM WHERE FALSE"
            )


def dlt_peer(python: Path, client_config: dict[str, str], *, whole: bool) -> dict[str, Any]:
    """What dlt_peer.py says of the same topic."""
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "client_config": client_config, "topic": "orders_events", "folder": folder,
            "database": f"{folder}/peer.duckdb", "whole": whole,
        }  # fmt: skip
        done = subprocess.run(
            [str(python), str(Path(__file__).with_name("dlt_peer.py"))], input=json.dumps(request),
            capture_output=True, text=True, check=True, env={**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"},
        )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def timed(step: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = step()
    return time.monotonic() - began, result


def load_in_process(kafka: KafkaEndpoint, endpoint: WarehouseEndpoint, tables: dict[str, str]) -> dict[str, Any]:
    """The report of the load by a process of its own, with that process's peak memory in MB."""
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
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def follow(pipeline: Pipeline, seconds: float) -> list[float]:
    """Seconds from an event's acknowledgement to its order being seen in PROD, for events sent one by one."""
    stop, latencies = threading.Event(), list[float]()
    sent: dict[str, float] = {}
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
