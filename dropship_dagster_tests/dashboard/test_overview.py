"""The overview through AppTest: its figures against the CSV files, and what the controls do to them."""

# ruff: noqa: DTZ001 - times are naive UTC, as in the warehouse

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform

Open = Callable[..., AppTest]


@pytest.fixture
def open_app(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open the dashboard with these query parameters."""
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    st.cache_resource.clear()

    def opened(**parameters: str) -> AppTest:
        app = AppTest.from_file(str(PROJECT_ROOT / "streamlit_monitor" / "app.py"), default_timeout=300)
        for name, value in parameters.items():
            app.query_params[name] = value
        return app.run()

    yield opened
    st.cache_resource.clear()


def values(app: AppTest) -> dict[str, str]:
    assert not app.exception
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.parametrize(("preset", "days"), [("7d", 7), ("28d", 28), ("90d", 90), ("year", 364)])
def test_the_cards_say_what_the_csv_files_say(open_app: Open, platform: Platform, preset: str, days: int) -> None:
    end = truth.end_of_data(platform)
    expected = truth.cards(platform, end - timedelta(days=days), end)
    shown = values(open_app(period=preset))
    assert {label: shown[label] for label in expected} == expected


def test_a_custom_period_of_the_url_is_obeyed_and_stays_in_the_url(open_app: Open, platform: Platform) -> None:
    app = open_app(period="custom", dates="2025-10-01_2025-11-15")
    expected = truth.cards(platform, datetime(2025, 10, 1), datetime(2025, 11, 16))
    shown = values(app)
    assert {label: shown[label] for label in expected} == expected
    assert app.query_params["dates"] == "2025-10-01_2025-11-15"


def test_choosing_a_period_changes_the_figures_and_the_url(open_app: Open, platform: Platform) -> None:
    app = open_app()
    before = values(app)
    app.session_state["period"] = "year"
    app.run()
    assert values(app)["Orders"] != before["Orders"]
    assert app.query_params["period"] == "year"


def test_a_period_that_does_not_exist_is_the_default_one(open_app: Open) -> None:
    app = open_app(period="'; DROP TABLE", compare="<b>", lang="xx", dates="yesterday")
    assert app.session_state["period"] == "28d"
    assert "period" not in app.query_params


def test_the_change_is_against_the_period_before_and_can_be_switched_off(open_app: Open, platform: Platform) -> None:
    end = truth.end_of_data(platform)
    orders = truth.orders(platform)["ordered_at"]
    hour = truth.newest(platform).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    now = ((orders >= end - timedelta(days=90)) & (orders < end)).sum()
    before = ((orders >= end - timedelta(days=180)) & (orders < hour - timedelta(days=90))).sum()
    app = open_app(period="90d")
    cards = {metric.label: metric for metric in app.metric}
    assert cards["Orders"].delta == f"{100 * (now / before - 1):+.1f}%"
    app = open_app(period="90d", compare="none")
    assert not any(metric.delta for metric in app.metric)


def test_french_speaks_french_and_writes_numbers_so(open_app: Open) -> None:
    shown = values(open_app(lang="fr", period="year"))
    assert shown["Chiffre d’affaires"].endswith("\u202f€")  # noqa: RUF001 - French typography
    assert "Revenue" not in shown


def test_the_recent_orders_are_the_newest_ones(open_app: Open, platform: Platform) -> None:
    app = open_app()
    expected = truth.orders(platform).sort_values("ordered_at", ascending=False).index[:12].tolist()
    assert app.dataframe[0].value["order_id"].tolist() == expected


def test_a_period_without_orders_says_so_instead_of_failing(open_app: Open) -> None:
    shown = values(open_app(period="custom", dates="2019-01-01_2019-01-31"))
    assert shown["Orders"] == "0"
    assert shown["Return rate"] == "\u2014"
