"""Clients that keep their state in compacted topics: each is stopped, loses what it has on its disk, and goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from local_kafka_tests.apache import JAVA, class_path, unavailable
from local_kafka_tests.clients import TIMEOUT, consumer, create_topic, read_all, read_until
from local_kafka_tests.contract.requests import describe_configs
from local_kafka_tests.process import BrokerProcess, running_broker
from local_kafka_tests.raw import RawClient
from local_service_tests.free_ports import free_ports

FOLDER = Path(__file__).parent
SECONDS = 180
OFTEN = ("--compaction-check-ms", "200")


@pytest.fixture
def eager(tmp_path: Path) -> Iterator[BrokerProcess]:
    with running_broker(tmp_path / "kafka", *OFTEN) as process:
        yield process


@pytest.fixture(scope="session")
def stateful_classes(request: pytest.FixtureRequest) -> str:
    """Kafka Connect and Kafka Streams."""
    cache = request.config.cache
    assert cache is not None
    return class_path(cache.mkdir("kafka-java-stateful"), FOLDER / "pom-stateful.xml")


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[None]:
    """A program that ends in order with the block; its log is told where the block fails."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()[-3000:]
        process.terminate()
        process.wait(SECONDS)
    except BaseException:
        print(log.read_text()[-5000:])
        raise
    finally:
        process.kill()
        process.wait()


