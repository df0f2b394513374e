"""The one Definitions object of the project.

Loading it reads no setting that may be wrong, connects to nothing and imports neither the Snowflake libraries nor
Great Expectations: each step finds its services when it runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_shared.libraries import DagsterLibraryRegistry

from dropship_dagster import __version__
from dropship_dagster.assets.definitions import ASSETS
from dropship_dagster.automation.jobs import JOBS
from dropship_dagster.automation.retention import retention
from dropship_dagster.automation.run import JobReport
from dropship_dagster.automation.run import run_job as _run_job
from dropship_dagster.automation.run_retention import run_retention
from dropship_dagster.automation.schedules import SCHEDULES
from dropship_dagster.automation.sensors.definitions import SENSORS
from dropship_dagster.checks.definitions import CHECKS
from dropship_dagster.resources import KafkaResource, WarehouseResource
from dropship_dagster.resources.alerts import alert_resource
from local_service import privacy

# Runs write personal data, Dagster's own storage and logs included, and are started by whatever program Dagster likes.
privacy.be_private()

# Shown in the UI among the libraries of the code location, as the integrations show theirs.
DagsterLibraryRegistry.register("dropship", __version__, is_dagster_package=False)

# Dagster itself passes the parameter it then warns of, once for every sensor.
warnings.filterwarnings(
    "ignore", message="Parameter `owners` of initializer `SensorDefinition", category=dg.BetaWarning
)

defs = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    jobs=[*JOBS, retention, run_retention],
    sensors=SENSORS,
    schedules=SCHEDULES,
    resources={"kafka": KafkaResource(), "warehouse": WarehouseResource(), "alerts": alert_resource()},
    executor=dg.in_process_executor,
)


def run_job(
    name: str,
    *,
    instance: dg.DagsterInstance | None = None,
    run_config: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    log_level: str = "CRITICAL",
) -> JobReport:
    """Run one of the project's jobs in this process; see `dropship_dagster.automation.run.run_job`."""
    job = defs.resolve_job_def(name)
    return _run_job(job, instance=instance, run_config=run_config, tags=tags, log_level=log_level)
