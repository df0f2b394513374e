"""The platform on Apache Kafka: the fixtures of the stream and of the warehouse, with another broker behind them.

The modules here take over tests from the packages that own them. What those ask for is found here, and the one
difference is `kafka`.
"""

# ruff: noqa: F401 - pytest finds the fixtures that are imported here
from __future__ import annotations

from pathlib import Path

import pytest

from dropship_dagster.endpoints import KafkaEndpoint
from dropship_dagster_tests.stream.conftest import new_topics, seeds, topics
from dropship_dagster_tests.warehouse.conftest import (
    database,
    emptied,
    emptied_database,
    emptied_pipeline,
    empty_database,
    own_database,
    own_pipeline,
    pipeline,
    warehouse,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Apache Kafka."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.apache_kafka)


@pytest.fixture(scope="session")
def kafka(apache_kafka: str) -> KafkaEndpoint:
    """One broker of Apache Kafka. Tests share it, so each uses topics of its own."""
    return KafkaEndpoint(apache_kafka, {"bootstrap.servers": apache_kafka})
