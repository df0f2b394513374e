"""A failed run, or a task graph that fails -> one alert: to the log always, and to a webhook when there is one."""

from logging import Logger
from typing import TYPE_CHECKING

import dagster as dg

from dropship_dagster.assets.reports import collect
from dropship_dagster.assets.reports.model import RunOutcome
from dropship_dagster.errors import DropshipError
from dropship_dagster.resources.alerts import AlertResource

if TYPE_CHECKING:
    from dropship_dagster.warehouse import GraphState


@dg.run_failure_sensor(
    name="failed_runs",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description="Tells of each failed run once: in the log, and to DROPSHIP_ALERT_WEBHOOK when it is set.",
)
def failed_runs(context: dg.RunFailureSensorContext, alerts: AlertResource) -> None:
    """Send what failed, why, and where to look."""
    run = context.dagster_run
    outcome = collect(context.instance, run.run_id)
    message = text(outcome, context.failure_event.message or "", alerts.run_url(run.run_id))
    context.log.error(message)
    alerts.send(message)


def text(outcome: RunOutcome, reason: str, url: str) -> str:
    """The alert: the job, its failed steps or checks in their own sentences, and the run's address."""
    lines = [f"Dropship: the run of {outcome.job} failed."]
    lines += [f"- step {step.step}: {step.sentence}" for step in outcome.failed_steps]
    if not outcome.failed_steps:
        lines.append(f"- {reason}")
    return "\n".join([*lines, url, "`dropship doctor` examines this machine."])


def tell(state: "GraphState", told: str, alerts: AlertResource, log: Logger) -> str:
    """Alert once for as long as the same tasks fail, and once more when the schedule is suspended because of it.

    Args:
        state: how the graph is.
        told: what an earlier call returned.

    Returns:
        What was told. An alert that the webhook did not take is not among it, so the next call tries again.
    """
    if state.trouble is None or state.key == told:
        return state.key
    message = f"Dropship: {state.trouble}"
    log.error(message)
    try:
        alerts.send(message)
    except DropshipError as error:
        log.warning("%s It is tried again.", error)
        return told
    return state.key
