"""Compaction that is cut short, meets damage, or runs under load loses no newest value of a key."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from local_kafka_tests.clients import Recorder, create_topic, read_all
from local_kafka_tests.contract.requests import change_config, create, eventually, list_offset
from local_kafka_tests.contract.test_compaction import EAGER, Model, Record, read
from local_kafka_tests.contract.test_data import init_producer
from local_kafka_tests.killed import AT
from local_kafka_tests.process import BrokerProcess, running_broker
from local_kafka_tests.raw import RawClient, batch, keyed_batch, produce_raw

NEVER, OFTEN = ("--compaction-check-ms", "3600000"), ("--compaction-check-ms", "20")
LATEST = -1


def fill(broker: BrokerProcess, batches: int = 60, keys: int = 12) -> tuple[Model, tuple[int, int]]:
    """Produce to the topic t; the model of it, and an idempotent producer with its next sequence number."""
    chance, model = random.Random(7), Model()
    with RawClient(broker.bootstrap) as client:
        create(client, "t", **EAGER)
        _, producer, _ = init_producer(client)
        sequence = 0
        for number in range(batches):
            records = [(b"k%d" % chance.randrange(keys), b"%d" % number * 9) for _ in range(chance.randint(1, 6))]
            if number % 3 == 0:  # so that each segment has something that is in no other
                records.append((b"only %d" % number, b"1"))
            data = keyed_batch(records, codec=chance.randrange(5), producer=(producer, 0, sequence))
            assert produce_raw(client, "t", data).error_code == 0
            model.add(data, records)
            sequence += len(records)
    return model, (producer, sequence)


def newest(records: list[Record]) -> dict[bytes, tuple[int, bytes | None]]:
    return {key: (offset, value) for offset, key, value in records}


def produced(model: Model) -> list[Record]:
    return [record for segment in model.segments for record in segment]


def killed_at(step: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run a broker up to a step of its cleaner; False where there are fewer."""
    monkeypatch.setenv(AT, str(step))
    process = BrokerProcess(folder, *OFTEN, module="local_kafka_tests.killed")
    try:
        process.start()
        assert process.process is not None
        while process.process.poll() is None:
            if "compacted up to" in process.log():
                return False
            time.sleep(0.005)
        return True
    finally:
        process.end()


@pytest.mark.parametrize("batches", [24, pytest.param(60, marks=pytest.mark.slow)])
def test_a_kill_at_any_step_leaves_the_old_segments_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    with running_broker(tmp_path / "full", *NEVER) as broker:
        model, (producer, sequence) = fill(broker, batches)
        broker.kill()
    original, steps = produced(model), 0
    for step in range(1, 400):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "full", folder)
        if not killed_at(step, folder, monkeypatch):
            break
        steps += 1
        with running_broker(folder, *NEVER) as broker:
            found = read(broker.bootstrap, "t")
            assert newest(found) == newest(original)
            assert set(model.compacted()) <= set(found) <= set(original)
            assert [offset for offset, _, _ in found] == sorted({offset for offset, _, _ in found})
            assert "are lost" not in broker.log()
            with RawClient(broker.bootstrap) as client:
                assert list_offset(client, "t", LATEST) == (0, -1, len(original))
                again = keyed_batch([(b"k0", b"next")], producer=(producer, 0, sequence))
                assert [produce_raw(client, "t", again).base_offset for _ in range(2)] == [len(original)] * 2
        shutil.rmtree(folder)
    assert steps > 10
    with running_broker(folder, *OFTEN) as broker:
        assert eventually(lambda: read(broker.bootstrap, "t"), model.compacted()) == model.compacted()


def test_a_compacted_log_is_the_same_after_a_restart_and_compacted_further(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", *OFTEN) as broker:
        model, _ = fill(broker)
        expected = model.compacted()
        for _ in range(2):
            assert eventually(lambda: read(broker.bootstrap, "t"), expected) == expected
            names = {path.name for path in broker.partition_folder().glob("*.log")}
            assert any("-" in name for name in names)
            broker.restart()
        assert "are lost" not in broker.log()
        with RawClient(broker.bootstrap) as client:
            for number in range(30):
                records = [(b"k%d" % (number % 5), b"again %d" % number * 5)]
                data = keyed_batch(records)
                assert produce_raw(client, "t", data).error_code == 0
                model.add(data, records)
        expected = model.compacted()
        assert eventually(lambda: read(broker.bootstrap, "t"), expected) == expected
        for path in broker.partition_folder().glob("*.index"):
            path.unlink()
        broker.restart()
        assert read(broker.bootstrap, "t") == expected


def test_damage_is_not_compacted_away(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", *NEVER) as broker:
        fill(broker)
        assert broker.stop() == 0
        segments = sorted(broker.partition_folder().glob("*.log"))
        data = bytearray(segments[1].read_bytes())
        data[70] ^= 1
        segments[1].write_bytes(data)
        broker.arguments = (*broker.arguments[:2], *OFTEN)
        broker.start()
        assert eventually(lambda: "is not compacted any more" in broker.log(), True)
        assert segments[1].read_bytes() == data


def test_records_without_a_key_go_when_their_topic_becomes_compacted(tmp_path: Path) -> None:
    with running_broker(tmp_path / "kafka", *OFTEN) as broker, RawClient(broker.bootstrap) as client:
        create(client, "t", **{**EAGER, "cleanup_policy": "delete"})
        for _ in range(3):
            assert produce_raw(client, "t", batch([bytes(700)])).error_code == 0
        assert produce_raw(client, "t", keyed_batch([(b"k", bytes(700))])).error_code == 0
        assert produce_raw(client, "t", keyed_batch([(b"k", bytes(700))])).error_code == 0
        assert change_config(client, "t", "cleanup.policy", 0, "compact") == 0
        assert eventually(lambda: [offset for offset, _, _ in read(broker.bootstrap, "t")], [3, 4]) == [3, 4]


@pytest.mark.parametrize("kills", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_kills_under_load_lose_no_acknowledged_newest_value(tmp_path: Path, kills: int) -> None:
    with running_broker(tmp_path / "kafka", *OFTEN) as broker:
        settings = {**EAGER, "internal_segment_bytes": "20000"}
        create_topic(broker.bootstrap, "t", **settings)
        chance, number, model = random.Random(3), 0, {}
        recorder = Recorder(
            broker.bootstrap, message_timeout_ms=120_000, reconnect_backoff_max_ms=200, batch_size=10_000
        )
        for _ in range(kills):
            before = len(recorder.acknowledged)
            while len(recorder.acknowledged) < before + 3_000:
                for _ in range(200):
                    key = b"%d" % int(chance.paretovariate(0.5) % 1000)
                    model[key] = b"%d" % number
                    recorder.send("t", model[key], key=key)
                    number += 1
                time.sleep(0.002)
            broker.restart()
        recorder.flush()
        assert not recorder.failed
        assert len(recorder.acknowledged) == number
        assert {m.key(): m.value() for m in read_all(broker.bootstrap, "t")} == model
        assert eventually(lambda: "compacted up to" in broker.log(), True)
        assert {m.key(): m.value() for m in read_all(broker.bootstrap, "t")} == model
