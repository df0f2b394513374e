"""Chromium or Chrome, headless, and what a page must never do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OF_MACS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
CHROMIUM = next((path for name in (*_NAMES, *_OF_MACS) if (path := shutil.which(name))), "")
"""The browser of this machine; empty when it has none."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 180_000
"""Milliseconds to wait for what must come; a page that is quicker is not kept waiting."""

expect.set_options(timeout=PATIENCE)

METRIC = '[data-testid="stMetric"]'


@dataclass
class Visit:
    """A page, with what went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def metrics(self) -> dict[str, str]:
        """The values of the cards by their labels."""
        found = {}
        for card in self.page.locator(METRIC).all():
            label = card.locator('[data-testid="stMetricLabel"]').inner_text().strip().split("\n")[0]
            found[label] = card.locator('[data-testid="stMetricValue"]').inner_text().strip()
        return found

    def wait_for_cards(self, count: int = 8) -> None:
        """Until so many cards are drawn."""
        self.page.wait_for_function(
            "([selector, count]) => document.querySelectorAll(selector).length >= count",
            arg=[METRIC, count],
            timeout=PATIENCE,
        )
        self.settle()

    def settle(self) -> None:
        """Until the page has drawn everything the last run sent."""
        self.page.wait_for_function(
            "() => document.querySelector('[data-testid=\"stApp\"]')?.dataset.testScriptState === 'notRunning'"
            " && !document.querySelector('[data-stale=\"true\"]')",
            timeout=PATIENCE,
        )

    def scroll_to(self, target: Locator) -> None:
        """Until the page knows that it was scrolled there: a list that opens before closes again."""
        target.scroll_into_view_if_needed()
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


class Chromium:
    """A running browser: one profile a language and theme, so that the scripts are fetched and compiled once."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._profiles: dict[tuple[str, bool], BrowserContext] = {}

    def page(self, *, dark: bool, locale: str) -> Page:
        """A new page of a reader with this language and theme."""
        if (locale, dark) not in self._profiles:
            scheme = "dark" if dark else "light"
            profile = self._browser.new_context(color_scheme=scheme, locale=locale, accept_downloads=True)
            self._profiles[locale, dark] = profile
        return self._profiles[locale, dark].new_page()


def require_chromium() -> None:
    """Skip the test on a machine without a browser; on one of the CI, fail it."""
    if not CHROMIUM:
        message = "the tests in a browser need Chromium or Chrome (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@contextmanager
def chromium_running() -> Iterator[Chromium]:
    """Start the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Chromium(browser)
        browser.close()


@contextmanager
def visit(
    chromium: Chromium, url: str, *, width: int = 1360, height: int = 900, dark: bool = False, locale: str = "en-GB"
) -> Iterator[Visit]:
    """Open an address as a new visitor."""
    page = chromium.page(dark=dark, locale=locale)
    page.set_viewport_size({"width": width, "height": height})
    seen = Visit(page)
    page.on("console", lambda message: seen.errors.append(message.text) if _is_error(message) else None)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.outside.append(request.url) if _is_outside(request.url) else None)
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(url, timeout=PATIENCE)
        yield seen
    finally:
        page.close()


def _is_error(message: ConsoleMessage) -> bool:
    """Errors, without the 404s of Streamlit's own search for its server when a page other than the first is opened."""
    return message.type == "error" and "/_stcore/" not in message.location["url"]


def _is_outside(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1"
