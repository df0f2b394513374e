"""Fixtures for tests that need Kafka: a broker for the run, and names of topics of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local_service.testing import ServiceProcess


@dataclass(frozen=True)
class LocalKafka:
    """Where the broker is, and what the names of a test's topics and groups begin with."""

    bootstrap_servers: str
    prefix: str


@pytest.fixture(scope="session")
def local_kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The broker of this test process, which under pytest-xdist is each worker."""
    server = ServiceProcess("local_kafka", tmp_path_factory.mktemp("local-kafka") / "data")
    try:
        yield server.start()
        server.stop()
    finally:
        server.end()


@pytest.fixture
def local_kafka(local_kafka_server: ServiceProcess) -> LocalKafka:
    """The broker's address and a prefix that no other test has. Topics stay until the end of the run."""
    return LocalKafka(local_kafka_server.state["bootstrap_servers"], f"test-{uuid.uuid4().hex[:12]}-")
