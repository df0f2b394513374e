"""Times of orders and values of the address that nobody thought of: no page ends, and the others' figures stay."""

# ruff: noqa: DTZ001 - times are naive UTC, as in the warehouse

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dropship_dagster import clock
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.dashboard.platform import Platform, place_order
from streamlit_monitor import headline
from streamlit_monitor.period import COMPARISONS, FIRST_DAY, LAST_DAY, PRESETS, period
from streamlit_monitor.store import Store
from streamlit_monitor.warehouse import Warehouse

PAGES = ("overview", "products", "customers", "fulfilment", "pipeline", "quality")
PAGE = f"""
import sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from streamlit_monitor import controls, navigation
from streamlit_monitor.views import {{page}}

navigation.pages()
controls.draw("Title", about_orders=True)
{{page}}.page()
"""
FUTURES = (datetime(9999, 12, 31, 23, 59, 59), datetime(9999, 12, 31), datetime(2262, 4, 12), datetime(2099, 6, 1))


@pytest.fixture(autouse=True)
def environment(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def orders_of_the_future(platform: Platform) -> Iterator[None]:
    """An order at each of the times that no clock has reached."""
    for number, moment in enumerate(FUTURES):
        place_order(platform, f"FUTURE{number}")
        platform.execute(
            "UPDATE PROD.ORDERS SET PLACED_AT = ?, PAID_AT = ?, PROMISED_AT = ? WHERE ORDER_ID = ?",
            moment, moment, moment, f"FUTURE{number}",
        )  # fmt: skip
    yield
    platform.execute("DELETE FROM PROD.ORDERS WHERE ORDER_ID LIKE 'FUTURE%'")


def opened(page: str, parameters: dict[str, str | list[str]]) -> AppTest:
    app = AppTest.from_string(PAGE.replace("{page}", page), default_timeout=300)
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.run()


def newest_of_csv(platform: Platform) -> datetime:
    return platform.csv("orders")["ordered_at"].max().to_pydatetime()


@pytest.mark.usefixtures("orders_of_the_future")
@pytest.mark.parametrize("page", PAGES)
def test_an_order_of_the_future_ends_no_page(page: str) -> None:
    assert not opened(page, {"period": "today", "compare": "year"}).exception
    assert not opened(page, {"period": "custom", "dates": "2000-01-01_2199-12-31"}).exception


@pytest.mark.usefixtures("orders_of_the_future")
def test_today_is_that_of_the_newest_order_that_is_not_in_the_future(store: Store, platform: Platform) -> None:
    assert store.pulse().newest == newest_of_csv(platform)


def test_an_order_of_tomorrow_is_none_of_the_future(store: Store, platform: Platform) -> None:
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    place_order(platform, "FUTURE")
    try:
        for moment, expected in {
            now + timedelta(hours=23): now + timedelta(hours=23), now + timedelta(hours=25): newest_of_csv(platform)
        }.items():  # fmt: skip
            platform.execute("UPDATE PROD.ORDERS SET PLACED_AT = ? WHERE ORDER_ID = 'FUTURE'", moment)
            store.retry()
            assert store.pulse().newest == expected
    finally:
        platform.execute("DELETE FROM PROD.ORDERS WHERE ORDER_ID = 'FUTURE'")


def test_orders_that_are_ahead_of_ours_by_the_shops_own_clock_are_none_of_the_future(
    platform: Platform, tmp_path: Path
) -> None:
    ahead = datetime.now(UTC).replace(tzinfo=None, microsecond=0) + timedelta(days=300)
    shop_ms = int(ahead.replace(tzinfo=UTC).timestamp() * 1000)
    clock.write(tmp_path / clock.HOME_FILE, clock.ShopClock(shop_ms, clock.wall_ms(), 1440.0, 0.0, running=False))
    reader = Warehouse(platform.settings)
    place_order(platform, "FUTURE")
    try:
        for moment, expected in {ahead: ahead, ahead + timedelta(days=2): newest_of_csv(platform)}.items():
            platform.execute("UPDATE PROD.ORDERS SET PLACED_AT = ? WHERE ORDER_ID = 'FUTURE'", moment)
            assert Store(reader.query, lambda: headline.latest(tmp_path)).pulse().newest == expected
            assert Store(reader.query).pulse().newest == newest_of_csv(platform), (
                "the wall clock alone knows of neither"
            )
    finally:
        platform.execute("DELETE FROM PROD.ORDERS WHERE ORDER_ID = 'FUTURE'")
        reader.close()


LONG = "x" * 10_000
HOSTILE = ("", " ", "0", "-1", "1e999", "NaN", "\0", "\0" * 100, "<script>alert(1)</script>", "'; DROP TABLE X; --",
           "{0.__class__}", "%s%n", "../../etc/passwd", "\N{FULLWIDTH DIGIT TWO}", "🦊", "\u202e", LONG)  # fmt: skip
DATES = (
    "9999-12-31_9999-12-31", "0001-01-01_0001-01-02", "0001-01-01_9999-12-31", "1969-12-31_2025-01-01",
    "2025-01-01_2200-01-01", "2025-12-01", "_", "__", "2025-02-30_2025-03-01", "2025-12-24_2025-12-01_2025-12-02",
    "10000-01-01_10000-01-02", "-0001-01-01_2025-01-01", "2025-W01-1_2025-W02-1", f"{LONG}_{LONG}", "\0_\0",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_no_value_of_the_address_ends_a_page(page: str) -> None:
    for value in HOSTILE if page == "products" else (LONG, "\0"):  # each has the controls, one an identifier
        names = ("period", "compare", "lang", "dates", "product", "page", "embed_options", value or "empty")
        app = opened(page, {name: value for name in names if name != "product" or page == "products"})
        assert not app.exception, repr(value[:40])
        assert (app.session_state["period"], app.session_state["compare"]) == ("28d", "previous")
    app = opened(page, {"period": ["year", "7d"], "dates": ["a", "b"], "lang": ["fr", "xx"]})
    assert not app.exception


@pytest.mark.parametrize("dates", DATES)
def test_dates_of_the_address_that_no_page_can_show_count_as_none(dates: str) -> None:
    app = opened("overview", {"period": "custom", "dates": dates, "compare": "year"})
    assert not app.exception
    shown = [control.value for control in app.date_input]
    told = [text.value for text in app.text if "YYYY-MM-DD_YYYY-MM-DD" in text.value]
    if dates.startswith("2025-W"):  # ISO 8601's weeks are dates
        assert (shown, told) == ([(date(2024, 12, 30), date(2025, 1, 6))], [])
        return
    assert (shown, app.session_state["period"], len(told)) == ([], "28d", 1)
    assert [app.query_params.get(name) for name in ("period", "dates", "compare")] == [None, None, "year"]
    assert app.metric, "the page of the default period"
    app.session_state["period"] = "7d"
    assert not [text for text in app.run().text if "YYYY-MM-DD_YYYY-MM-DD" in text.value]


@pytest.mark.parametrize("product", ["unknown", " ", "<b>P1</b>", "*", LONG])
def test_a_product_of_the_address_that_is_not_there_is_named_above_all_products(product: str) -> None:
    app = opened("products", {"product": product})
    assert not app.exception
    assert f"There is no product {product[:100]}." in [text.value for text in app.text]
    assert app.selectbox(key="products-open").options
    assert len(app.dataframe) == len(opened("products", {}).dataframe) == 1


@pytest.mark.parametrize("page", ["overview", "products", "customers", "fulfilment"])
def test_everything_from_the_first_to_the_last_day_can_be_shown(page: str) -> None:
    days = "1970-01-01_2199-12-31"
    app = opened(page, {"period": "custom", "dates": days})
    assert not app.exception
    assert app.query_params["dates"] == days


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize(
    "anchor",
    [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1969, 12, 31), datetime(2200, 1, 1)],
)
def test_no_time_of_the_data_overflows_the_calendar(preset: str, comparison: str, anchor: datetime) -> None:
    for custom in (None, (date.min, date.max), (date.max, date.max), (date.min, date.min)):
        found = period(anchor, preset, comparison, custom)  # type: ignore[arg-type]
        spans = [found.current, *([found.previous] if found.previous else [])]
        assert all(span.start < span.end for span in spans)
        assert found.current.last_day <= LAST_DAY
        assert not custom or preset != "custom" or found.current.start.date() >= FIRST_DAY
