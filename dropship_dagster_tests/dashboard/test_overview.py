"""The overview through AppTest: its figures against the CSV files, and what the controls do to them."""

# ruff: noqa: DTZ001 - times are naive UTC, as in the warehouse

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dropship_dagster import clock
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform
from streamlit_monitor.live import View
from streamlit_monitor.period import period
from streamlit_monitor.queries import sales
from streamlit_monitor.store import Store

Open = Callable[..., AppTest]
PAGE = f"""
import sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from streamlit_monitor import controls, navigation
from streamlit_monitor.views import {{page}}

navigation.pages()
controls.draw("Title", about_orders=True)
{{page}}.page()
"""


@pytest.fixture
def open_app(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open the dashboard with these query parameters."""
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    st.cache_resource.clear()

    def opened(page: str = "overview", **parameters: str) -> AppTest:
        script = str(PROJECT_ROOT / "streamlit_monitor" / "app.py")
        app = AppTest.from_file(script, default_timeout=300)
        if page != "overview":  # AppTest knows the pages of files alone
            app = AppTest.from_string(PAGE.format(page=page), default_timeout=300)
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


def captions(app: AppTest) -> str:
    return "\n".join(caption.value for caption in app.caption)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"period": "custom", "dates": "2025-10-01_2025-10-31"}, "Compared with 31 Aug 2025 to 30 Sep 2025"),
        ({"period": "custom", "dates": "2025-10-01_2025-10-01"}, "1 Oct 2025 · Orders up to"),
        ({"period": "custom", "dates": "2025-10-01_2025-10-31", "compare": "none"}, "Compared with nothing"),
        (
            {"period": "custom", "dates": "2024-01-01_2024-01-31"},
            "No comparison: no order in 1 Dec 2023 to 31 Dec 2023",
        ),
        (
            {"period": "custom", "dates": "2024-01-20_2024-02-18"},
            "Compared with 21 Dec 2023 to 19 Jan 2024, of which orders are known from ",
        ),
    ],
)
@pytest.mark.parametrize("page", ["overview", "customers", "fulfilment", "products"])
def test_a_page_says_what_it_compares_or_that_it_compares_with_nothing(
    open_app: Open, page: str, parameters: dict[str, str], words: str
) -> None:
    app = open_app(page, **parameters)
    assert words in captions(app)
    if "o comparison" in words or "nothing" in words:
        assert not any(metric.delta for metric in app.metric)


def test_the_comparison_of_a_day_in_progress_says_at_which_hour_it_stops(open_app: Open, platform: Platform) -> None:
    hour = truth.newest(platform) + timedelta(hours=1)
    assert f", {hour:%H}:00" in captions(open_app(period="today"))


def test_hours_after_the_newest_order_have_no_figure(store: Store, platform: Platform) -> None:
    newest = truth.newest(platform)
    view = View(store, store.pulse(), period(newest, "today"))
    whole = sales.trend(store, view.period.current)
    shown = view.so_far(whole)
    assert len(shown) == 24
    known = whole["at"] <= newest
    assert known.sum() == newest.hour + 1
    assert shown["revenue"][known].tolist() == whole["revenue"][known].tolist()
    assert shown["revenue"][~known].isna().all()


def test_what_stands_above_every_page_says_what_time_it_is_in_the_shop(open_app: Open, platform: Platform) -> None:
    file = platform.settings.home / clock.HOME_FILE
    assert "(the wall clock, UTC)" in captions(open_app())
    shop_ms = int(datetime(2026, 1, 3, 14, 5, tzinfo=UTC).timestamp() * 1000)
    try:
        clock.write(file, clock.ShopClock(shop_ms, clock.wall_ms() + 600_000, 1440.0, 0.0, running=True))
        assert "Shop's clock: 3 Jan 2026 14:05 (x1440)" in captions(open_app()).splitlines()
        clock.write(file, clock.ShopClock(shop_ms, clock.wall_ms(), 1.0, 20.0, running=False))
        words = "Shop's clock: 3 Jan 2026 14:05 (x1) · load test at 20 events a second · standing still"
        assert words in captions(open_app()).splitlines()
    finally:
        file.unlink()


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
