"""What every job does when a step fails."""

import datetime as dt

import dagster as dg

from dropship_dagster.assets.reports import ValidationReport, collect, write
from dropship_dagster.assets.validation import validation
from dropship_dagster.settings import Settings


@dg.failure_hook(name="report_failure")
def report_failure(context: dg.HookContext) -> None:
    """Write the report of a run that does not get to reports/validation, so that the newest report never flatters.

    Rows at the stages are left out: a service that does not answer may be what failed.
    """
    if context.op.name == validation.op.name and not isinstance(context.op_exception, dg.Failure):
        return  # the report is written, and its own check is what failed: all else that step raises is a Failure
    report = ValidationReport(
        run=collect(context.instance, context.run_id),
        stations={},
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
    )
    path = write(report, Settings.load().reports_dir)
    context.log.info("The report of this run so far is %s.", path)
