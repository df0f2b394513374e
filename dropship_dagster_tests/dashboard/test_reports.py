"""Reading the validation reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dropship_dagster_tests.dashboard.platform import platform_in, write_report
from streamlit_monitor import reports


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one report, written by the pipeline's own code."""
    platform = platform_in(tmp_path / "home", tmp_path)
    write_report(platform)
    return platform.settings.reports_dir


def test_a_report_of_the_pipeline_is_understood(folder: Path) -> None:
    report = reports.latest(folder)
    assert report is not None
    assert not report.ok
    assert report.summary["checks"] == len(report.checks) == 3
    assert report.stations["raw"] == {"customers": 149}
    assert report.failed_steps == ("raw: The broker does not answer.",)


def test_before_the_first_run_there_is_none(tmp_path: Path) -> None:
    assert reports.latest(tmp_path) is None
    assert reports.history(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 1}', "null"])
def test_a_file_that_is_no_report_is_named_with_what_to_do(folder: Path, content: str) -> None:
    (folder / "validation.json").write_text(content)
    with pytest.raises(reports.ReportError, match=r"validation\.json .*make validate"):
        reports.latest(folder)


def test_the_history_is_in_order_and_leaves_out_what_is_no_report(folder: Path) -> None:
    [path] = (folder / "runs").glob("*.json")
    values = json.loads(path.read_text())
    for day in (3, 2):
        values["created_at"] = f"2026-01-0{day}T00:00:00+00:00"
        (folder / "runs" / f"{day}.json").write_text(json.dumps(values))
    (folder / "runs" / "broken.json").write_text("{")
    assert [report.created_at.day for report in reports.history(folder)] == [1, 2, 3]
