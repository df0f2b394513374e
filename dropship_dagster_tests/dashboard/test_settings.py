"""What the settings of the dashboard change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dropship_dagster.settings import PROJECT_ROOT, Settings, SettingsError
from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.platform import Platform

CUSTOMERS_PAGE = f"""
import sys
sys.path.insert(0, {str(PROJECT_ROOT)!r})
import streamlit as st
from streamlit_monitor import controls
from streamlit_monitor.views import customers

st.session_state["period"] = "year"
controls.draw("Customers", about_orders=True)
customers.page()
"""


@pytest.fixture
def customers_page(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The page of the customers, not run yet."""
    for name, value in platform.environment.items():
        monkeypatch.setenv(name, value)
    st.cache_resource.clear()
    yield AppTest.from_string(CUSTOMERS_PAGE, default_timeout=300)
    st.cache_resource.clear()


def best(platform: Platform) -> tuple[str, str, str]:
    """Identifier, name and e-mail address of who brought most revenue in the year."""
    end = truth.end_of_data(platform)
    orders = truth.orders(platform)
    span = orders[(orders["ordered_at"] >= end - timedelta(days=364)) & (orders["ordered_at"] < end)]
    customer = str(span.groupby("customer_id")["revenue"].sum().idxmax())
    record = platform.csv("customers").set_index("customer_id").loc[customer]
    return customer, str(record["name"]), str(record["email"])


def test_names_and_addresses_are_masked_unless_a_setting_says_otherwise(
    customers_page: AppTest, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, name, email = best(platform)
    masked = customers_page.run().dataframe[-1].value.set_index("customer_id")
    assert masked.loc[customer, "name"] == f"{name[0]}•••••"
    assert email not in masked.to_csv()

    monkeypatch.setenv("DROPSHIP_DASHBOARD_PERSONAL_DATA", "true")
    st.cache_resource.clear()
    shown = customers_page.run().dataframe[-1].value.set_index("customer_id")
    assert (shown.loc[customer, "name"], shown.loc[customer, "email"]) == (name, email)


def test_a_page_draws_itself_again_as_often_as_the_setting_says(
    customers_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    fragment = st.fragment

    def watched(*arguments: Any, **options: Any) -> Any:
        asked.append(options["run_every"])
        return fragment(*arguments, **options)

    monkeypatch.setattr(st, "fragment", watched)
    monkeypatch.setenv("DROPSHIP_DASHBOARD_REFRESH_SECONDS", "37")
    assert not customers_page.run().exception
    assert asked == [37.0]


def test_an_interval_that_would_never_rest_is_refused() -> None:
    with pytest.raises(SettingsError, match="DROPSHIP_DASHBOARD_REFRESH_SECONDS"):
        Settings.load(DROPSHIP_DASHBOARD_REFRESH_SECONDS="0")
