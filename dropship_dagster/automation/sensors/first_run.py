"""No CSV files at all -> full_pipeline, once: an empty home becomes a shop by itself.

`dropship up` asks for this run before its daemon starts, because recording a run with so many checks is slow for a
tick; the sensor does it where the platform runs in containers, and when the files go away later.
"""

import dagster as dg

from dropship_dagster.automation.jobs import full_pipeline, generate_seeds
from dropship_dagster.automation.sensors.active import active_run, sensor_status, skip
from dropship_dagster.resources import user_errors
from dropship_dagster.settings import Settings
from dropship_dagster.shop.folder import has_csv

_ASKED = "asked"


@dg.sensor(
    job=full_pipeline,
    minimum_interval_seconds=15,
    default_status=sensor_status(),
    description="Makes the shop and takes it to PROD when there is no CSV file yet. On in `dropship up`, else off.",
)
def first_run(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask once for the whole way; the cursor forgets that it asked as soon as there are files."""
    with user_errors():
        folder = Settings.load().data_dir
    if has_csv(folder):
        return skip("There are CSV files.", cursor="")
    active = active_run(context.instance, [full_pipeline.name, generate_seeds.name])
    if active:
        return skip(f"A run of {active} is on its way.", context.cursor)
    if context.cursor == _ASKED:
        return skip("It was asked for and made no files: see the last run of full_pipeline.", context.cursor)
    return dg.SensorResult([dg.RunRequest()], cursor=_ASKED)
