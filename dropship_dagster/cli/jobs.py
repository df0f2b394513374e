"""Running the project's Dagster jobs in this process, and saying what came of their checks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropship_dagster.cli.console import EXIT_FAILED, err, out, print_report, sentences, settings
from dropship_dagster.cli.instance import prepare
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.shop.rejects import REJECT_SHARE

if TYPE_CHECKING:
    from dropship_dagster.automation.run import JobReport
    from dropship_dagster.settings import Settings

_DATA_DIR = "DROPSHIP_DATA_DIR"


def run(config: Settings, job: str, doing: str, run_config: Mapping[str, Any] | None = None) -> JobReport:
    """Run a job to its end, recorded in this home folder's Dagster instance."""
    with err.status(doing):
        prepare(config)
        from dropship_dagster.definitions import run_job

        return run_job(job, run_config=run_config)


def show_outcome(report: JobReport) -> None:
    """How many checks passed, each that did not, and each step that failed."""
    passed = len(report.checks) - len(report.failed_checks)
    warned = [check for check in report.failed_checks if check.status == "failed" and check.severity != "ERROR"]
    colour = "green" if report.success and not warned else "yellow" if report.success else "red"
    told = f", {len(warned)} warned" if warned else ""
    out.print(f"Checks: [{colour}]{passed} of {len(report.checks)} passed{told}[/]")
    for step in report.failed_steps:
        out.print(f"  [red]step failed[/] {step.step}: {step.sentence}")
    for check in report.failed_checks:
        if check.status == "failed":
            word = "[red]failed[/]" if check.severity == "ERROR" else "[yellow]warned[/]"
            out.print(f"  {word} {check.asset} {check.check}: {check.description or ''}")
    untold = sum(check.status == "not_evaluated" for check in report.failed_checks)
    if untold:
        out.print(f"  [yellow]{untold} not evaluated[/], because the run did not get to them")


def _check_deployed(config: Settings) -> None:
    """Say it once: each of the hundred checks would fail by itself and take its time to."""
    from dropship_dagster import warehouse

    with warehouse.connect(warehouse_endpoint(config), query_tag="dropship validate") as connection:
        if not warehouse.is_deployed(connection, config.snowflake_database):
            raise DropshipError(
                "The warehouse is not deployed yet, so there is nothing to check: run `dropship demo`, or "
                "`dropship deploy` and bring data."
            )


def validate(
    folder: Annotated[Path | None, typer.Option("--dir", help="The CSV files (DROPSHIP_DATA_DIR).")] = None,
    reject_share: Annotated[
        float, typer.Option(min=0, max=1, help="The share of a file's rows that may break the contract or a rule.")
    ] = REJECT_SHARE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run and its checks as JSON.")] = False,
) -> None:
    """Run every check and write reports/validation.json. Exit code 1 if a critical one fails.

    Example: dropship validate --dir my-shop --reject-share 0.2
    """
    config = settings()
    checks = {"ops": {"seed_checks": {"config": {"reject_share": reject_share}}}}
    with sentences(config.home), _data_dir(folder):
        _check_deployed(config)
        report = run(config, "validate", "Checking every station ...", checks)
    if as_json:
        print_report({**asdict(report), "ok": report.success})
    else:
        show_outcome(report)
        out.print(f"Report {config.reports_dir / 'validation.json'}")
    if not report.success:
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def _data_dir(folder: Path | None) -> Iterator[None]:
    """Let the checks of this process look at another folder: they read it from the settings.

    Raises:
        DropshipError: there is no such folder.
    """
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise DropshipError(f"{folder} is no folder: name one that holds the CSV files.")
    before = os.environ.get(_DATA_DIR)
    os.environ[_DATA_DIR] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DATA_DIR]
        else:
            os.environ[_DATA_DIR] = before
