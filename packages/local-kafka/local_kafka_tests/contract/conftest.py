"""The brokers that the contract binds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from kio.schema.errors import ErrorCode

from local_kafka_tests.process import BrokerProcess, running_broker
from local_kafka_tests.raw import RawClient

_COORDINATOR_SECONDS = 120


@pytest.fixture(scope="session")
def eager_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A local broker that compacts as soon as it may."""
    with running_broker(tmp_path_factory.mktemp("eager") / "kafka", "--compaction-check-ms", "100") as process:
        yield process


@pytest.fixture(scope="session", params=["embedded", pytest.param("apache", marks=pytest.mark.apache_kafka)])
def kafka(request: pytest.FixtureRequest) -> str:
    """The bootstrap servers of each broker in turn."""
    if request.param == "embedded":
        return str(request.getfixturevalue("eager_broker").bootstrap)
    bootstrap = str(request.getfixturevalue("apache_kafka"))
    _wait_for_coordinator(bootstrap)
    return bootstrap


@pytest.fixture
def client(kafka: str) -> Iterator[RawClient]:
    """A connection to the broker."""
    with RawClient(kafka) as connection:
        yield connection


def _wait_for_coordinator(bootstrap: str) -> None:
    """Kafka makes its topic of offsets when the first group comes, and its first producer ids when one is asked for."""
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    with RawClient(bootstrap) as connection:
        while True:
            found = connection.call(10, 4, key_type=0, coordinator_keys=["warm-up"]).coordinators[0]
            ready = found.error_code == ErrorCode.none
            ready = (
                ready and connection.call(12, 4, group_id="warm-up", generation_id=1, member_id="x").error_code == 25
            )
            started = connection.call(22, 4, transactional_id=None, transaction_timeout=60_000)
            if ready and started.error_code == ErrorCode.none:
                return
            assert time.monotonic() < deadline, "the group coordinator did not become available"
            time.sleep(0.2)
