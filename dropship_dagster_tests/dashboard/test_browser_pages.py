"""The other pages in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.browser import Chromium, Visit, visit
from dropship_dagster_tests.dashboard.platform import MARKUP, Platform

pytestmark = [pytest.mark.browser]

WIDTH = 1360
PAGES = ("products", "customers", "fulfilment", "pipeline", "quality")


def assert_drawn(seen: Visit, width: int) -> None:
    """A table and a chart, no error, nothing beyond the edge, no script of the data's, nobody else asked."""
    expect(seen.page.locator("[data-testid='stDataFrame'] canvas").first).to_be_visible()
    expect(seen.page.locator("[data-testid='stVegaLiteChart'] :is(svg, canvas)").first).to_be_visible()
    seen.settle()
    expect(seen.page.locator("[data-testid='stException']")).to_have_count(0)
    expect(seen.page.locator(".st-key-shop-clock")).to_have_text(
        re.compile(r"^Shop's clock: .* \(the wall clock, UTC\)$")
    )
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.evaluate("window.hacked") is None
    assert seen.errors == []
    assert seen.outside == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_on_a_phone(chromium: Chromium, address: str, page: str) -> None:
    with visit(chromium, f"{address}/{page}?period=year", width=390) as seen:
        assert_drawn(seen, 390)


def test_the_customers_are_those_of_the_csv_files(chromium: Chromium, address: str, platform: Platform) -> None:
    end = truth.end_of_data(platform)
    expected = truth.customer_cards(platform, end - timedelta(days=364), end)
    with visit(chromium, f"{address}/customers?period=year") as seen:
        seen.wait_for_cards(4)
        shown = seen.metrics()
        assert_drawn(seen, WIDTH)
    assert {label: shown[label] for label in expected} == expected


def test_the_parcels_are_those_of_the_csv_files(chromium: Chromium, address: str, platform: Platform) -> None:
    end = truth.end_of_data(platform)
    expected = truth.fulfilment_cards(platform, end - timedelta(days=364), end)
    with visit(chromium, f"{address}/fulfilment?period=year") as seen:
        seen.wait_for_cards(4)
        shown = seen.metrics()
        assert_drawn(seen, WIDTH)
    assert {label: shown[label] for label in expected} == expected


def test_the_quality_page_shows_the_last_report(chromium: Chromium, address: str) -> None:
    with visit(chromium, f"{address}/quality") as seen:
        seen.wait_for_cards(4)
        assert seen.metrics() == {"Checks": "3", "Passed": "1", "Failed": "1", "Warnings": "1"}
        expect(seen.page.get_by_text("The data cannot be trusted")).to_be_visible()
        expect(seen.page.get_by_text("raw: The broker does not answer.")).to_be_visible()
        assert_drawn(seen, WIDTH)


def test_the_pipeline_page_says_live_what_waits_at_each_station(
    chromium: Chromium, address: str, platform: Platform
) -> None:
    [(rows,)] = platform.execute("SELECT SUM(ROWS_THERE) FROM PROD.V_PIPELINE_STATIONS WHERE STATION = 'RAW'")
    with visit(chromium, f"{address}/pipeline") as seen:
        expect(seen.page.get_by_text("messages · 0 wait for RAW")).to_be_visible()
        expect(seen.page.get_by_text("messages · 0 wait for STAGING")).to_be_visible()
        counts = seen.page.locator(".st-key-way [data-testid='stMetricValue']")
        expect(counts.nth(0)).to_have_text(f"{rows:,}")
        expect(counts.nth(1)).to_have_text(f"{rows:,}")
        assert_drawn(seen, WIDTH)


def test_a_products_page_shows_its_name_as_it_is(chromium: Chromium, address: str, platform: Platform) -> None:
    [(product,)] = platform.execute("SELECT PRODUCT_ID FROM PROD.PRODUCTS WHERE NAME = ?", MARKUP)
    with visit(chromium, f"{address}/products?period=year&product={product}") as seen:
        expect(seen.page.get_by_text(MARKUP, exact=True)).to_be_visible()
        seen.wait_for_cards(4)
        assert seen.page.locator("img[src='x']").count() == 0
        assert seen.page.evaluate("window.hacked") is None
        assert seen.errors == []


def test_a_product_that_does_not_exist_is_named(chromium: Chromium, address: str) -> None:
    with visit(chromium, f"{address}/products?product=<b>P1</b>") as seen:
        expect(seen.page.get_by_text("There is no product <b>P1</b>.")).to_be_visible()


def test_the_period_goes_along_to_every_page(chromium: Chromium, address: str) -> None:
    with visit(chromium, f"{address}/?period=year&compare=none") as seen:
        seen.wait_for_cards()
        for page in ("Fulfilment", "Data quality", "Customers"):
            seen.page.get_by_role("link", name=page).first.click()
            expect(seen.page.get_by_role("heading", name=page, level=1)).to_be_visible()
            seen.page.wait_for_url("**period=year**")
            seen.page.wait_for_url("**compare=none**")
        seen.wait_for_cards(4)
        assert seen.page.locator("[data-testid='stMetricDelta']").count() == 0


def test_a_card_leads_to_its_detail(chromium: Chromium, address: str) -> None:
    with visit(chromium, f"{address}/?period=year") as seen:
        seen.wait_for_cards()
        seen.page.locator(".st-key-card-return_rate a").click()
        expect(seen.page.get_by_role("heading", name="Fulfilment", level=1)).to_be_visible()
        seen.page.wait_for_url("**/fulfilment?period=year**")


def test_a_product_is_found_opened_and_left_again(chromium: Chromium, address: str) -> None:
    with visit(chromium, f"{address}/products?period=year") as seen:
        chooser = seen.page.get_by_role("combobox", name="Open a product")
        chooser.wait_for()
        seen.settle()
        seen.scroll_to(chooser)
        chooser.press("ArrowDown")
        option = seen.page.get_by_role("option").nth(1)
        name = option.inner_text()
        option.click()
        expect(seen.page.locator(".st-key-name-product").get_by_text(name, exact=True)).to_be_visible()
        seen.page.wait_for_url("**product=P*")
        seen.page.get_by_role("button", name="All products").click()
        expect(seen.page.get_by_text("Sells best")).to_be_visible()
        assert_drawn(seen, WIDTH)
        assert "product=" not in seen.page.url
        assert seen.errors == []
