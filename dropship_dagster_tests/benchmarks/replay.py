"""Replay against a bare producer loop over the same messages, and how well a rate is kept.

    python -m dropship_dagster_tests.benchmarks.replay [--orders N] [--rounds N] [--rates 10,1000,50000]

The bare loop has keys, values, headers and timestamps ready in memory and counts nothing; a second one sends keys and
values alone, which are fewer bytes. All three take turns. Starts a local broker of its own in a temporary
folder. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer

from dropship_dagster.endpoints import kafka_endpoint, supervisor
from dropship_dagster.settings import Settings
from dropship_dagster.shop import Rejects, ShopConfig, generate
from dropship_dagster.stream import TOPICS, TopicSpec, ensure_topics, live, replay
from dropship_dagster.stream.source import Seeds

_CPU = ("user", "system", "children_user", "children_system")


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


@dataclass(frozen=True)
class Ready:
    """Messages of one topic as confluent-kafka takes them."""

    topic: str
    keys: list[bytes]
    values: list[bytes]
    times_ms: list[int]


@dataclass(frozen=True)
class Cost:
    """What a pass over all messages took: seconds of the clock, and of the processor in all processes of ours."""

    seconds: float
    cpu: float


def measure(client: dict[str, str], scratch: Path, options: argparse.Namespace) -> dict[str, object]:
    """The throughput of all three in turns, best of the rounds, and the achieved share of each rate."""
    seeds = scratch / "seeds"
    generate(ShopConfig(orders=options.orders, customers=10_000), seeds)
    with Rejects() as rejects:
        ready = [
            Ready(m.topic, m.keys.to_pylist(), m.values.to_pylist(), m.times_ms.tolist())
            for m in Seeds(seeds, rejects).messages()
        ]
    count = sum(len(block.values) for block in ready)
    contenders: dict[str, Callable[[], object]] = {
        "bare_loop": lambda: bare_loop(client, ready, new_topics(client), whole=True),
        "bare_loop_keys_and_values": lambda: bare_loop(client, ready, new_topics(client), whole=False),
        "replay": lambda: replay(client, seeds, topic_names=new_topics(client)),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, run in contenders.items():
            costs[name].append(cost(run))
    best = {name: min(cost.seconds for cost in found) for name, found in costs.items()}
    cpu = {name: min(cost.cpu for cost in found) for name, found in costs.items()}
    figures: dict[str, object] = {"messages": count}
    for name in contenders:
        figures[f"{name}_per_second"] = round(count / best[name])
        figures[f"{name}_cpu_us"] = round(cpu[name] / count * 1e6, 2)
    figures["replay_share_of_bare"] = round(best["bare_loop"] / best["replay"], 3)
    figures["replay_share_of_keys_and_values"] = round(best["bare_loop_keys_and_values"] / best["replay"], 3)
    figures["achieved_share_of_rate"] = {
        text: {
            "replay": replay_rate(client, seeds, float(text), options.rate_seconds),
            "live": live_rate(client, seeds, float(text), options.rate_seconds, scratch),
        }
        for text in filter(None, options.rates.split(","))
    }
    return figures


def cost(run: Callable[[], object]) -> Cost:
    """Run it once."""
    began, before = time.perf_counter(), os.times()
    run()
    after = os.times()
    cpu = sum(getattr(after, name) - getattr(before, name) for name in _CPU)
    return Cost(time.perf_counter() - began, cpu)


def new_topics(client: dict[str, str]) -> dict[str, str]:
    """Three empty topics, by their usual names."""
    names = {topic: f"{topic}-{uuid.uuid4().hex[:8]}" for topic in TOPICS}
    ensure_topics(client, [TopicSpec(name) for name in names.values()])
    return names


def bare_loop(client: dict[str, str], ready: list[Ready], names: dict[str, str], *, whole: bool) -> None:
    """confluent-kafka alone: idempotent, lz4. `whole`: with headers and timestamps, as the replay sends them."""
    producer = Producer({**client, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 20})
    headers = [("content-type", b"application/json"), ("producer", b"replay")]
    for block in ready:
        topic = names[block.topic]
        for i, (key, value, time_ms) in enumerate(zip(block.keys, block.values, block.times_ms, strict=True)):
            while True:
                try:
                    if whole:
                        producer.produce(topic, value, key, -1, None, None, time_ms, headers)
                    else:
                        producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
            if i % 1_000 == 0:
                producer.poll(0)
    producer.flush()


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
