"""How long a reader waits for the dashboard over millions of orders, in a real browser.

    python -m dropship_dagster_tests.benchmarks.dashboard_pages [--doublings 10] [--in DIR]

From the start of `dropship monitor` to the first metric, for a browser that has never seen the dashboard; then every
page, over four weeks and over a year, from opening its address until its last chart and table are drawn, nothing holds
their places any more and no script runs. Each figure is the best of three. No answer is kept from one visit to the
next: each asks for days that end a day earlier. Beside the clock stands the processor time of dashboard, warehouse and
browser, which a busy machine changes less. The local warehouse runs already.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dropship_dagster.endpoints import supervisor
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.benchmarks import dashboard_shop
from dropship_dagster_tests.dashboard.browser import ARGUMENTS, CHROMIUM, METRIC, PATIENCE
from dropship_dagster_tests.dashboard.platform import Platform, free_port
from local_service_tests.processors import processor_seconds, processor_seconds_below

_ROUNDS = 3
_SPANS = {"4 weeks": timedelta(days=27), "52 weeks": timedelta(days=363)}
"""From the first day to the last."""
_PAGES = {
    "": (4, 1),
    "products": (4, 1),
    "customers": (6, 1),
    "fulfilment": (4, 0),
    "pipeline": (1, 1),
    "quality": (0, 1),
}
"""The pages and how many charts and tables each has at least: there may be no order to chase."""

_DRAWN = """([charts, tables]) => {
  const app = document.querySelector('[data-testid="stApp"]');
  const all = selector => [...document.querySelectorAll(selector)];
  return app?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid="stSkeleton"], [data-stale="true"]')
    && all('[data-testid="stVegaLiteChart"]').length >= charts
    && all('[data-testid="stVegaLiteChart"]').every(chart => chart.querySelector('svg, canvas'))
    && all('[data-testid="stDataFrame"]').length >= tables
    && all('[data-testid="stDataFrame"]').every(table => table.querySelector('canvas'));
}"""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processor time by whom."""

    clock: float
    dashboard: float
    warehouse: float
    browser: float

    def __str__(self) -> str:
        return " | ".join(f"{seconds:.2f} s" for seconds in (self.clock, self.dashboard, self.warehouse, self.browser))


def measure(platform: Platform) -> None:
    """Print a table in Markdown."""
    [(newest,)] = platform.execute("SELECT MAX(PLACED_AT) FROM PROD.ORDERS")
    days = (newest.date() - timedelta(days=number) for number in range(1000))  # type: ignore[attr-defined]
    warehouse = int(supervisor(platform.settings).ensure("snowflake")["pid"])
    print("| | clock | dashboard | warehouse | browser |\n|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        first = min((_first_metric(platform, browser, warehouse) for _ in range(_ROUNDS)), key=_clock)
        print(f"| start of `dropship monitor` to the first metric | {first} |", flush=True)
        profile = browser.new_context()
        with _monitor(platform) as (process, url):
            _visit(profile, url)  # the scripts are fetched and compiled once
            for page, parts in _PAGES.items():
                for name, length in _SPANS.items():
                    costs = []
                    for _ in range(_ROUNDS):
                        last = next(days)
                        address = f"{url}/{page}?period=custom&dates={last - length}_{last}"
                        costs.append(_page(profile, address, parts, _Watch(warehouse, process.pid)))
                    print(f"| {page or 'overview'}, {name} | {min(costs, key=_clock)} |", flush=True)
        browser.close()


def _first_metric(platform: Platform, browser: Browser, warehouse: int) -> Cost:
    """For a visitor with an empty cache."""
    profile = browser.new_context()
    watch = _Watch(warehouse)
    with _monitor(platform) as (process, url):
        page = _visit(profile, url)
        page.locator(METRIC).first.wait_for(timeout=PATIENCE)
        cost = watch.cost(process.pid)
    profile.close()
    return cost


def _page(profile: BrowserContext, address: str, parts: tuple[int, int], watch: _Watch) -> Cost:
    """Until the page is whole."""
    page = profile.new_page()
    page.goto(address)
    page.wait_for_function(_DRAWN, arg=list(parts), timeout=PATIENCE)
    cost = watch.cost()
    page.close()
    return cost


def _visit(profile: BrowserContext, url: str) -> Page:
    """Open the address as soon as somebody listens there."""
    parts = urlsplit(url)
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection((parts.hostname, parts.port)).close()
            page = profile.new_page()
            page.goto(url)
            return page
        time.sleep(0.01)
    raise TimeoutError(f"Nobody answers at {url}.")


@contextmanager
def _monitor(platform: Platform) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    environment = {**os.environ, **platform.environment, "DROPSHIP_DASHBOARD_PORT": str(port)}
    command = [sys.executable, "-m", "dropship_dagster.cli", "monitor"]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


class _Watch:
    """Reads the clock and the processors from now on.

    Args:
        warehouse, dashboard: their processes; a dashboard that is not there yet begins with nothing.
    """

    def __init__(self, warehouse: int, dashboard: int | None = None) -> None:
        self._warehouse, self._dashboard = warehouse, dashboard
        self._before = self._processors(dashboard)
        self._begun = time.perf_counter()

    def cost(self, dashboard: int | None = None) -> Cost:
        """What the time until now has cost."""
        clock = time.perf_counter() - self._begun
        after = self._processors(dashboard or self._dashboard)
        return Cost(clock, *(now - then for now, then in zip(after, self._before, strict=True)))

    def _processors(self, dashboard: int | None) -> tuple[float, float, float]:
        return (
            processor_seconds(dashboard) if dashboard else 0.0,
            processor_seconds(self._warehouse),
            processor_seconds_below(os.getpid(), Path(CHROMIUM).name),
        )


def _clock(cost: Cost) -> float:
    return cost.clock


if __name__ == "__main__":
    dashboard_shop.main("How long a reader waits for the dashboard.", measure)
