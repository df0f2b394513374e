"""A disk that is full indeed: what makes room on it works."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.clients import create_topic, delete_topic, read_all
from local_kafka_tests.contract.requests import (
    change_config,
    create,
    delete_records,
    eventually,
    list_offset,
)
from local_kafka_tests.process import BrokerProcess, running_broker
from local_kafka_tests.raw import RawClient, batch, produce_raw

EARLIEST = -2
VALUE = bytes(500_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, of which the broker keeps 8 in reserve."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def full(disk: Path) -> Iterator[BrokerProcess]:
    """A broker whose disk has not a byte left, with two topics."""
    with running_broker(disk / "kafka", "--retention-check-ms", "100") as broker:
        create_topic(broker.bootstrap, "kept")
        create_topic(broker.bootstrap, "large", segment_bytes="4000000")
        with RawClient(broker.bootstrap) as client:
            assert produce_raw(client, "kept", batch([b"kept"])).error_code == 0
            while produce_raw(client, "large", batch([VALUE])).error_code == 0:
                pass
        fill(disk)
        yield broker


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def goes_on(broker: BrokerProcess) -> None:
    """Everything works again, and what was stored is there."""
    with RawClient(broker.bootstrap) as client:
        assert eventually(lambda: produce_raw(client, "kept", batch([VALUE])).error_code, 0) == 0
        assert create(client, "new").error_code == 0
    assert [len(message.value()) for message in read_all(broker.bootstrap, "kept")] == [4, len(VALUE)]


def test_a_full_disk_refuses_batches_and_topics(full: BrokerProcess) -> None:
    with RawClient(full.bootstrap) as client:
        assert produce_raw(client, "kept", batch([VALUE])).error_code == ErrorCode.kafka_storage_error
        assert create(client, "new").error_code == ErrorCode.kafka_storage_error


def test_a_topic_deleted_on_a_full_disk_makes_room(full: BrokerProcess) -> None:
    delete_topic(full.bootstrap, "large")
    goes_on(full)
    full.restart()
    with RawClient(full.bootstrap) as client:
        assert create(client, "large").error_code == 0
        assert list_offset(client, "large", -1) == (0, -1, 0)


def test_records_deleted_on_a_full_disk_make_room(full: BrokerProcess) -> None:
    with RawClient(full.bootstrap) as client:
        end = list_offset(client, "large", -1)[2]
        assert delete_records(client, "large", -1) == (0, end)
        goes_on(full)
        full.restart()
    with RawClient(full.bootstrap) as client:
        assert list_offset(client, "large", EARLIEST) == (0, -1, end)


def test_a_shorter_retention_on_a_full_disk_makes_room(full: BrokerProcess) -> None:
    with RawClient(full.bootstrap) as client:
        assert change_config(client, "large", "retention.bytes", 0, "4000000") == 0
    goes_on(full)


def test_a_broker_starts_on_a_full_disk_and_can_make_room_then(full: BrokerProcess) -> None:
    full.kill()
    # What the last process left in its files may have room for more: nothing may.
    fill(full.data_dir.parent)
    full.start()
    with RawClient(full.bootstrap) as client:
        assert produce_raw(client, "kept", batch([b"none"])).error_code == ErrorCode.kafka_storage_error
    delete_topic(full.bootstrap, "large")
    goes_on(full)


def test_a_broker_stops_on_a_full_disk_and_starts_again(full: BrokerProcess) -> None:
    assert full.stop() == 0
    fill(full.data_dir.parent)
    full.start()
    assert [message.value() for message in read_all(full.bootstrap, "kept")] == [b"kept"]
