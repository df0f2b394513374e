"""The validation report of a run: its model, how it is read from the run's own events, and how it is written.

Called by the asset reports/validation and by the failure hook of the jobs.
"""

from dropship_dagster.assets.reports.collect import collect
from dropship_dagster.assets.reports.model import (
    CheckOutcome,
    FailedStep,
    RunOutcome,
    Stations,
    ValidationReport,
)
from dropship_dagster.assets.reports.page import summary
from dropship_dagster.assets.reports.write import delete_old_reports, latest, write

__all__ = [
    "CheckOutcome",
    "FailedStep",
    "RunOutcome",
    "Stations",
    "ValidationReport",
    "collect",
    "delete_old_reports",
    "latest",
    "summary",
    "write",
]
