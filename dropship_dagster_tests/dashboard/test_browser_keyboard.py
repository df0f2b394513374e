"""The dashboard without a mouse, and the ways from its cards to what says more."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from dropship_dagster_tests.dashboard.browser import PATIENCE, Chromium, visit

pytestmark = [pytest.mark.browser]

_STOPS = 150
"""More than any page has places to stop at."""

FOCUSED = """() => {
  const focused = document.activeElement;
  const inside = ['A', 'BUTTON'].includes(focused.tagName) ? focused.innerText : '';
  return {
    words: (focused.getAttribute('aria-label') || inside).trim(),
    place: ['stTopNavLink', 'stDataFrame', 'stDownloadButton', 'stSelectbox', 'stMetric', 'stPageLink', 'stMarkdown']
      .find(name => focused.closest(`[data-testid="${name}"], .${name}`)) || '',
    tag: focused.tagName,
    marked: focused.tagName === 'CANVAS' || [focused, focused.parentElement].some(each => {
      const look = getComputedStyle(each);
      return look.boxShadow !== 'none' || look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0;
    }),
  };
}"""
"""What has the focus, and whether it shows it; a table draws a ring around its cell itself, on its canvas."""


def tab_to(page: Page, words: str, key: str = "Tab") -> dict[str, object]:
    """Press Tab until what has the focus ends with these words, and say what it is."""
    passed = []
    for _ in range(_STOPS):
        page.keyboard.press(key)
        focused: dict[str, object] = page.evaluate(FOCUSED)
        if str(focused["words"]).endswith(words):
            return focused
        passed.append(focused["words"])
    raise AssertionError(f"Tab does not reach {words!r}, only {passed}")


def marked_soon(page: Page) -> bool:
    """Whether what has the focus shows it once it is drawn, which a busy machine does late."""
    try:
        page.wait_for_function(f"() => ({FOCUSED})().marked", timeout=PATIENCE)
    except PlaywrightTimeoutError:
        return False
    return True


def test_tab_reaches_what_can_be_used_and_it_shows_where_it_is(chromium: Chromium, address: str) -> None:
    with visit(chromium, f"{address}/?period=year") as seen:
        seen.wait_for_cards()
        expect(seen.page.locator("[data-testid='stDataFrame'] canvas").first).to_be_visible()
        places, unmarked = set(), []
        for _ in range(_STOPS):
            seen.page.keyboard.press("Tab")
            focused = seen.page.evaluate(FOCUSED)
            if focused["tag"] == "BODY":
                break
            places.add(focused["place"])
            if not focused["marked"] and not marked_soon(seen.page):
                unmarked.append((focused["place"], focused["words"]))
        assert places >= {"stTopNavLink", "stSelectbox", "stPageLink", "stDownloadButton", "stDataFrame"}
        assert unmarked == []


def test_the_keyboard_chooses_a_period_a_page_and_a_detail(chromium: Chromium, address: str) -> None:
    with visit(chromium, address) as seen:
        seen.wait_for_cards()
        tab_to(seen.page, "Today")
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Space"):
            seen.page.keyboard.press(key)
        seen.page.wait_for_url("**period=90d**")
        seen.settle()
        tab_to(seen.page, "Fulfilment", "Shift+Tab")
        seen.page.keyboard.press("Enter")
        expect(seen.page.get_by_role("heading", name="Fulfilment", level=1)).to_be_visible()
        seen.page.wait_for_url("**/fulfilment?period=90d**")
        assert seen.errors == []


def test_the_keyboard_downloads_a_table(chromium: Chromium, address: str) -> None:
    with visit(chromium, address) as seen:
        seen.wait_for_cards()
        tab_to(seen.page, "Download CSV")
        with seen.page.expect_download() as download:
            seen.page.keyboard.press("Enter")
        assert download.value.suggested_filename == "recent-orders.csv"


@pytest.mark.parametrize(
    "page",
    ["customers", *(pytest.param(page, marks=pytest.mark.slow) for page in ("fulfilment", "pipeline", "quality"))],
)
def test_every_card_leads_to_a_part_of_its_page(chromium: Chromium, address: str, page: str) -> None:
    with visit(chromium, f"{address}/{page}?period=year", height=500) as seen:
        seen.wait_for_cards(4)
        ways = seen.page.locator("[class*='st-key-card-'] a")
        expect(ways).to_have_count(4)
        targets = {way.get_attribute("href") for way in ways.all()}
        for target in targets:
            expect(seen.page.locator(f"h3{target}")).to_have_count(1)
        last = ways.last
        target = last.get_attribute("href")
        last.press("Enter")
        expect(seen.page.locator(f"h3{target}")).to_be_in_viewport()
        assert "period=year" in seen.page.url
        assert seen.errors == []
