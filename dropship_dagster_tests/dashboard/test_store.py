"""What is asked again, what is kept, and what a reader sees while the warehouse is down."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from dropship_dagster.settings import Settings
from streamlit_monitor import live
from streamlit_monitor.store import HISTORY_SECONDS, LOOK_SECONDS, PULSE, Store
from streamlit_monitor.warehouse import WarehouseDownError

QUERY = "SELECT COUNT(*) AS orders FROM PROD.ORDERS"


class Shop:
    """A warehouse in a few lines: it counts what it is asked, and can be down."""

    def __init__(self) -> None:
        self.orders = 1
        self.up = True
        self.asked: list[str] = []

    def query(self, sql: str, parameters: Mapping[str, Any]) -> pd.DataFrame:
        self.asked.append(sql)
        if not self.up:
            raise WarehouseDownError("The warehouse does not run.")
        at = pd.Timestamp(2025, 12, 31)
        pulse = {"updated_at": at, "newest": at} if sql == PULSE else {}
        return pd.DataFrame([{"orders": self.orders, **pulse}])


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def store(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr("streamlit_monitor.store.PULSE_SECONDS", 0.0)
    monkeypatch.setattr("streamlit_monitor.store._RETRY_SECONDS", 0.0)
    return Store(shop.query)


def orders(store: Store) -> int:
    return int(store.ask(QUERY).iloc[0]["orders"])


def test_without_news_a_query_is_sent_once(shop: Shop, store: Store) -> None:
    assert [orders(store) for _ in range(3)] == [1, 1, 1]
    assert shop.asked.count(QUERY) == 1


def test_news_are_seen_at_the_next_look(shop: Shop, store: Store) -> None:
    orders(store)
    shop.orders = 2
    assert orders(store) == 2


def test_queries_with_other_parameters_are_other_answers(shop: Shop, store: Store) -> None:
    store.ask(QUERY, country="FR")
    store.ask(QUERY, country="DE")
    assert shop.asked.count(QUERY) == 2


def test_many_readers_at_once_send_one_query(shop: Shop, store: Store) -> None:
    with ThreadPoolExecutor(8) as readers:
        assert set(readers.map(lambda _: orders(store), range(8))) == {1}
    assert shop.asked.count(QUERY) == 1


def test_a_warehouse_that_is_down_leaves_the_last_answer_and_the_time_it_is_from(shop: Shop, store: Store) -> None:
    orders(store)
    before = datetime.now().astimezone()
    shop.up = False
    assert orders(store) == 1
    assert store.trouble is not None
    assert store.trouble.sentence == "The warehouse does not run."
    assert store.trouble.last_answer is not None
    assert store.trouble.last_answer <= before <= store.trouble.since


def test_trouble_is_over_with_the_first_answer(shop: Shop, store: Store) -> None:
    orders(store)
    shop.up = False
    orders(store)
    shop.up, shop.orders = True, 5
    assert orders(store) == 5
    assert store.trouble is None


def test_a_warehouse_that_never_answered_is_an_error(shop: Shop, store: Store) -> None:
    shop.up = False
    with pytest.raises(WarehouseDownError, match="does not run"):
        orders(store)


def test_for_some_seconds_after_a_failure_nothing_is_asked_until_the_reader_wants_to(
    shop: Shop, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit_monitor.store._RETRY_SECONDS", 3600.0)
    orders(store)
    shop.up = False
    orders(store)
    asked = len(shop.asked)
    shop.up, shop.orders = True, 7
    assert orders(store) == 1
    assert len(shop.asked) == asked
    store.retry()
    assert orders(store) == 7


def test_what_wakes_the_warehouse_is_kept_as_long_as_was_said_and_the_rest_is_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit_monitor.store.LOOK_SECONDS", 0.0)
    kept, eager = Store(shop.query, history_seconds=300.0), Store(shop.query, history_seconds=0.0)
    for store in (kept, eager):
        for _ in range(3):
            store.history("SELECT 1 FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY())")
            store.look("SELECT 2")
    assert [sum(query.startswith(text) for query in shop.asked) for text in ("SELECT 1", "SELECT 2")] == [1 + 3, 6]


@pytest.mark.parametrize(("account", "seconds"), [("org-account", HISTORY_SECONDS), ("", LOOK_SECONDS)])
def test_an_account_is_asked_for_its_task_history_seldom(
    account: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Settings.load(SNOWFLAKE_ACCOUNT=account, SNOWFLAKE_USER="U", SNOWFLAKE_PASSWORD="P")
    monkeypatch.setattr(live, "settings", lambda: given)
    _, store = live._shared.__wrapped__()
    assert store._history_seconds == seconds
