"""The command: run every check in the order in which a failure explains the next, print, and exit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from dropship_dagster.cli.console import EXIT_FAILED, out, print_report, sentences, settings
from dropship_dagster.cli.doctor.finding import Finding
from dropship_dagster.settings import Settings


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Check Python, packages, folders, ports, services and the account; say the fix for what is wrong.

    Of an account, step by step: reach, log-in, role, warehouse, privileges, objects, clock. Exit code 1 if anything is
    wrong.

    Example: dropship doctor
    """
    config = settings()
    findings = []
    with sentences(config.home):
        for finding in examine(config):
            findings.append(finding)
            if not as_json:
                _print(finding)
    well = all(finding.ok for finding in findings)
    if as_json:
        print_report({"ok": well, "findings": [asdict(finding) for finding in findings]})
    if not well:
        raise typer.Exit(EXIT_FAILED)


def examine(config: Settings) -> Iterator[Finding]:
    """Every check."""
    from dropship_dagster.cli.doctor.account import account
    from dropship_dagster.cli.doctor.machine import machine
    from dropship_dagster.cli.doctor.services import kafka, local_services, warehouse

    yield from machine(config)
    yield from local_services(config)
    yield from kafka(config)
    yield from account(config) if config.snowflake_account else warehouse(config)


def _print(finding: Finding) -> None:
    mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
    out.print(f"{mark} {finding.subject:<12} {escape(finding.seen)}")
    if not finding.ok:
        out.print(f"     {'':<12} fix: {escape(finding.fix)}")
