"""Reads what a run did from its events: the same events that Dagster's UI shows, so that report and UI agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from dagster import AssetCheckKey, DagsterEvent, DagsterEventType, DagsterInstance, EventLogEntry

from dropship_dagster.assets.reports.model import CheckOutcome, FailedStep, RunOutcome, Severity

REPORTS_PREFIX = "reports"
"""The report does not report on its own checks: they are decided after it is written."""

_EVENTS = {
    DagsterEventType.RUN_START,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_START,
    DagsterEventType.STEP_FAILURE,
}


_BLOCKED = "DagsterAssetCheckFailedError"
"""What Dagster raises when a blocking check fails; its text names the checks."""


def collect(instance: DagsterInstance, run_id: str) -> RunOutcome:
    """What the run did until now.

    A check that was evaluated twice (its step was retried) counts once, with its last result.
    """
    run = instance.get_run_by_id(run_id)
    return outcome(instance.all_logs(run_id, of_type=_EVENTS), run_id=run_id, job=run.job_name if run else "")


def outcome(entries: Iterable[EventLogEntry], *, run_id: str, job: str) -> RunOutcome:
    """The same from events that are at hand already."""
    started_at: str | None = None
    checks: dict[AssetCheckKey, CheckOutcome] = {}
    failed: dict[str, FailedStep] = {}
    starts: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for entry in entries:
        event = entry.dagster_event
        if event is None:
            continue
        step = event.step_key or ""
        match event.event_type:
            case DagsterEventType.RUN_START:
                started_at = _iso(entry.timestamp)
            case DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                planned = event.asset_check_planned_data.asset_check_key
                checks[planned] = _not_evaluated(planned)
            case DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluation = event.asset_check_evaluation_data
                checks[evaluation.asset_check_key] = _evaluated(evaluation)
            case DagsterEventType.STEP_START:
                starts[step] = entry.timestamp
            case DagsterEventType.STEP_SUCCESS:
                failed.pop(step, None)
                seconds[step] = event.step_success_data.duration_ms / 1000
            case DagsterEventType.STEP_FAILURE:
                failed[step] = FailedStep(step, sentence(event))
                seconds[step] = entry.timestamp - starts.get(step, entry.timestamp)
            case _:
                continue
    reported = (check for key, check in checks.items() if key.asset_key.path[0] != REPORTS_PREFIX)
    ordered = sorted(reported, key=lambda check: (check.asset, check.check))
    return RunOutcome(run_id, job, started_at, tuple(ordered), tuple(failed.values()), seconds)


def sentence(event: DagsterEvent) -> str:
    """Why a step failed, in one sentence: a Failure's own description, else the exception without its traceback."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error and error.cause:
        error = error.cause
    if error is None:
        return "The step failed without an error."
    text = " ".join(error.message.split())
    if error.cls_name == _BLOCKED:
        return text.partition(": ")[2]
    return text


def _iso(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).isoformat(timespec="milliseconds")


def _not_evaluated(key: AssetCheckKey) -> CheckOutcome:
    return CheckOutcome(key.asset_key.to_user_string(), key.name, "not_evaluated", "ERROR", "It has no result.")


def _evaluated(evaluation: dg.AssetCheckEvaluation) -> CheckOutcome:
    severity: Severity = "ERROR" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "WARN"
    return CheckOutcome(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        status="passed" if evaluation.passed else "failed",
        severity=severity,
        description=evaluation.description,
        metadata=_plain(evaluation.metadata),
    )


def _plain(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, Any]:
    return {name: _value(value) for name, value in metadata.items()}


def _value(value: dg.MetadataValue[Any]) -> Any:
    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    return value.value
