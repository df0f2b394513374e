"""What runs by the clock, in UTC."""

import dagster as dg

from dropship_dagster.automation.jobs import generate_seeds, validate
from dropship_dagster.automation.retention import retention
from dropship_dagster.automation.run_retention import run_retention

SCHEDULES = (
    dg.ScheduleDefinition(
        name="nightly_validation",
        job=validate,
        cron_schedule="15 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every check, every night.",
    ),
    dg.ScheduleDefinition(
        name="nightly_retention",
        job=retention,
        cron_schedule="45 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Old messages of RAW and old reports. Off until you switch it on: it deletes.",
    ),
    dg.ScheduleDefinition(
        name="nightly_run_retention",
        job=run_retention,
        cron_schedule="30 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Dagster's record of loads and live traffic that succeeded days ago, half a gigabyte a day.",
    ),
    dg.ScheduleDefinition(
        name="daily_seeds",
        job=generate_seeds,
        cron_schedule="0 2 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=(
            "Makes the CSV files anew when sizes or seed have changed; your own stay. Off until you switch it on."
        ),
    ),
)
