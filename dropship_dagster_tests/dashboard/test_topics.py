"""What the dashboard learns of the topics without making anybody wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from dropship_dagster.endpoints import KafkaEndpoint, supervisor
from dropship_dagster.settings import Settings
from dropship_dagster_tests.dashboard.platform import Platform
from streamlit_monitor.queries import pipeline
from streamlit_monitor.store import Store
from streamlit_monitor.topics import Held, Topics


def until(known: Callable[[], Held | None]) -> Held:
    """The first answer."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        held = known()
        if held:
            return held
        time.sleep(0.05)
    raise AssertionError("the broker does not answer")


def test_what_the_topics_hold_and_what_of_it_is_not_loaded(platform: Platform, store: Store) -> None:
    topics = Topics(platform.settings)
    loaded = pipeline.positions(store)
    [(rows,)] = platform.execute(
        "SELECT (SELECT COUNT(*) FROM RAW.CUSTOMERS) + (SELECT COUNT(*) FROM RAW.PRODUCTS) + "
        "(SELECT COUNT(*) FROM RAW.ORDERS_EVENTS)"
    )
    assert until(lambda: topics.held(loaded)) == Held(messages=int(str(rows)), waiting=0)
    place, end = max(loaded.items(), key=lambda item: item[1])
    assert topics.held({**loaded, place: end - 3}) == Held(int(str(rows)), 3)
    del loaded[place]
    assert topics.held(loaded) == Held(int(str(rows)), end)


def test_looking_starts_no_broker(tmp_path: Path) -> None:
    settings = Settings.load(DROPSHIP_HOME=tmp_path, KAFKA_BOOTSTRAP_SERVERS="")
    assert Topics(settings)._ask() is None
    assert not supervisor(settings).status()["kafka"]["running"]


def test_topics_that_do_not_exist_hold_nothing_that_is_known(platform: Platform, kafka: KafkaEndpoint) -> None:
    missing = Settings.load(**{**platform.environment, "DROPSHIP_TOPIC_CUSTOMERS": "no_such_topic"})
    assert "no_such_topic" in missing.topics
    assert Topics(missing)._ask() is None
