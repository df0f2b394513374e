"""Running the project's Dagster jobs in this process, and saying what came of their checks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dropship_dagster.cli.console import EXIT_FAILED, err, out, print_json, sentences, settings
from dropship_dagster.cli.instance import prepare
from dropship_dagster.endpoints import warehouse_endpoint
from dropship_dagster.errors import DropshipError

if TYPE_CHECKING:
    from dropship_dagster.automation.run import JobReport
    from dropship_dagster.settings import Settings


def run(config: Settings, job: str, doing: str) -> JobReport:
    """Run a job to its end, recorded in this home folder's Dagster instance."""
    with err.status(doing):
        prepare(config)
        from dropship_dagster.definitions import run_job

        return run_job(job)


def show_outcome(report: JobReport) -> None:
    """How many checks passed, each that did not, and each step that failed."""
    passed = len(report.checks) - len(report.failed_checks)
    colour = "green" if not report.failed_checks else "red"
    out.print(f"Checks: [{colour}]{passed} of {len(report.checks)} passed[/]")
    for step in report.failed_steps:
        out.print(f"  [red]step failed[/] {step.step}: {step.sentence}")
    for check in report.failed_checks:
        if check.status == "failed":
            out.print(f"  [red]failed[/] {check.asset} {check.check}: {check.description or ''}")
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
    as_json: Annotated[bool, typer.Option("--json", help="Print the run and its checks as JSON.")] = False,
) -> None:
    """Run every check and write reports/validation.json. Exit code 1 if a critical one fails.

    Example: dropship validate --json
    """
    config = settings()
    with sentences(config.home):
        _check_deployed(config)
        report = run(config, "validate", "Checking every station ...")
    if as_json:
        print_json({**asdict(report), "ok": report.success})
    else:
        show_outcome(report)
        out.print(f"Report {config.reports_dir / 'validation.json'}")
    if not report.success:
        raise typer.Exit(EXIT_FAILED)
