"""The warehouse killed, stopped and away, and the broker too, under load."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from snowflake.connector import errors as snowflake_errors

from dropship_dagster import warehouse as platform
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until
from local_kafka_tests.process import running_broker
from local_service_tests.processors import resident_megabytes


class Server:
    """A local warehouse of the test's own, on one port for its whole life."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.popen = self._start()
        self.port = self.state["port"]

    @property
    def state(self) -> dict[str, object]:
        return json.loads((self.folder / "service.json").read_text())

    def endpoint(self) -> WarehouseEndpoint:
        arguments = {key: self.state[key] for key in ("account", "user", "password", "host", "port", "protocol")}
        return WarehouseEndpoint("dropship", "SHOP", "SHOP_WH", None, arguments)

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(120)

    def start(self) -> None:
        self.popen = self._start()

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            self.popen.wait(120)

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "local_snowflake", "--data-dir", str(self.folder)]
        with (self.folder.parent / "log").open("ab") as log:
            popen = subprocess.Popen(
                [*command, "--port", str(self.port), "--idle-transaction-seconds", "10"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert popen.stdout
        assert popen.stdout.readline().startswith("ready"), (self.folder.parent / "log").read_text()
        return popen


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "data").mkdir()
    server = Server(tmp_path / "data")
    yield server
    server.stop()


@pytest.fixture
def pipeline(server: Server, kafka: KafkaEndpoint) -> Pipeline:
    platform.deploy(server.endpoint())
    return Pipeline(kafka.client_config, server.endpoint())


def orders(pipeline: Pipeline, first: int, count: int) -> list[dict[str, object]]:
    return [
        event
        for n in range(first, first + count)
        for event in (Order(pipeline.id(n)).placed(), Order(pipeline.id(n)).paid())
    ]


@pytest.mark.slow
def test_a_warehouse_that_stalls_and_then_dies_is_waited_for_in_bounded_memory(
    server: Server, pipeline: Pipeline
) -> None:
    consumer = pipeline.process(follow=True, flush_seconds=0.1, batch_events=500)
    try:
        pipeline.send(pipeline.orders, orders(pipeline, 0, 50))
        wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 100, "the first rows")
        server.popen.send_signal(signal.SIGSTOP)
        for first in range(50, 4050, 500):
            pipeline.send(pipeline.orders, orders(pipeline, first, 500))
        time.sleep(2)
        stalled = resident_megabytes(consumer.popen.pid)
        server.kill()
        wait_until(lambda: "state waiting: " in consumer.printed(), "the consumer waits for the warehouse")
        assert resident_megabytes(consumer.popen.pid) < stalled + 50
        assert stalled < 400
        server.start()
        wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 8100, "all rows")
    finally:
        consumer.popen.kill()
        _, out, _ = consumer.wait()
    states = [line for line in out.splitlines() if line.startswith("state ")]
    assert any(state.startswith("state waiting: ") for state in states), out
    assert states[-1] == "state loading"
    pipeline.refresh()
    pipeline.assert_sound(events=8100)


