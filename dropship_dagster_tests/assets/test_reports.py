"""The validation report: what it says, how it is written, and that its page is inert."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from pathlib import Path

import pytest

from dropship_dagster.assets.reports import (
    CheckOutcome,
    FailedStep,
    RunOutcome,
    ValidationReport,
    delete_old_reports,
    summary,
    write,
)
from dropship_dagster.assets.reports.page import page
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT

PASSED = CheckOutcome("prod/orders", "total_adds_up", "passed", "ERROR")
WARNED = CheckOutcome("prod/orders", "customer_exists", "failed", "WARN", "One is unknown.")
FAILED = CheckOutcome(
    "prod/products", "name", "failed", "ERROR", "<script>alert(1)</script>", {"samples": ["<img src=x onerror=y>"]}
)
MISSING = CheckOutcome("prod/orders", "margin_adds_up", "not_evaluated", "ERROR")


def report(*checks: CheckOutcome, steps: tuple[FailedStep, ...] = (), run: str = "r1") -> ValidationReport:
    outcome = RunOutcome(run, "validate", "2026-01-01T00:00:00.000+00:00", checks, steps, {"raw": 1.25})
    return ValidationReport(outcome, {"prod": {"orders": 5000}}, "2026-01-01T00:00:05.000+00:00")


@pytest.mark.parametrize(
    ("made", "ok"),
    [
        (report(PASSED), True),
        (report(PASSED, WARNED), True),
        (report(PASSED, FAILED), False),
        (report(PASSED, MISSING), False),
        (report(PASSED, steps=(FailedStep("raw", "No warehouse."),)), False),
    ],
)
def test_a_report_is_ok_without_failed_steps_and_critical_checks(made: ValidationReport, ok: bool) -> None:
    assert made.ok is ok
    assert json.loads(made.to_json())["ok"] is ok


def test_a_run_has_its_own_file_and_the_newest_is_found_under_one_name(tmp_path: Path) -> None:
    first = write(report(PASSED, run="r1"), tmp_path)
    second = write(report(FAILED, run="r2"), tmp_path)
    assert json.loads(first.read_bytes())["run_id"] == "r1"
    assert json.loads((tmp_path / "validation.json").read_bytes()) == json.loads(second.read_bytes())
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"r1.json", "r1.html", "r2.json", "r2.html"}
    assert not list(tmp_path.rglob(".*")), "no temporary file stays behind"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    with pytest.raises(DropshipError, match="DROPSHIP_REPORTS_DIR"):
        write(report(PASSED), tmp_path / "reports")


def test_markup_from_data_is_inert_on_the_page() -> None:
    html = page(report(PASSED, FAILED, steps=(FailedStep("raw", "<b>bold</b>"),)))
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>bold" not in html
    assert "&lt;script&gt;" in html


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = page(report(PASSED, WARNED, MISSING))
    assert not re.search(r"(src|href)\s*=|url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_what_needs_attention_comes_first() -> None:
    html = page(report(PASSED, WARNED, FAILED))
    assert html.index("prod/products") < html.index("customer_exists") < html.index("total_adds_up")


def test_the_summary_names_what_failed_and_holds_nothing_from_data() -> None:
    text = summary(report(PASSED, FAILED))
    assert "**prod/products**: name" in text
    assert "script" not in text


def test_old_reports_go_and_the_newest_stays(tmp_path: Path) -> None:
    path = write(report(PASSED), tmp_path)
    for file in (path, path.with_suffix(".html"), tmp_path / "validation.json"):
        os.utime(file, (0, 0))
    deleted = delete_old_reports(tmp_path, dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    assert {file.name for file in deleted} == {"r1.json", "r1.html"}
    assert (tmp_path / "validation.json").exists()


def test_how_planted_faults_fared_is_collected_from_the_checks() -> None:
    line = {"where": "warehouse", "kind": "<late>", "planted": 1200, "found": 1, "recall": 0.5, "precision": None}
    seen = CheckOutcome("prod/orders", "planted_faults_are_seen", "failed", "WARN", metadata={"scoreboard": [line]})
    made = report(PASSED, seen)
    assert json.loads(made.to_json())["scoreboard"] == [line]
    html = page(made)
    assert "<td>&lt;late&gt;</td><td class=number>1,200</td>" in html
    assert "<td class=number>50.0%</td><td></td>" in html
    assert "Planted faults" not in page(report(PASSED))


def test_planted_faults_are_told_in_an_order_that_reads_well_the_files_first() -> None:
    """Dagster keeps the fields of a table in the order of the alphabet."""
    lines = [{"found": 1, "kind": "late_event", "where": "warehouse"}, {"found": 2, "kind": "wrong", "where": "csv"}]
    checks = [CheckOutcome("prod/orders", "seen", "passed", "WARN", metadata={"scoreboard": [line]}) for line in lines]
    told = report(*checks).scoreboard
    assert [list(line) for line in told] == [["where", "kind", "found"]] * 2
    assert [line["where"] for line in told] == ["csv", "warehouse"]


def test_every_field_is_documented_and_nothing_else_is() -> None:
    text = (PROJECT_ROOT / "docs" / "dagster.md").read_text()
    table = text.partition("| field | |\n|---|---|\n")[2].partition("\n\n")[0]
    documented = {field.strip() for row in table.splitlines() for field in row.split("|")[1].split(",")}
    assert documented == set(json.loads(report(PASSED).to_json()))
