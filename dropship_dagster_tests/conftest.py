"""Fixtures shared by every test: a hermetic environment and the embedded services, started once a test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Its plugin imports it at the end of a session, beside threads that import what the tests were done with; two threads
# that compile at once can break each other in Python 3.11, and the session ended with an error after its last test.
import hypothesis
import pytest

from dropship_dagster.embedded.supervisor import SERVICES
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster_tests.deployed import copy_deployed, deployed_folder
from dropship_dagster_tests.real_kafka.apache import class_path
from dropship_dagster_tests.real_kafka.cluster import running_cluster

__all__ = ["deployed_folder"]

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

# What takes longest begins first, so that no process of the run is left alone with it at the end.
_FIRST = (
    "test_pipeline.py", "automation/test_full_pipeline.py", "dashboard", "warehouse/test_deployment.py",
    "warehouse/test_graph.py", "warehouse/test_mending.py", "cli/test_datasets.py", "cli/test_up.py",
    "automation/test_sensors.py", "automation/test_graph_sensor.py", "cli/test_own_files.py",
)  # fmt: skip
_ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by `_FIRST`; those of the dashboard stay together, as they share a browser."""

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(_ROOT)
        name = "dashboard" if path.parts[0] == "dashboard" else path.as_posix()
        return _FIRST.index(name) if name in _FIRST else len(_FIRST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """A command that runs inside the test process sets a umask of its own, which the next test must not inherit."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def settings(deployed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of an own home folder with a deployed warehouse; whatever was started in it is stopped at the end."""
    root: Path = tmp_path_factory.mktemp("platform")
    copy_deployed(deployed_folder, root / "home" / "snowflake")
    settings = Settings.load(
        DROPSHIP_HOME=root / "home", DROPSHIP_DATA_DIR=root / "data", DROPSHIP_REPORTS_DIR=root / "reports"
    )
    yield settings
    supervisor(settings).stop(*SERVICES)


@pytest.fixture(scope="session")
def kafka(settings: Settings) -> KafkaEndpoint:
    """The embedded broker. Tests share it, so each uses topics of its own."""
    return kafka_endpoint(settings)


@pytest.fixture(scope="session")
def warehouse(settings: Settings) -> WarehouseEndpoint:
    """The embedded warehouse, its database deployed. Tests share it, so each uses a database of its own."""
    return warehouse_endpoint(settings)


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
