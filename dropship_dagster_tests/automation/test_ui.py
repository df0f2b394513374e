"""What somebody sees who opens Dagster's UI: the data flow, and what a run said of it; in a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from dropship_dagster.definitions import run_job
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster_tests.dashboard.browser import ARGUMENTS, CHROMIUM, require_chromium

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_PATIENCE = 60_000
"""Milliseconds for a page to show; the first one makes the web server load the definitions."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server over an instance in which the files were generated and checked once."""
    folder: Path = tmp_path_factory.mktemp("ui")
    variables = {
        "DAGSTER_HOME": str(folder / "dagster"),
        "DROPSHIP_HOME": str(folder / "home"),
        "DROPSHIP_DATA_DIR": str(folder / "data"),
        "DROPSHIP_REPORTS_DIR": str(folder / "reports"),
    }
    (folder / "dagster").mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", folder / "dagster")
    with pytest.MonkeyPatch.context() as patch, socket.socket() as probe:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert run_job("generate_seeds").success
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        [*command, "-m", "dropship_dagster.definitions"], cwd=PROJECT_ROOT, env={**os.environ, **variables}
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(120)


@pytest.fixture
def page() -> Iterator[Page]:
    """A tab that remembers which hosts it asked."""
    require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(_PATIENCE)
        yield page
        browser.close()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, "the web server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise AssertionError(f"{url} does not answer")


def test_the_graph_shows_the_way_of_the_data(address: str, page: Page) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"{address}/asset-groups")
    for group in ("seeds", "topics", "raw", "staging", "prod", "reports"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=_PATIENCE)
    assert hosts == {address.removeprefix("http://")}


def test_an_asset_shows_its_rows_and_what_its_checks_said(address: str, page: Page) -> None:
    page.goto(f"{address}/assets/seeds/orders")
    expect(page.get_by_text("5,000").first).to_be_visible(timeout=_PATIENCE)
    page.goto(f"{address}/assets/seeds/orders?view=checks")
    expect(page.get_by_text("total_adds_up").first).to_be_visible(timeout=_PATIENCE)
    expect(page.get_by_text("Passed").first).to_be_visible(timeout=_PATIENCE)


def test_sensors_that_should_run_do_and_those_that_need_a_decision_do_not(address: str, page: Page) -> None:
    page.goto(f"{address}/automation")
    for name in ("topic_backlog", "seed_files", "failed_runs", "live_traffic", "nightly_validation"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=_PATIENCE)
