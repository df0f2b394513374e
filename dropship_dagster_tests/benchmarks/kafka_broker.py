"""Speeds of the local broker, beside the same client loop against a sink that keeps nothing.

    python -m dropship_dagster_tests.benchmarks.kafka_broker [--messages N] [--only NAME ...]

The null sink is a broker of forty lines in another process: it acknowledges every batch and forgets it, so what it
reaches is what the client and the machine can do. Run it when the machine is quiet.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from local_kafka.apis.table import APIS, advertised
from local_kafka.wire.messages import read_prefix, read_request, write_response
from local_kafka_tests.clients import consumer, create_topic, read_some
from local_kafka_tests.process import BrokerProcess
from local_kafka_tests.raw import RawClient, batch, complete, produce_body
from local_kafka_tests.wire.samples import request_class, request_frame
from local_service_tests.processors import processor_seconds, resident_megabytes

TOPIC = "bench"
# Of figures that waiting for a turn on the processor can spoil, the best of so many is taken.
ATTEMPTS = 3
PARTITIONS = 6
PRODUCE, VERSION = 0, 9
# Events of 240 bytes that are as much alike as those of a shop.
VALUES = [
    b'{"event_id":"%s","event_type":"order_placed","schema_version":1,"order_id":"O%08d","version":1,'
    b'"event_time":"2026-01-31T12:%02d:%02d.%03dZ","customer_id":"C%07d","channel":"web","country":"FR","total":"%d.%02d"}'
    % (str(uuid.uuid4()).encode(), n, n % 60, n * 7 % 60, n % 1000, n * 31 % 10**7, n % 300, n % 100)
    for n in range(5000)
]
VALUES = [value.ljust(240, b" ")[:240] for value in VALUES]


def produce(bootstrap: str, count: int, **config: object) -> float:
    """Produce messages and wait for all acknowledgements; messages a second."""
    settings = {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 20,
        "queue.buffering.max.messages": 200_000,
    }
    producer = Producer({**settings, **{key.replace("_", "."): value for key, value in config.items()}})
    began = time.perf_counter()
    for number in range(count):
        while True:
            try:
                producer.produce(TOPIC, VALUES[number % len(VALUES)], partition=number // 100 % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.01)
    assert producer.flush(120) == 0
    return count / (time.perf_counter() - began)


def consume(bootstrap: str, count: int) -> float:
    """Read messages from the beginning with assign(); messages a second."""
    reader: Consumer = consumer(bootstrap, fetch_wait_max_ms=50, queued_min_messages=200_000)
    reader.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    began = time.perf_counter()
    received = 0
    while received < count:
        received += len(reader.consume(2000, 1))
    taken = time.perf_counter() - began
    reader.close()
    return count / taken


def first_message(bootstrap: str) -> float:
    """Seconds until a fresh group has its first message."""
    reader = consumer(bootstrap, f"fresh-{time.time_ns()}")
    began = time.perf_counter()
    reader.subscribe([TOPIC])
    read_some(reader, 1)
    taken = time.perf_counter() - began
    reader.close()
    return taken


def single_batches(bootstrap: str, count: int) -> float:
    """Send frames of one batch of one message, made beforehand, without waiting for answers; batches a second."""
    frames = []
    for partition, value in enumerate(VALUES[:PARTITIONS]):
        body = complete(request_class(PRODUCE, VERSION), produce_body(TOPIC, batch([value]), partition=partition))
        frames.append(request_frame(PRODUCE, VERSION, body))
    block = b"".join(frames) * 10
    blocks = count // (PARTITIONS * 10)
    with RawClient(bootstrap) as client:
        answers = threading.Thread(target=_receive, args=(client, blocks * PARTITIONS * 10))
        began = time.perf_counter()
        answers.start()
        for _ in range(blocks):
            client.socket.sendall(block)
        answers.join()
        return blocks * PARTITIONS * 10 / (time.perf_counter() - began)


def _receive(client: RawClient, count: int) -> None:
    stream = client.socket.makefile("rb")
    for _ in range(count):
        stream.read(int.from_bytes(stream.read(4), "big"))


@contextmanager
def null_sink() -> Iterator[str]:
    """A broker that acknowledges and forgets."""
    ready = multiprocessing.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    process = multiprocessing.Process(target=_sink, args=(listener, port, ready), daemon=True)
    process.start()
    ready.wait()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.join()


def _sink(listener: socket.socket, port: int, ready: EventType) -> None:
    ready.set()
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_sink_client, args=(client, port), daemon=True).start()


def _sink_client(client: socket.socket, port: int) -> None:
    stream = client.makefile("rb")
    offset = 0
    while size := stream.read(4):
        frame = stream.read(int.from_bytes(size, "big"))
        prefix = read_prefix(frame)
        if not APIS[prefix.api_key].serves(prefix.version):
            prefix = type(prefix)(prefix.api_key, 0, prefix.correlation_id)
        _, request = read_request(prefix.api_key, prefix.version, frame)
        offset += 1
        body = {
            0: lambda request=request, offset=offset: {
                "responses": [
                    {
                        "name": topic.name,
                        "partition_responses": [
                            {"index": each.index, "base_offset": offset} for each in topic.partition_data
                        ],
                    }
                    for topic in request.topic_data
                ]
            },
            3: lambda: {
                "brokers": [{"node_id": 1, "host": "127.0.0.1", "port": port}],
                "controller_id": 1,
                "cluster_id": "null",
                "topics": [
                    {
                        "name": TOPIC,
                        "partitions": [
                            {"partition_index": number, "leader_id": 1, "replica_nodes": (1,), "isr_nodes": (1,)}
                            for number in range(PARTITIONS)
                        ],
                    }
                ],
            },
            18: lambda: advertised(0),  # type: ignore[arg-type]
            22: lambda: {"producer_id": 1, "producer_epoch": 0},
        }[prefix.api_key]()
        client.sendall(b"".join(write_response(prefix.api_key, prefix.version, prefix.correlation_id, body)))


def report(name: str, value: float, unit: str, target: str, beside: float | None = None) -> None:
    ratio = f"{value / beside:.0%} of the null sink ({beside:,.0f})" if beside else ""
    print(f"| {name} | {value:,.2f} {unit} | {target} | {ratio} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", default=["produce", "consume", "single", "large"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        broker = BrokerProcess(Path(folder) / "kafka")
        try:
            _run(broker.start(), arguments.messages, set(arguments.only))
        finally:
            broker.end()


def _run(broker: BrokerProcess, count: int, wanted: set[str]) -> None:
    create_topic(broker.bootstrap, TOPIC, PARTITIONS)
    beside = _beside(lambda sink: produce(sink, count))
    if "produce" in wanted or "consume" in wanted:
        speed = produce(broker.bootstrap, count)
        report("produced, idempotent, lz4", speed, "messages/s", "350,000", beside)
        report("consumed", consume(broker.bootstrap, count), "messages/s", "300,000")
        report("first message of a fresh group", first_message(broker.bootstrap), "s", "1")
        report("resident", resident_megabytes(broker.pid), "MB", "64")
    if "single" in wanted:
        single = {"batch_num_messages": 1, "compression_type": "none", "linger_ms": 0}
        beside = _beside(lambda sink: produce(sink, count // 10, **single))
        speed = produce(broker.bootstrap, count // 10, **single)
        report("batches of one message, librdkafka, idempotent", speed, "batches/s", "", beside)
        beside = max(_beside(lambda sink: single_batches(sink, count // 10)) for _ in range(ATTEMPTS))
        used = processor_seconds(broker.pid)
        speed = max(single_batches(broker.bootstrap, count // 10) for _ in range(ATTEMPTS))
        used = (processor_seconds(broker.pid) - used) / ATTEMPTS / (count // 10)
        report("batches of one message, frames made beforehand", speed, "batches/s", "25,000", beside)
        report("the broker's processor time for each", used * 1e6, "µs", "")
    if "large" in wanted:
        for _ in range(4):
            produce(broker.bootstrap, count)
        report("resident with all messages", resident_megabytes(broker.pid), "MB", "64")
        for how in ("stop", "kill"):
            getattr(broker, how)()
            began = time.perf_counter()
            broker.start()
            report(f"start after a {how}", time.perf_counter() - began, "s", "1")
        report("resident after the start", resident_megabytes(broker.pid), "MB", "64")


def _beside(act: Callable[[str], float]) -> float:
    with null_sink() as sink:
        return act(sink)


if __name__ == "__main__":
    main()
