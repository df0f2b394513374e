"""The pipeline page of a warehouse whose tasks fail, are mended, and may not be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from dropship_dagster import warehouse
from dropship_dagster.endpoints import supervisor, warehouse_endpoint
from dropship_dagster_tests.dashboard.browser import Chromium, visit
from dropship_dagster_tests.dashboard.platform import MARKUP, dashboard, platform_in
from dropship_dagster_tests.deployed import copy_deployed
from dropship_dagster_tests.warehouse.gate import MENDED, break_task, run

pytestmark = [pytest.mark.browser]


def test_a_red_box_names_the_task_that_fails_and_what_to_run_until_it_is_mended(
    chromium: Chromium, deployed_folder: Path, tmp_path: Path
) -> None:
    copy_deployed(deployed_folder, tmp_path / "home" / "snowflake")
    platform = platform_in(tmp_path / "home", tmp_path)
    try:
        endpoint = warehouse_endpoint(platform.settings)
        break_task(endpoint, "STAGE_PRODUCTS", suspend_after=2, statement=f"SELECT '{MARKUP}'::DATE")
        for _ in range(2):
            with pytest.raises(warehouse.RefreshError):
                warehouse.refresh(endpoint)
        with (
            dashboard(platform, tmp_path / "dashboard.log") as url,
            visit(chromium, f"{url}/pipeline") as seen,
            visit(chromium, f"{url}/pipeline", locale="fr-FR") as french,
        ):
            box = seen.page.locator(".st-key-trouble")
            expect(box).to_contain_text("failed runs on end: 2")
            expect(box).to_contain_text("OPS.STAGE_PRODUCTS (STAGING.PRODUCT_EVENTS): ")
            expect(box).to_contain_text(f"in `SELECT '{MARKUP}'"[:60])
            expect(box).to_contain_text("The schedule is suspended because run after run failed")
            expect(box).to_contain_text('dropship sql "ALTER TASK OPS.REFRESH RESUME"')
            expect(french.page.locator(".st-key-trouble")).to_contain_text("La planification est suspendue")
            assert seen.page.evaluate("window.hacked") is None, "an error is shown as text"

            run(endpoint, f"ALTER TASK OPS.STAGE_PRODUCTS MODIFY AS {MENDED}")
            warehouse.refresh(endpoint)
            expect(box).to_contain_text("The last run did not fail")
            run(endpoint, "ALTER TASK OPS.REFRESH RESUME")
            expect(box).to_have_count(0)

            # Snowflake shows a role without a privilege on the tasks none.
            run(endpoint, "ALTER TASK OPS.REFRESH SUSPEND")
            with warehouse.connect(endpoint) as connection:
                tasks = [row[1] for row in connection.cursor().execute("SHOW TASKS IN SCHEMA OPS").fetchall()]
            run(endpoint, *(f"DROP TASK OPS.{name}" for name in tasks))
            expect(seen.page.get_by_text("the role of the dashboard may not see them")).to_be_visible()
            expect(seen.page.locator("[data-testid='stException']")).to_have_count(0)
            assert seen.errors == french.errors == []
    finally:
        supervisor(platform.settings).stop("snowflake")