def process_state(pid: int) -> str:
    """The letter of the kernel: T for a process that is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_warehouse_that_stands_still_for_two_minutes_is_caught_up_with(server: Server, pipeline: Pipeline) -> None:
    consumer = pipeline.process(follow=True, flush_seconds=0.1, batch_events=500)
    try:
        pipeline.send(pipeline.orders, orders(pipeline, 0, 50))
        wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 100, "the first rows")
        before = resident_megabytes(consumer.popen.pid)
        server.popen.send_signal(signal.SIGSTOP)
        stood_still, largest = time.monotonic() + 120, before
        sent = 50
        while time.monotonic() < stood_still:
            pipeline.send(pipeline.orders, orders(pipeline, sent, 500))
            sent += 500
            largest = max(largest, resident_megabytes(consumer.popen.pid))
            time.sleep(1)
        assert process_state(server.popen.pid) == "T", "the warehouse did not stand still"
        assert largest < max(400, before + 100)
        server.popen.send_signal(signal.SIGCONT)
        wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 2 * sent, "all rows")
    finally:
        consumer.popen.kill()
        _, out, errors = consumer.wait()
    states = [line for line in out.splitlines() if line.startswith("state ")]
    assert any(state.startswith("state waiting: ") for state in states), (out, errors)
    assert states[-1] == "state loading"
    pipeline.refresh()
    pipeline.assert_sound(events=2 * sent)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_broker_that_stands_still_and_then_dies_is_waited_for(server: Server, tmp_path: Path) -> None:
    platform.deploy(server.endpoint())
    with running_broker(tmp_path / "kafka") as broker:
        pipeline = Pipeline({"bootstrap.servers": broker.bootstrap}, server.endpoint())
        consumer = pipeline.process(follow=True, flush_seconds=0.1, batch_events=500)
        try:
            pipeline.send(pipeline.orders, orders(pipeline, 0, 500))
            wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 1000, "the first rows")
            os.kill(broker.pid, signal.SIGSTOP)
            wait_until(lambda: "state stalled: " in consumer.printed(), "the consumer has noticed")
            assert process_state(broker.pid) == "T", "the broker did not stand still"
            assert consumer.popen.poll() is None
            os.kill(broker.pid, signal.SIGCONT)
            pipeline.send(pipeline.orders, orders(pipeline, 500, 500))
            wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 2000, "what came after it")
            broker.restart()
            pipeline.send(pipeline.orders, orders(pipeline, 1000, 500))
            wait_until(lambda: pipeline.value("SELECT COUNT(*) FROM RAW.ORDERS_EVENTS") == 3000, "the rest")
        finally:
            consumer.popen.kill()
            _, out, errors = consumer.wait()
        states = [line for line in out.splitlines() if line.startswith("state ")]
        assert any(state.startswith("state stalled: Kafka has not answered") for state in states), (out, errors)
        assert states[-1] == "state loading"
        pipeline.refresh()
        pipeline.assert_sound(events=3000)


def kill_the_warehouse(server: Server, pipeline: Pipeline, kills: int) -> None:
    """Kill it while a consumer loads and the graph runs; every statement is all or nothing."""
    moments, broken = random.Random(11), []
    stop = threading.Event()
    sent = [0]

    def load() -> None:
        while not stop.is_set():
            pipeline.send(pipeline.orders, orders(pipeline, sent[0], 20))
            sent[0] += 20
            attempt(lambda: pipeline.load(batch_events=30, patience_seconds=30))

    def refresh() -> None:
        while not stop.is_set():
            attempt(lambda: platform.refresh(pipeline.endpoint, timeout=20))

    def attempt(step: object) -> None:
        try:
            step()  # type: ignore[operator]
        except (DropshipError, snowflake_errors.Error, OSError) as error:
            broken.append(error)
            time.sleep(0.1)

    threads = [threading.Thread(target=step) for step in (load, refresh)]
    for thread in threads:
        thread.start()
    for _ in range(kills):
        before = sent[0]
        wait_until(lambda before=before: sent[0] > before, "something to kill")
        time.sleep(moments.random())
        server.kill()
        server.start()
    stop.set()
    for thread in threads:
        thread.join(300)  # the connector asks up to ten times, with pauses, for a result that the kill has taken away
        assert not thread.is_alive()
    assert broken, "no statement was hit"
    pipeline.load()
    pipeline.refresh()
    pipeline.assert_sound(events=2 * sent[0])


@pytest.mark.timeout(900)
def test_a_warehouse_killed_under_load_and_refresh_keeps_all_or_nothing(server: Server, pipeline: Pipeline) -> None:
    kill_the_warehouse(server, pipeline, 2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_warehouse_killed_twenty_times_keeps_all_or_nothing(server: Server, pipeline: Pipeline) -> None:
    kill_the_warehouse(server, pipeline, 20)
