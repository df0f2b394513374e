"""New or changed CSV files -> replay_seeds."""

import dagster as dg

from dropship_dagster.assets.seeds import fingerprint
from dropship_dagster.assets.topics import replayed
from dropship_dagster.automation.jobs import full_pipeline, replay_seeds
from dropship_dagster.automation.sensors.active import active_run, skip
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import Settings


@dg.sensor(
    job=replay_seeds,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Replays the CSV files when their manifest, or any of them where there is none, is new.",
)
def seed_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Compare the folder's fingerprint with that of the last replay asked for."""
    with user_errors():
        folder = Settings.load().data_dir
    found = fingerprint(folder)
    if found is None:
        return skip(f"{folder} does not hold all CSV files.")
    if found in (context.cursor, replayed(context.instance)):
        return skip("The files are those that were replayed last.", found)
    active = active_run(context.instance, [replay_seeds.name, full_pipeline.name])
    if active:
        return skip(f"A run of {active} is on its way.", context.cursor)
    # No run key: one is never used again, and files may come back to what they were. The cursor does it.
    return dg.SensorResult([dg.RunRequest(tags={"dropship/seeds": found[:16]})], cursor=found)
