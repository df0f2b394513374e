"""`pip install packages/local-kafka` is all that a broker needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_kafka_tests.clients import create_topic, produce, read_all
from local_service_tests.alone import install_alone, started


@pytest.mark.slow
def test_one_command_installs_a_broker_that_serves(tmp_path: Path) -> None:
    commands = install_alone(Path(__file__).parents[1], tmp_path)
    with started(commands / "local-kafka", tmp_path / "data") as state:
        create_topic(state["bootstrap_servers"], "t")
        produce(state["bootstrap_servers"], "t", [b"a", b"b"])
        assert [message.value() for message in read_all(state["bootstrap_servers"], "t")] == [b"a", b"b"]
