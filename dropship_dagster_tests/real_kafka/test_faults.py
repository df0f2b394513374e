"""Three brokers, three copies, two of which acknowledge: brokers die while the platform produces and consumes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from dropship_dagster import warehouse
from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import CUSTOMERS, ORDERS_EVENTS, PRODUCTS, ProduceReport, StreamError, live, partitions
from dropship_dagster.warehouse.offsets import read_positions
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until
from local_kafka_tests.cluster import KafkaCluster, running_cluster

BROKERS = 3
# Events a second.
RATE = 300
# Rows in RAW after a fault that show that everything goes on: more than was on its way when it struck.
GOES_ON = 2 * RATE
# A cluster elects its leaders anew, on a machine that may have other things to do.
PATIENCE_SECONDS = 180
# The id of a leader where there is none.
NOBODY = -1


@pytest.fixture(scope="module")
def cluster(kafka_classes: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with running_cluster(kafka_classes, tmp_path_factory.mktemp("cluster"), brokers=BROKERS) as cluster:
        yield cluster


@pytest.fixture
def pipeline(cluster: KafkaCluster, database: WarehouseEndpoint) -> Pipeline:
    """Topics with three copies, on brokers that all serve, whatever the test before did to them."""
    start_missing(cluster)
    return Pipeline(cluster.client_config, database, replication=BROKERS)


class Stream:
    """The platform's continuous stream, in the background until it is ended."""

    def __init__(self, pipeline: Pipeline, seeds: Path, state: Path) -> None:
        self._stop = threading.Event()
        self._reports: list[ProduceReport] = []
        self._thread = threading.Thread(target=self._run, args=(pipeline, seeds, state), daemon=True)
        self._thread.start()

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> ProduceReport:
        """Drain it; what it says at its end."""
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        assert self._reports, "the stream did not end, or failed"
        return self._reports[0]

    def _run(self, pipeline: Pipeline, seeds: Path, state: Path) -> None:
        names = {CUSTOMERS: pipeline.customers, PRODUCTS: pipeline.products, ORDERS_EVENTS: pipeline.orders}
        report = live(pipeline.client_config, seeds, rate=RATE, state=state, stop=self._stop, topic_names=names)
        self._reports.append(report)


def kill_a_leader(cluster: KafkaCluster, pipeline: Pipeline) -> None:
    """The broker that leads the first partition of the orders dies, and another one takes over."""
    killed = leader(pipeline)
    assert killed != NOBODY
    cluster.nodes[killed - 1].kill()
    # A stream that is ended before gives up, after its ten seconds, on what nobody could acknowledge.
    wait_until(lambda: leader(pipeline) not in (killed, NOBODY), "a new leader", PATIENCE_SECONDS)


def kill_all_and_start_them_again(cluster: KafkaCluster, pipeline: Pipeline) -> None:
    """Nobody serves for a while, then all brokers do, from what they find on their disks."""
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start()


def start_missing(cluster: KafkaCluster) -> None:
    """Start the brokers that do not run, and wait until all serve."""
    for node in cluster.nodes:
        if not node.runs:
            node.start()
    cluster.wait_for(BROKERS)


def leader(pipeline: Pipeline) -> int:
    """Who leads the first partition of the orders, as any living broker knows it; NOBODY while that is open."""
    try:
        metadata = AdminClient(dict(pipeline.client_config)).list_topics(pipeline.orders, timeout=10)
    except KafkaException:
        return NOBODY
    return int(metadata.topics[pipeline.orders].partitions[0].leader)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([kill_a_leader], id="one"),
        pytest.param([kill_a_leader] * 4, id="one-after-the-other", marks=pytest.mark.slow),
        pytest.param([kill_all_and_start_them_again], id="all", marks=pytest.mark.slow),
    ],
)
def test_brokers_that_die_while_producing_and_consuming_lose_nothing(
    cluster: KafkaCluster,
    pipeline: Pipeline,
    seeds: Path,
    tmp_path: Path,
    faults: Sequence[Callable[[KafkaCluster, Pipeline], None]],
) -> None:
    consumer = pipeline.process(follow=True, flush_seconds=0.2)
    stream = Stream(pipeline, seeds, tmp_path / "state")
    try:
        wait_until(lambda: raw_rows(pipeline) > 0, "the first rows in RAW", PATIENCE_SECONDS)
        for fault in faults:
            fault(cluster, pipeline)
            struck = raw_rows(pipeline)

            def goes_on(struck: int = struck) -> bool:
                assert stream.runs, "the stream has ended"
                assert consumer.popen.poll() is None, f"the consumer has ended: {consumer.wait()}"
                return raw_rows(pipeline) > struck + GOES_ON

            wait_until(goes_on, "more rows after the fault", PATIENCE_SECONDS)
            if len(faults) > 1:
                start_missing(cluster)
        report = stream.end()
        assert (report.acknowledged, report.failed) == (report.sent, 0)
        # By event: of brokers that all died at once, Kafka may store a batch twice that its producer sends again.
        wait_until(lambda: lag(pipeline) == 0, "everything that Kafka holds is loaded", PATIENCE_SECONDS)
        assert raw_events(pipeline) == report.acknowledged, (raw_rows(pipeline), report)
        consumer.signal(signal.SIGTERM)
        consumer.wait()
    except AssertionError:
        consumer.signal(signal.SIGKILL)
        print(*consumer.wait())  # beside the failure: what the consumer waited for
        raise
    finally:
        consumer.kill()
    pipeline.refresh()
    pipeline.assert_sound()


def lag(pipeline: Pipeline) -> int:
    """Offsets in Kafka that the warehouse does not have; -1 while the brokers do not tell."""
    try:
        topics = partitions(pipeline.client_config, pipeline.tables).values()
    except StreamError:
        return -1
    with warehouse.connect(pipeline.endpoint) as connection:
        loaded = {(each.topic_id, each.partition): each.next_offset for each in read_positions(connection)}
    return sum(
        part.high - loaded.get((str(topic.topic_id), part.partition), part.low)
        for topic in topics
        for part in topic.partitions
    )


def raw_rows(pipeline: Pipeline) -> int:
    return _count(pipeline, "*")


def raw_events(pipeline: Pipeline) -> int:
    """Events of the pipeline in RAW, each counted once."""
    return _count(pipeline, "DISTINCT PAYLOAD:event_id::VARCHAR")


def _count(pipeline: Pipeline, what: str) -> int:
    counts = (
        pipeline.value(f"SELECT COUNT({what}) FROM RAW.{table} WHERE TOPIC = ?", topic)
        for topic, table in pipeline.tables.items()
    )
    return sum(map(int, counts))
