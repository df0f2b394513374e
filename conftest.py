"""What the tests of the packages and of the platform share: a hermetic environment, and Apache Kafka for who asks."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Its plugin imports it at the end of a session, beside threads that import what the tests were done with; two threads
# that compile at once can break each other in Python 3.11, and the session ended with an error after its last test.
import hypothesis
import pytest

from local_kafka_tests.apache import class_path
from local_kafka_tests.cluster import running_cluster

# The tests must not meet a developer's account, broker or data, whatever the shell or .env says.
for _name in [name for name in os.environ if name.startswith(("DROPSHIP_", "KAFKA_", "SNOWFLAKE_", "DAGSTER_"))]:
    if not _name.startswith("DROPSHIP_TEST_"):
        del os.environ[_name]
os.environ["DROPSHIP_ENV_FILE"] = ""
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"

# How many examples a property is tried with: chosen by --hypothesis-profile, so that a failure can be had again.
hypothesis.settings.register_profile("quick", max_examples=25)
hypothesis.settings.register_profile("thorough", max_examples=200)
hypothesis.settings.load_profile("quick")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """A command that runs inside the test process sets a umask of its own, which the next test must not inherit."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def kafka_classes(request: pytest.FixtureRequest) -> str:
    """The class path of Apache Kafka's broker and tools."""
    cache = request.config.cache
    assert cache is not None
    return class_path(cache.mkdir("kafka-java"))


@pytest.fixture(scope="session")
def apache_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of Apache Kafka: those of DROPSHIP_TEST_KAFKA_BOOTSTRAP, or an own broker."""
    given = os.environ.get("DROPSHIP_TEST_KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    classes = request.getfixturevalue("kafka_classes")
    with running_cluster(classes, tmp_path_factory.mktemp("apache")) as cluster:
        yield cluster.bootstrap
