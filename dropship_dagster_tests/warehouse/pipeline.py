"""A pipeline of a test's own: topics nobody else uses, loaded into a deployed database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from dropship_dagster import warehouse
from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import TopicSpec, ensure_topics, partitions
from dropship_dagster.warehouse import LoadOptions, LoadReport, RefreshReport, VerifyReport
from dropship_dagster_tests.warehouse.events import encode

Event = Mapping[str, Any] | bytes | None


@dataclass
class Pipeline:
    """Topics, the RAW tables they go to, and every step from sending to verifying."""

    client_config: Mapping[str, str]
    endpoint: WarehouseEndpoint
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")
    partitions: int = 3
    replication: int = 1

    def __post_init__(self) -> None:
        self.customers, self.products, self.orders = (
            f"{self.name}_{kind}" for kind in ("customers", "products", "orders_events")
        )
        self.tables = {self.customers: "CUSTOMERS", self.products: "PRODUCTS", self.orders: "ORDERS_EVENTS"}
        self.make_topics()

    def id(self, number: int, prefix: str = "O") -> str:
        """An identifier that no other test uses."""
        return f"{prefix}{self.name}{number:06d}"

    def make_topics(self) -> None:
        ensure_topics(
            self.client_config, [TopicSpec(topic, self.partitions, self.replication) for topic in self.tables]
        )

    def delete_topic(self, topic: str) -> None:
        admin = AdminClient(dict(self.client_config))
        admin.delete_topics([topic])[topic].result(120)

    def add_partitions(self, topic: str, count: int) -> None:
        admin = AdminClient(dict(self.client_config))
        admin.create_partitions([NewPartitions(topic, count)])[topic].result(120)

    def send(self, topic: str, events: Sequence[Event], *, partition: int | None = None, **message: Any) -> None:
        """Events, bytes or None (a tombstone), acknowledged when this returns; keyed by the entity."""
        producer = Producer({**self.client_config, "enable.idempotence": "true", "linger.ms": "5"})
        failed: list[str] = []
        for event in events:
            value = encode(dict(event)) if isinstance(event, Mapping) else event
            key = _key(event)
            place = {} if partition is None else {"partition": partition}
            producer.produce(
                topic,
                value,
                key,
                on_delivery=lambda error, _: failed.append(str(error)) if error else None,
                **place,
                **message,
            )
            producer.poll(0)
        assert producer.flush(120) == 0
        assert not failed

    def load(self, **options: Any) -> LoadReport:
        return warehouse.load(self.endpoint, self.client_config, self.tables, LoadOptions(**options))

    def refresh(self) -> RefreshReport:
        return warehouse.refresh(self.endpoint, timeout=600)

    def verify(self) -> VerifyReport:
        return warehouse.verify(self.endpoint, client_config=self.client_config, topics=self.tables)

    def assert_loaded(self, events: int) -> None:
        """The first part of the invariant, which needs no refresh: what the broker holds is in RAW once."""
        ids = {topic.topic_id: topic for topic in partitions(self.client_config, self.tables).values()}
        ends = sum(part.high for topic in ids.values() for part in topic.partitions)
        rows = [
            row
            for row in self.rows(
                "SELECT TOPIC, RAW_ROWS, DUPLICATES, GAPS, OUT_OF_RANGE, NEXT_OFFSET FROM OPS.LOADED_PARTITIONS"
            )
            if str(row[0]).startswith(self.name)
        ]
        assert all(duplicates == gaps == 0 and not stray for _, _, duplicates, gaps, stray, _ in rows), rows
        assert sum(row[1] for row in rows) == events
        assert sum(row[5] for row in rows) >= ends

    def assert_sound(self, events: int | None = None) -> VerifyReport:
        """The invariant: everything acknowledged is in RAW once, staged once, and PROD is its fold."""
        report = self.verify()
        assert report.ok, report.problems
        mine = [verdict for name, verdict in report.topics.items() if name.startswith(self.name)]
        assert all(verdict.lag == 0 for verdict in mine), mine
        if events is not None:
            assert sum(verdict.raw_rows for verdict in mine) == events
        return report

    def rows(self, sql: str, *bound: Any) -> list[tuple[Any, ...]]:
        with warehouse.connect(self.endpoint) as connection:
            return connection.cursor().execute(sql, bound).fetchall()

    def value(self, sql: str, *bound: Any) -> Any:
        return self.rows(sql, *bound)[0][0]

    def order(self, order_id: str) -> dict[str, Any]:
        """The row of PROD.ORDERS."""
        with warehouse.connect(self.endpoint) as connection:
            cursor = connection.cursor().execute("SELECT * FROM PROD.ORDERS WHERE ORDER_ID = ?", (order_id,))
            names = [column.name for column in cursor.description]
            found = cursor.fetchall()
        assert len(found) == 1
        return dict(zip(names, found[0], strict=True))

    def process(self, **options: Any) -> ConsumerProcess:
        """A consumer in a process of its own."""
        return ConsumerProcess(self, options)


class ConsumerProcess:
    """`consumer_process` as a subprocess that can be stopped, continued and killed."""

    def __init__(self, pipeline: Pipeline, options: Mapping[str, Any]) -> None:
        request = {
            "endpoint": {
                "account": pipeline.endpoint.account,
                "database": pipeline.endpoint.database,
                "warehouse": pipeline.endpoint.warehouse,
                "role": pipeline.endpoint.role,
                "connect_args": dict(pipeline.endpoint.connect_args),
            },
            "client_config": dict(pipeline.client_config),
            "tables": pipeline.tables,
            **options,
        }
        self._output = tempfile.NamedTemporaryFile(prefix="consumer-")  # noqa: SIM115 it goes when this object does
        with Path(self._output.name).open("w") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "dropship_dagster_tests.warehouse.consumer_process"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        assert self.popen.stdin
        self.popen.stdin.write(json.dumps(request))
        self.popen.stdin.close()
        self.popen.stdin = None

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, timeout: float = 300) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        _, errors = self.popen.communicate(timeout=timeout)
        return self.popen.returncode, self.printed(), errors

    def printed(self) -> str:
        """What it has written so far."""
        return Path(self._output.name).read_text()

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate(timeout=120)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 300) -> Any:
    """The condition's value once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def _key(event: Event) -> bytes | None:
    if not isinstance(event, Mapping):
        return b"?"
    for name in ("order_id", "customer_id", "product_id"):
        if name in event:
            return str(event[name]).encode()
    return b"?"
