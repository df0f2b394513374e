"""Every sensor of the project."""

from dropship_dagster.automation.sensors.backlog import topic_backlog
from dropship_dagster.automation.sensors.failures import failed_runs
from dropship_dagster.automation.sensors.first_run import first_run
from dropship_dagster.automation.sensors.live_traffic import live_traffic
from dropship_dagster.automation.sensors.seeds import seed_files
from dropship_dagster.automation.sensors.task_history import scheduled_refreshes

SENSORS = (first_run, seed_files, topic_backlog, scheduled_refreshes, live_traffic, failed_runs)
