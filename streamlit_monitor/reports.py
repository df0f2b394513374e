"""The validation reports that the pipeline writes: the newest, and those before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

_HISTORY = 20
_SCHEMA_VERSION = 1


class ReportError(Exception):
    """The report cannot be read; the message is one sentence with the fix."""


@dataclass(frozen=True)
class Report:
    """One validation report, as docs/dagster.md describes it."""

    ok: bool
    job: str
    created_at: datetime
    summary: dict[str, int]
    stations: dict[str, dict[str, int]]
    checks: pd.DataFrame
    """asset, check, status, severity, description."""
    failed_steps: tuple[str, ...]


def latest(folder: Path) -> Report | None:
    """The newest report; None while there is none.

    Raises:
        ReportError: it is not a report.
    """
    path = folder / "validation.json"
    return _read(path) if path.exists() else None


def history(folder: Path) -> list[Report]:
    """The last twenty reports, the oldest first; files that are no report are left out."""
    found = []
    newest = sorted((folder / "runs").glob("*.json"), key=_age)[-_HISTORY:]
    for path in newest:
        try:
            found.append(_read(path))
        except ReportError:  # a run of another version wrote it
            continue
    return sorted(found, key=lambda report: report.created_at)


def _read(path: Path) -> Report:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["schema_version"] != _SCHEMA_VERSION:
            raise ReportError(f"{path.name} is of another version: run `make validate` to write it anew.")
        return Report(
            ok=bool(values["ok"]),
            job=str(values["job"]),
            created_at=datetime.fromisoformat(values["created_at"]),
            summary={str(name): int(count) for name, count in values["summary"].items()},
            stations=values["stations"],
            checks=_checks(values["checks"]),
            failed_steps=tuple(f"{step['step']}: {step['sentence']}" for step in values["failed_steps"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path.name} cannot be read ({error}): run `make validate` to write it anew.") from error


def _checks(outcomes: list[dict[str, Any]]) -> pd.DataFrame:
    fields = ["asset", "check", "status", "severity", "description"]
    return pd.DataFrame([{field: outcome.get(field) for field in fields} for outcome in outcomes], columns=fields)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another run tidied up meanwhile
        return 0.0
