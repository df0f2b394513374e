"""Live traffic: a run of stream_orders after the other."""

import time

import dagster as dg

from dropship_dagster.assets.topics import replayed
from dropship_dagster.automation.jobs import full_pipeline, replay_seeds, stream_orders
from dropship_dagster.automation.live_orders import why_not
from dropship_dagster.automation.sensors.active import active_run, sensor_status, skip
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import Settings

_FIRST_WAIT_SECONDS = 30.0
_MOST_FAILURES = 6


@dg.sensor(
    job=stream_orders,
    minimum_interval_seconds=15,
    default_status=sensor_status(),
    description="Keeps the shop alive: a run of stream_orders after the other. On in `dropship up`, else off.",
)
def live_traffic(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for the next run when the files are replayed and none is on its way; wait longer after failures."""
    if replayed(context.instance) is None:
        return skip("The CSV files are not replayed yet: customers and products must be known before new orders.")
    with user_errors():
        reason = why_not(Settings.load().data_dir)
    if reason:
        return skip(reason)
    active = active_run(context.instance, [stream_orders.name, replay_seeds.name, full_pipeline.name])
    if active:
        return skip(f"A run of {active} is on its way.")
    wait = seconds_to_wait(context.instance)
    if wait > 0:
        return skip(f"The last run of {stream_orders.name} failed: see it. The next attempt is in {wait:.0f} s.")
    number = int(context.cursor or 0) + 1
    return dg.SensorResult([dg.RunRequest(run_key=f"live-{number}")], cursor=str(number))


def seconds_to_wait(instance: dg.DagsterInstance) -> float:
    """How long to leave it after the newest runs failed: half a minute, then twice as long each time, up to 16 minutes.

    What broke may mend itself (a broker that is away) or not (another shop's files); neither is worth a failed run and
    an alert every few seconds.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=stream_orders.name), limit=_MOST_FAILURES)
    failures = 0
    for record in records:
        if record.dagster_run.status != dg.DagsterRunStatus.FAILURE:
            break
        failures += 1
    if not failures:
        return 0.0
    ended = records[0].end_time or records[0].update_timestamp.timestamp()
    return max(0.0, ended + _FIRST_WAIT_SECONDS * 2.0 ** (failures - 1) - time.time())
