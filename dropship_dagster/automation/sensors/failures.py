"""A failed run -> one alert: to the log always, and to a webhook when there is one."""

import dagster as dg

from dropship_dagster.assets.reports import collect
from dropship_dagster.assets.reports.model import RunOutcome
from dropship_dagster.resources.alerts import AlertResource


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
