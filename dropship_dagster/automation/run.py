"""Runs a job in this process and tells in plain values what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from dagster import DagsterInstance, JobDefinition

from dropship_dagster.assets.reports import CheckOutcome, FailedStep, collect


@dataclass(frozen=True)
class JobReport:
    """What came of a run. `success` is false when a step failed, which a failed critical check makes happen."""

    job: str
    run_id: str
    success: bool
    failed_steps: tuple[FailedStep, ...]
    checks: tuple[CheckOutcome, ...]
    seconds: Mapping[str, float]
    """Seconds a step took, by step key."""
    total_seconds: float

    @property
    def failed_checks(self) -> tuple[CheckOutcome, ...]:
        """The checks that failed, critical or not, and those that were planned and not evaluated."""
        return tuple(check for check in self.checks if check.status != "passed")

    def to_json(self) -> str:
        """The same as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)


def run_job(
    job: JobDefinition,
    *,
    instance: DagsterInstance | None = None,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    log_level: str = "CRITICAL",
) -> JobReport:
    """Run a job here and now, step by step, and wait for it.

    Args:
        job: a job of the definitions.
        instance: where the run is recorded; by default that of DAGSTER_HOME, or none that outlives the call.
        run_config: the job's configuration, as in docs/examples.
        tags: tags of the run.
        log_level: what Dagster prints to standard error. By default nothing: the report holds every sentence.

    Raises:
        dagster.DagsterInvalidConfigError: the configuration does not fit the job.
    """
    config = dict(run_config or {})
    config.setdefault("loggers", {"console": {"config": {"log_level": log_level}}})
    begin = time.monotonic()
    with ExitStack() as stack:
        if instance is None:
            here = DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else DagsterInstance.ephemeral()
            instance = stack.enter_context(here)
        result = job.execute_in_process(
            instance=instance, run_config=config, tags=dict(tags or {}), raise_on_error=False
        )
        outcome = collect(instance, result.run_id)
    return JobReport(
        job=job.name,
        run_id=result.run_id,
        success=result.success,
        failed_steps=outcome.failed_steps,
        checks=outcome.checks,
        seconds=outcome.seconds,
        total_seconds=time.monotonic() - begin,
    )
