"""The dashboard from the first minute on: nothing deployed, nothing loaded, orders, the warehouse killed and back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dropship_dagster import warehouse
from dropship_dagster.endpoints import supervisor, warehouse_endpoint
from dropship_dagster_tests.dashboard.browser import Chromium, visit
from dropship_dagster_tests.dashboard.platform import dashboard, place_order, platform_in

pytestmark = [pytest.mark.browser]


def test_one_page_lives_through_everything_that_happens_to_the_warehouse(chromium: Chromium, tmp_path: Path) -> None:
    platform = platform_in(tmp_path / "home", tmp_path)
    services = supervisor(platform.settings)
    try:
        with dashboard(platform, tmp_path / "dashboard.log") as url, visit(chromium, url) as seen:
            orders = seen.page.locator("[data-testid='stMetricValue']").nth(1)

            expect(seen.page.get_by_text("make demo")).to_be_visible()  # nothing is deployed

            warehouse.deploy(warehouse_endpoint(platform.settings))
            place_order(platform, "O00000001")
            expect(orders).to_have_text("1")

            seen.settle()
            state = services.ensure("snowflake")
            os.kill(state["pid"], signal.SIGKILL)
            expect(seen.page.get_by_text("stale since")).to_be_visible()
            expect(orders).to_have_text("1")
            assert not services.status()["snowflake"]["running"]  # looking does not start what somebody stopped

            seen.page.get_by_role("button", name="Retry").click()
            expect(seen.page.get_by_text("stale since")).to_be_hidden()
            place_order(platform, "O00000002")
            expect(orders).to_have_text("2")
            assert seen.errors == []
    finally:
        services.stop("snowflake")
