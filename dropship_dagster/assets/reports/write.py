"""Writes a report where people and programs look for it, whole or not at all."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from dropship_dagster.assets.reports.model import ValidationReport
from dropship_dagster.assets.reports.page import page
from dropship_dagster.errors import DropshipError
from local_service.files import replace_durably

LATEST = "validation.json"
LATEST_PAGE = "validation.html"
RUNS = "runs"


def latest(folder: Path) -> Path:
    """The newest report of that folder."""
    return folder / LATEST


def write(report: ValidationReport, folder: Path) -> Path:
    """Write runs/<run id>.json and .html, and the same as validation.json and .html, the newest; return the first.

    Raises:
        DropshipError: the folder cannot be written.
    """
    path = folder / RUNS / f"{report.run.run_id}.json"
    contents = {
        path: report.to_json(),
        path.with_suffix(".html"): page(report),
        folder / LATEST_PAGE: page(report),
        latest(folder): report.to_json(),
    }
    try:
        for target, content in contents.items():
            replace_durably(target, content.encode())
    except OSError as error:
        raise DropshipError(
            f"Cannot write the report to {folder} ({error.strerror}): set DROPSHIP_REPORTS_DIR to a folder of yours."
        ) from error
    return path


def delete_old_reports(folder: Path, before: dt.datetime) -> list[Path]:
    """Delete the reports of runs that were written before then; the newest report stays whatever its age."""
    old = [path for path in (folder / RUNS).glob("*.*") if path.stat().st_mtime < before.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return old
