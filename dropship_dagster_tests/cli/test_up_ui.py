"""What somebody does in Dagster's UI under `dropship up`: makes the files, sees their checks, sees why a run failed.

    DROPSHIP_TEST_SCREENSHOTS=docs/images python -m pytest -m slow dropship_dagster_tests/cli/test_up_ui.py

writes the pictures of the documentation anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterRunStatus
from playwright.sync_api import Page, expect, sync_playwright

from dropship_dagster_tests.cli.platform import Platform
from dropship_dagster_tests.dashboard.browser import ARGUMENTS, CHROMIUM, require_chromium

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(1800)]

PATIENCE = 120_000
"""Milliseconds for a page to show."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    require_chromium()
    platform = Platform(tmp_path_factory.mktemp("ui"), DROPSHIP_ORDERS="300")
    try:
        platform.up("--no-live")
        yield platform
    finally:
        platform.clean_up()


@pytest.fixture
def page(platform: Platform) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": 1600, "height": 1000}, base_url=f"http://127.0.0.1:{platform.settings.dagster_port}"
        )
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def materialize_all(page: Page) -> None:
    page.get_by_role("button").filter(has_text="Materialize all").first.click()


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("DROPSHIP_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / name)


def test_a_click_makes_the_files_and_the_rest_follows_by_itself(platform: Platform, page: Page) -> None:
    page.goto("/locations/dropship_dagster.definitions/asset-groups/seeds")
    materialize_all(page)
    platform.wait_until(
        lambda: any(run.dagster_run.status == DagsterRunStatus.SUCCESS for run in platform.runs()), "a run succeeded"
    )
    platform.wait_until(lambda: platform.orders() == 300, "the files' orders are in PROD")

    page.goto("/assets/seeds/orders?view=checks")
    expect(page.get_by_text("total_adds_up").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Passed").first).to_be_visible(timeout=PATIENCE)
    picture(page, "dagster-checks.png")
    page.goto("/assets/raw/orders_events")
    expect(page.get_by_text("next_offsets").first).to_be_visible(timeout=PATIENCE)
    picture(page, "dagster-asset.png")


def test_the_page_of_a_failed_run_says_why_and_points_to_the_doctor(platform: Platform, page: Page) -> None:
    folder = platform.settings.data_dir
    for path in folder.iterdir():  # so that the files must be made anew, in a folder that is not ours alone
        path.unlink()
    (folder / "letters.txt").write_text("somebody's own")
    with platform.instance() as instance:
        known = {run.run_id for run in instance.get_runs()}
    page.goto("/locations/dropship_dagster.definitions/jobs/generate_seeds/launchpad")
    materialize_all(page)
    platform.wait_until(lambda: bool(failed(platform, known)), "the run failed")
    page.goto(f"/runs/{failed(platform, known)[0]}")
    expect(page.get_by_text("letters.txt").first).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("dropship doctor").first).to_be_visible(timeout=PATIENCE)


def failed(platform: Platform, known: set[str]) -> list[str]:
    """Runs that failed and were not there before."""
    return [
        record.dagster_run.run_id
        for record in platform.runs()
        if record.dagster_run.status == DagsterRunStatus.FAILURE and record.dagster_run.run_id not in known
    ]
