"""Brokers for tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_kafka_tests.process import BrokerProcess, running_broker
from local_service.testing import ServiceProcess

_names = itertools.count()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A broker of the test's own."""
    with running_broker(tmp_path / "kafka") as process:
        yield process


@pytest.fixture(scope="session")
def shared_broker(local_kafka_server: ServiceProcess) -> BrokerProcess:
    """The broker of the run, for tests that do it no harm."""
    return BrokerProcess.of(local_kafka_server)


@pytest.fixture
def topic() -> str:
    """The name of a topic that nobody uses."""
    return f"topic-{os.getpid()}-{next(_names)}"
