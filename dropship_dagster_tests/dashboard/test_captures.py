"""The checklist for a presentation and the pictures that `make captures` takes for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster_tests.dashboard import captures
from dropship_dagster_tests.dashboard.browser import Chromium
from dropship_dagster_tests.dashboard.platform import Platform

CHECKLIST = PROJECT_ROOT / "docs" / "CAPTURE_CHECKLIST.md"
NAMES = {picture.name for picture in (*captures.DASHBOARD, *captures.DAGSTER, captures.REPORT)}


def test_each_line_of_the_checklist_has_both_languages_and_a_picture_that_is_taken() -> None:
    lines = [line.split("|")[1:-1] for line in CHECKLIST.read_text(encoding="utf-8").splitlines() if "☐" in line]
    assert all(len(line) == 4 and all(cell.strip() for cell in line) for line in lines)
    shown = [re.findall(r"\(images/([\w-]+)\.png\)", line[3]) for line in lines]
    assert sorted(name for names in shown for name in names) == sorted(NAMES)


def test_each_picture_is_in_the_documentation_and_not_too_large() -> None:
    folder = PROJECT_ROOT / "docs" / "images"
    sizes = {name: (folder / f"{name}.png").stat().st_size for name in NAMES}
    assert {name: size for name, size in sizes.items() if size > captures.LARGEST} == {}


@pytest.mark.browser
@pytest.mark.slow
def test_the_pictures_of_the_dashboard_and_of_the_report_are_taken(
    chromium: Chromium, address: str, platform: Platform, tmp_path: Path
) -> None:
    taken = captures.capture_dashboard(chromium, address, tmp_path)
    taken.append(captures.capture_report(chromium, platform.settings.reports_dir, tmp_path))
    assert [path.read_bytes()[:8] for path in taken] == [b"\x89PNG\r\n\x1a\n"] * len(taken)


def test_a_missing_report_is_named_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(captures.CaptureError, match="make validate"):
        captures.capture_report(None, tmp_path, tmp_path)  # type: ignore[arg-type] # it does not get as far


def test_half_a_platform_is_refused(address: str) -> None:
    settings = Settings.load(DROPSHIP_DASHBOARD_PORT=address.rpartition(":")[2], DROPSHIP_DAGSTER_PORT="1")
    with pytest.raises(captures.CaptureError, match="make up"), captures.running_platform(settings):
        pass
