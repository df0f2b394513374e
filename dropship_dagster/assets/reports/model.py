"""What a validation report says. Its JSON form is documented in docs/dagster.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dropship_dagster import __version__

SCHEMA_VERSION = 1
SCOREBOARD = "scoreboard"
"""Metadata of a check: how planted faults fared, a line a kind."""

_SCOREBOARD_FIELDS = ("where", "kind", "planted", "reached", "found", "recall", "false_alarms", "precision")
"""As they are read: Dagster keeps the fields of a table's rows in the order of the alphabet."""

Status = Literal["passed", "failed", "not_evaluated"]
Severity = Literal["ERROR", "WARN"]
Stations = Mapping[str, Mapping[str, int]]
"""Rows at each stage: {"seeds": {"orders": 5000, ...}, "topics": ..., "raw": ..., "staging": ..., "prod": ...}."""


@dataclass(frozen=True)
class CheckOutcome:
    """One check of the run. A check that was planned and has no result, because its step did not get to it, counts
    as critical: nobody knows what it would have said."""

    asset: str
    check: str
    status: Status
    severity: Severity
    description: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def critical(self) -> bool:
        """Whether this outcome alone makes the report not ok."""
        return self.status == "not_evaluated" or (self.status == "failed" and self.severity == "ERROR")


@dataclass(frozen=True)
class FailedStep:
    """A step that raised: its key and one sentence for the user."""

    step: str
    sentence: str


@dataclass(frozen=True)
class RunOutcome:
    """What a run did so far, told by its events."""

    run_id: str
    job: str
    started_at: str | None
    checks: tuple[CheckOutcome, ...]
    failed_steps: tuple[FailedStep, ...]
    seconds: Mapping[str, float]
    """Seconds a step took, by step key, in the order in which the steps ended."""


@dataclass(frozen=True)
class ValidationReport:
    """The report of one run."""

    run: RunOutcome
    stations: Stations
    created_at: str

    @property
    def ok(self) -> bool:
        """Whether no step failed and no critical check failed or is missing."""
        return not self.run.failed_steps and not any(check.critical for check in self.run.checks)

    def count(self, status: Status, severity: Severity | None = None) -> int:
        """How many checks ended like that."""
        return sum(
            check.status == status and (severity is None or check.severity == severity) for check in self.run.checks
        )

    @property
    def scoreboard(self) -> list[dict[str, Any]]:
        """How planted faults fared, a line a kind, the files' before the warehouse's; empty when none were planted."""
        lines = [line for check in self.run.checks for line in check.metadata.get(SCOREBOARD, ())]
        ordered = [{field: line[field] for field in sorted(line, key=_position)} for line in lines]
        return sorted(ordered, key=lambda line: str(line.get("where")))

    def to_json(self) -> str:
        """The content of validation.json."""
        values = {
            "schema_version": SCHEMA_VERSION,
            "dropship_version": __version__,
            "ok": self.ok,
            "run_id": self.run.run_id,
            "job": self.run.job,
            "started_at": self.run.started_at,
            "created_at": self.created_at,
            "summary": {
                "checks": len(self.run.checks),
                "passed": self.count("passed"),
                "failed": self.count("failed", "ERROR"),
                "warned": self.count("failed", "WARN"),
                "not_evaluated": self.count("not_evaluated"),
            },
            "stations": self.stations,
            "scoreboard": self.scoreboard,
            "checks": [asdict(check) for check in self.run.checks],
            "failed_steps": [asdict(step) for step in self.run.failed_steps],
            "seconds": {step: round(seconds, 3) for step, seconds in self.run.seconds.items()},
        }
        return json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n"


def _position(field: str) -> tuple[int, str]:
    known = field in _SCOREBOARD_FIELDS
    return (_SCOREBOARD_FIELDS.index(field) if known else len(_SCOREBOARD_FIELDS), field)
