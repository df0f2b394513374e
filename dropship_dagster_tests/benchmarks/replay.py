"""Replay against a bare producer loop over the same bytes, and how well a rate is kept.

    python -m dropship_dagster_tests.benchmarks.replay [--orders N] [--rounds N] [--rates 10,1000,50000]

Starts an embedded broker of its own in a temporary folder. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
import uuid
from pathlib import Path

from confluent_kafka import Producer

from dropship_dagster.endpoints import kafka_endpoint, supervisor
from dropship_dagster.settings import Settings
from dropship_dagster.shop import Rejects, ShopConfig, generate
from dropship_dagster.stream import TOPICS, TopicSpec, ensure_topics, live, replay
from dropship_dagster.stream.events import Messages
from dropship_dagster.stream.source import Seeds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", default="10,1000,50000")
    parser.add_argument("--rate-seconds", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings.load(DROPSHIP_HOME=Path(scratch) / "home", DROPSHIP_DATA_DIR=Path(scratch) / "data")
        client = dict(kafka_endpoint(settings).client_config)
        try:
            print(json.dumps(measure(client, Path(scratch), options), indent=2))
        finally:
            supervisor(settings).stop("kafka")


def measure(client: dict[str, str], scratch: Path, options: argparse.Namespace) -> dict[str, object]:
    """The throughput of both in turns, and the achieved share of each rate."""
    seeds = scratch / "seeds"
    generate(ShopConfig(orders=options.orders, customers=10_000), seeds)
    messages = list(Seeds(seeds, Rejects()).messages())
    count = sum(map(len, messages))
    bare, ours = [], []
    for _ in range(options.rounds):
        bare.append(count / bare_loop(client, messages, new_topics(client)))
        began = time.perf_counter()
        report = replay(client, seeds, topic_names=new_topics(client))
        ours.append(report.acknowledged / (time.perf_counter() - began))
    rates = {}
    for text in filter(None, options.rates.split(",")):
        rates[text] = {
            "replay": replay_rate(client, seeds, float(text), options.rate_seconds),
            "live": live_rate(client, seeds, float(text), options.rate_seconds, scratch),
        }
    return {
        "messages": count,
        "bare_loop_per_second": round(statistics.median(bare)),
        "replay_per_second": round(statistics.median(ours)),
        "replay_share_of_bare": round(statistics.median(b / a for a, b in zip(bare, ours, strict=True)), 3),
        "achieved_share_of_rate": rates,
    }


def new_topics(client: dict[str, str]) -> dict[str, str]:
    """Three empty topics, by their usual names."""
    names = {topic: f"{topic}-{uuid.uuid4().hex[:8]}" for topic in TOPICS}
    ensure_topics(client, [TopicSpec(name) for name in names.values()])
    return names


def bare_loop(client: dict[str, str], messages: list[Messages], names: dict[str, str]) -> float:
    """Seconds for confluent-kafka alone: idempotent, lz4, the bytes ready in memory, nothing counted."""
    producer = Producer({**client, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20})
    began = time.perf_counter()
    for block in messages:
        topic = names[block.topic]
        for i, (key, value) in enumerate(zip(block.keys, block.values, strict=True)):
            while True:
                try:
                    producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
            if i % 1_000 == 0:
                producer.poll(0)
    producer.flush()
    return time.perf_counter() - began


def replay_rate(client: dict[str, str], seeds: Path, rate: float, seconds: float) -> float:
    """Achieved over requested rate of a replay that is stopped after some seconds."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    report = replay(client, seeds, rate=rate, stop=stop, topic_names=new_topics(client))
    timer.cancel()
    return round(report.achieved_rate / rate, 5)


def live_rate(client: dict[str, str], seeds: Path, rate: float, seconds: float, scratch: Path) -> float:
    """Achieved over requested rate of the stream."""
    state = scratch / f"state-{uuid.uuid4().hex}"
    report = live(client, seeds, rate=rate, duration=seconds, state=state, topic_names=new_topics(client))
    return round(report.achieved_rate / rate, 5)


if __name__ == "__main__":
    main()
