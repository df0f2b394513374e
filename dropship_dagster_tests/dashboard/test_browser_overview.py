"""The overview in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from dropship_dagster_tests.dashboard import truth
from dropship_dagster_tests.dashboard.browser import Chromium, visit
from dropship_dagster_tests.dashboard.platform import Platform, place_order

WATCH_FOR_FLICKER = """() => {
  window.faintest = 1;
  const look = () => {
    for (const card of document.querySelectorAll("[data-testid='stMetric']"))
      for (let part = card; part; part = part.parentElement)
        window.faintest = Math.min(window.faintest, Number(getComputedStyle(part).opacity));
    requestAnimationFrame(look);
  };
  look();
}"""
"""Remembers the faintest any card was in any frame."""

pytestmark = [pytest.mark.browser]


def test_the_cards_equal_the_csv_files_and_the_page_stays_on_this_machine(
    chromium: Chromium, address: str, platform: Platform
) -> None:
    end = truth.end_of_data(platform)
    with visit(chromium, address) as seen:
        seen.wait_for_cards()
        shown = seen.metrics()
        expect(seen.page.locator("[data-testid='stDataFrame'] canvas").first).to_be_visible()
        expect(
            seen.page.locator("[data-testid='stVegaLiteChart'] svg, [data-testid='stVegaLiteChart'] canvas")
        ).to_have_count(4)
        with seen.page.expect_download() as download:
            seen.page.get_by_text("Download CSV").first.click()
        recent = download.value.path().read_text(encoding="utf-8-sig")
        assert seen.errors == []
        assert seen.outside == []
    expected = truth.cards(platform, end - timedelta(days=28), end)
    assert {label: shown[label] for label in expected} == expected
    assert recent.startswith("order_id,placed_at,status,country,channel,units,total\r\n"[:20])
    assert truth.orders(platform).sort_values("ordered_at").index[-1] in recent


def test_choosing_a_period_changes_the_figures_and_the_link(
    chromium: Chromium, address: str, platform: Platform
) -> None:
    end = truth.end_of_data(platform)
    expected = truth.cards(platform, end - timedelta(days=364), end)
    with visit(chromium, address) as seen:
        seen.wait_for_cards()
        seen.page.get_by_role("radio", name="52 weeks").or_(
            seen.page.get_by_role("button", name="52 weeks")
        ).first.click()
        expect(seen.page.get_by_text(expected["Revenue"], exact=True)).to_be_visible()
        assert "period=year" in seen.page.url
        link = seen.page.url
    with visit(chromium, link) as seen:
        seen.wait_for_cards()
        assert seen.metrics()["Revenue"] == expected["Revenue"]
        # the name of a product is text whatever it holds
        assert seen.page.evaluate("window.hacked") is None
        assert seen.page.locator("img[src='x']").count() == 0
        assert seen.errors == []


def test_a_french_phone_at_night_shows_it_dark_in_french_and_without_scrolling_sideways(
    chromium: Chromium, address: str
) -> None:
    with visit(chromium, address, width=390, height=844, dark=True, locale="fr-FR") as seen:
        seen.wait_for_cards()
        assert "Chiffre d’affaires" in seen.metrics()  # noqa: RUF001 - French typography
        assert "lang=" not in seen.page.url
        ground = "() => getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        assert seen.page.evaluate(ground) == "rgb(20, 24, 26)"
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [card.bounding_box() for card in seen.page.locator("[data-testid='stMetric']").all()[:2]]
        assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]


def test_a_new_order_appears_while_looking(chromium: Chromium, address: str, platform: Platform) -> None:
    with visit(chromium, f"{address}/?period=today") as seen:
        seen.wait_for_cards()
        before = int(seen.metrics()["Orders"])
        seen.page.evaluate(WATCH_FOR_FLICKER)
        place_order(platform, "O99999999")
        try:
            expect(seen.page.locator("[data-testid='stMetricValue']").nth(1)).to_have_text(str(before + 1))
            assert seen.page.evaluate("window.faintest") == 1
            assert seen.errors == []
        finally:
            platform.execute("DELETE FROM PROD.ORDERS WHERE ORDER_ID = 'O99999999'")