def wait_for(true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def send(bootstrap: str, topic: str, keys: list[str]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for key in keys:
        producer.produce(topic, b"1", key=key.encode())
    assert producer.flush(TIMEOUT) == 0


def counted(bootstrap: str, topic: str) -> dict[str, int]:
    """The newest count of each key."""
    return {m.key().decode(): int(m.value()) for m in read_all(bootstrap, topic) if m.value() is not None}


def count_twice(eager: BrokerProcess, command: Sequence[str], state: Path, log: Path) -> None:
    """Count, lose the state on the disk, and go on counting with what the changelog has."""
    keys = [f"word-{number % 7}" for number in range(500)]
    for runs in (1, 2):
        with running(command, log):
            send(eager.bootstrap, "words", keys)
            expected = {key: count * runs for key, count in Counter(keys).items()}
            wait_for(lambda expected=expected: counted(eager.bootstrap, "counts") == expected)
        shutil.rmtree(state)
        eager.restart()


@pytest.mark.slow
@pytest.mark.apache_kafka
def test_kafka_streams_restores_its_store(stateful_classes: str, eager: BrokerProcess, tmp_path: Path) -> None:
    if shutil.which("javac") is None:
        unavailable("Kafka Streams needs a compiler (apt-get install openjdk-17-jdk-headless)")
    for topic in ("words", "counts"):
        create_topic(eager.bootstrap, topic)
    state = tmp_path / "state"
    command = [*JAVA, "-cp", stateful_classes, str(FOLDER / "Counts.java"), eager.bootstrap, str(state)]
    count_twice(eager, command, state, tmp_path / "streams.log")
    with RawClient(eager.bootstrap) as client:
        found = describe_configs(client, "counts-store-changelog", "cleanup.policy")
    assert found == {"cleanup.policy": ("compact", 1)}


QUIX = """
import sys
from quixstreams import Application

application = Application(
    broker_address=sys.argv[1], consumer_group="counts", state_dir=sys.argv[2], auto_offset_reset="earliest",
    commit_interval=0.2, loglevel="INFO",
)
words = application.topic("words", key_deserializer="str", value_deserializer="bytes")
counts = application.topic("counts", key_serializer="str", value_serializer="str")

def count(_, state):
    number = state.get("count", 0) + 1
    state.set("count", number)
    return str(number)

application.dataframe(words).apply(count, stateful=True).to_topic(counts)
application.run()
"""


@pytest.mark.slow
def test_quixstreams_restores_its_state(
    request: pytest.FixtureRequest, eager: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = request.config.cache
    assert cache is not None
    packages = cache.mkdir("quixstreams-3.28") / "packages"
    if not packages.exists():
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(packages)]
        done = subprocess.run([*install, "quixstreams==3.28.1"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(packages, ignore_errors=True)
            unavailable(f"quixstreams cannot be installed: {done.stderr[-300:]}")
    monkeypatch.setenv("PYTHONPATH", str(packages))
    for topic in ("words", "counts"):
        create_topic(eager.bootstrap, topic)
    state = tmp_path / "state"
    command = [sys.executable, "-c", QUIX, eager.bootstrap, str(state)]
    count_twice(eager, command, state, tmp_path / "quixstreams.log")


@pytest.mark.slow
@pytest.mark.apache_kafka
def test_connect_keeps_connectors_and_offsets(stateful_classes: str, eager: BrokerProcess, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    source, sink, settings = tmp_path / "source.txt", tmp_path / "sink.txt", tmp_path / "connect.properties"
    converter = "org.apache.kafka.connect.storage.StringConverter"
    lines = [
        f"bootstrap.servers={eager.bootstrap}",
        "group.id=connect",
        *(f"{side}.converter={converter}" for side in ("key", "value")),
        *(f"{what}.storage.topic=connect-{what}" for what in ("config", "offset", "status")),
        *(f"{what}.storage.replication.factor=1" for what in ("config", "offset", "status")),
        "offset.flush.interval.ms=500",
        "plugin.discovery=only_scan",
        f"listeners=HTTP://127.0.0.1:{port}",
    ]
    settings.write_text("\n".join(lines))
    command = [*JAVA, "-cp", stateful_classes, "org.apache.kafka.connect.cli.ConnectDistributed", str(settings)]
    connectors = {
        "source": {"connector.class": "FileStreamSource", "file": str(source), "topic": "lines"},
        "sink": {"connector.class": "FileStreamSink", "file": str(sink), "topics": "lines"},
    }
    create_topic(eager.bootstrap, "lines")
    written: list[str] = []
    for run in range(2):
        with running(command, tmp_path / "connect.log"):
            wait_for(lambda: ask(port, "/connectors") is not None)
            if run == 0:
                for name, config in connectors.items():
                    # Refused while the workers' group settles.
                    path = f"/connectors/{name}/config"
                    wait_for(lambda path=path, config=config: ask(port, path, config) is not None)
            more = [f"line {run} {number}" for number in range(300)]
            with source.open("a") as file:
                file.write("".join(f"{line}\n" for line in more))
            written += more
            # What a restart doubled would be there twice.
            wait_for(partial(_has_lines, sink, list(written)))
            wait_for(lambda: offset_of(eager.bootstrap) == source.stat().st_size)
        eager.restart()
    assert [m.value().decode() for m in read_all(eager.bootstrap, "lines")] == written


def _has_lines(path: Path, lines: list[str]) -> bool:
    return path.exists() and path.read_text().splitlines() == lines


def ask(port: int, path: str, body: object = None) -> object:
    """What Connect answers; None while it does not serve."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=data,
        headers={"Content-Type": "application/json"},
        method="GET" if body is None else "PUT",
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())
    except OSError:
        return None


def offset_of(bootstrap: str) -> int:
    """How far Connect says that it has read the file."""
    found = [json.loads(m.value()) for m in read_all(bootstrap, "connect-offset", 25) if m.value()]
    return max((each["position"] for each in found), default=-1)


def test_a_registry_keeps_its_schemas_in_one_compacted_partition(eager: BrokerProcess) -> None:
    """As schema registries do: a compacted topic of one partition is the store, read to its end at each start."""
    settings = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0", "internal_segment_bytes": "2000"}
    create_topic(eager.bootstrap, "_schemas", **settings)
    producer = Producer({"bootstrap.servers": eager.bootstrap, "acks": "all", "batch.size": 1500})
    store: dict[str, object] = {}
    for number in range(200):
        subject = {"keytype": "SCHEMA", "subject": f"topic-{number % 9}-value", "version": 1, "magic": 1}
        key = json.dumps(subject)
        if number % 31 == 30:
            store.pop(key, None)
            producer.produce("_schemas", None, key=key)
        else:
            store[key] = {"id": number, "schema": '{"type": "string"}', "deleted": False}
            producer.produce("_schemas", json.dumps(store[key]), key=key)
        producer.produce("_schemas", b"", key=b'{"keytype":"NOOP","magic":0}')
        if number % 20 == 19:
            assert producer.flush(TIMEOUT) == 0
    wait_for(lambda: "compacted up to" in eager.log())
    for _ in range(2):
        assert read_store(eager.bootstrap) == store
        eager.restart()


def read_store(bootstrap: str) -> dict[str, object]:
    reader: Consumer = consumer(bootstrap)
    _, end = reader.get_watermark_offsets(TopicPartition("_schemas", 0), timeout=TIMEOUT)
    reader.assign([TopicPartition("_schemas", 0, 0)])
    found: dict[str, object] = {}
    for message in read_until(reader, {0: end}):
        key = message.key().decode()
        if "NOOP" in key:
            continue
        if message.value() is None:
            found.pop(key, None)
        else:
            found[key] = json.loads(message.value())
    reader.close()
    return found
