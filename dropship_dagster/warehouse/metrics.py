"""Prometheus metrics of a consumer, on an HTTP port of its own: http://host:port/metrics.

Counters and histograms move with the loader's commits. The lag is asked of Kafka when somebody scrapes, so a consumer
that hangs shows the lag growing instead of the last value it had.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dropship_dagster.errors import DropshipError
from dropship_dagster.stream import StreamError, partitions
from dropship_dagster.stream.client import ClientConfig
from dropship_dagster.stream.topics import Partition
from dropship_dagster.warehouse.commit import Committed
from dropship_dagster.warehouse.observer import LoadObserver

logger = logging.getLogger("dropship.metrics")

DEFAULT_HOST = "127.0.0.1"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_EVENTS = (1, 10, 100, 1_000, 10_000, 50_000, 100_000, 250_000, 500_000)
_ASK_AGAIN_SECONDS = 1.0
# Below the ten seconds that a scraper waits for an answer: a Kafka that is away must not take the other figures along.
_PATIENCE_SECONDS = 3.0


class LoadMetrics(LoadObserver):
    """The figures of one consumer, in a registry of their own."""

    def __init__(self, client_config: ClientConfig) -> None:
        self.registry = CollectorRegistry()
        by_topic = ("topic",)
        self._events = Counter("dropship_loaded_events", "Messages committed to RAW", by_topic, registry=self.registry)
        self._bytes = Counter(
            "dropship_loaded_bytes", "Bytes of keys and values committed", by_topic, registry=self.registry
        )
        self._batches = Counter("dropship_loaded_batches", "Batches committed", by_topic, registry=self.registry)
        self._batch_events = Histogram(
            "dropship_batch_events", "Messages a batch", by_topic, buckets=_EVENTS, registry=self.registry
        )
        self._seconds = Histogram(
            "dropship_batch_seconds",
            "Seconds a batch spent in each stage",
            ("topic", "stage"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._retries = Counter(
            "dropship_warehouse_retries", "Attempts that the warehouse failed in passing", registry=self.registry
        )
        self._loading = Gauge(
            "dropship_loading", "1 while loading, 0 while waiting for the warehouse or Kafka", registry=self.registry
        )
        self._last_commit = Gauge(
            "dropship_last_commit_timestamp_seconds", "Unix time of the newest commit", by_topic, registry=self.registry
        )
        self._loading.set(1)
        self._lag = _Lag(client_config)
        self.registry.register(self._lag)
        ProcessCollector(registry=self.registry)

    def close(self) -> None:
        """Ask Kafka no more."""
        self._lag.close()

    def planned(self, positions: Mapping[Partition, int]) -> None:
        self._lag.start_at(positions)

    def committed(self, committed: Committed) -> None:
        batch = committed.batch
        topic = batch.topic.name
        self._bytes.labels(topic).inc(batch.size)
        self._batches.labels(topic).inc()
        self._batch_events.labels(topic).observe(batch.rows)
        for stage, seconds in (
            ("fetch", batch.fetch_seconds),
            ("encode", batch.encode_seconds),
            ("put", committed.put_seconds),
            ("copy", committed.copy_seconds),
        ):
            self._seconds.labels(topic, stage).observe(seconds)
        self._last_commit.labels(topic).set_to_current_time()
        self._lag.move({(topic, covered.partition): covered.end for covered in batch.ranges})
        self._events.labels(topic).inc(batch.rows)  # last: who scrapes in between finds no message without the rest

    def retrying(self, reason: str, seconds: float) -> None:
        self._retries.inc()

    def entered(self, state: str) -> None:
        # A refresh that failed is told as a state too; the loading goes on beside it.
        self._loading.set(0 if state.startswith(("waiting", "stalled")) else 1)


class _Lag(Collector):
    """What the broker holds beyond what the warehouse has, for this consumer's partitions, asked when scraped."""

    def __init__(self, client_config: ClientConfig) -> None:
        self._client_config = client_config
        self._lock = threading.Lock()
        self._positions: dict[Partition, int] = {}
        self._asking = threading.Lock()
        self._asker = ThreadPoolExecutor(1, "lag")
        self._answer: Future[dict[Partition, int]] | None = None
        self._answered_at = -math.inf

    def start_at(self, positions: Mapping[Partition, int]) -> None:
        """Watch exactly these partitions."""
        with self._lock:
            self._positions = dict(positions)

    def move(self, positions: Mapping[Partition, int]) -> None:
        """They were loaded up to before these offsets."""
        with self._lock:
            self._positions.update(positions)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            positions = dict(self._positions)
        ends = self._ask({topic for topic, _ in positions})
        yield GaugeMetricFamily(
            "dropship_kafka_up", "Whether Kafka said where the topics end", 0 if ends is None else 1
        )
        labels = ("topic", "partition")
        offsets = GaugeMetricFamily("dropship_next_offset", "The next offset to load", labels=labels)
        lag = GaugeMetricFamily("dropship_lag_events", "Offsets in Kafka that are not in RAW yet", labels=labels)
        for (topic, partition), position in sorted(positions.items()):
            offsets.add_metric((topic, str(partition)), position)
            if ends is not None and (topic, partition) in ends:
                lag.add_metric((topic, str(partition)), max(0, ends[topic, partition] - position))
        yield offsets
        yield lag

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not ask Kafka."""
        return []

    def close(self) -> None:
        """Ask no more."""
        self._asker.shutdown(wait=False, cancel_futures=True)

    def _ask(self, topics: set[str]) -> dict[Partition, int] | None:
        """Where the partitions end; None when Kafka does not say so soon. Several scrapers at once ask once."""
        with self._asking:
            fresh = time.monotonic() - self._answered_at < _ASK_AGAIN_SECONDS
            if self._answer is None or (self._answer.done() and not fresh):
                self._answer = self._asker.submit(self._ends, topics)
            try:
                return self._answer.result(_PATIENCE_SECONDS)
            except StreamError as error:
                logger.warning("The lag is unknown: %s", error)
            except TimeoutError:
                logger.warning("The lag is unknown: Kafka has not answered yet.")
            return None

    def _ends(self, topics: set[str]) -> dict[Partition, int]:
        try:
            found = partitions(self._client_config, sorted(topics))
        finally:
            self._answered_at = time.monotonic()
        return {(name, part.partition): part.high for name, topic in found.items() for part in topic.partitions}


@contextmanager
def served(metrics: LoadMetrics, port: int, host: str = DEFAULT_HOST) -> Iterator[int]:
    """Serve the metrics while the block runs; gives the port (a free one for 0).

    Raises:
        DropshipError: the port is taken.
    """
    try:
        server, thread = start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise DropshipError(
            f"The metrics cannot be served on {host}:{port} ({error.strerror}): free the port or name another with "
            "--metrics-port."
        ) from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        metrics.close()
