"""reports/validation: what the run's checks said and how many rows each stage holds, for people and for scripts.

The step runs after every check of its run: executors take steps by priority, and this one has the lowest. A check that
has no result all the same is reported as such, so the order is a matter of completeness and never of truth.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from dropship_dagster.assets import names
from dropship_dagster.assets.reports import ValidationReport, collect, summary, write
from dropship_dagster.assets.stations import stations
from dropship_dagster.resources import KafkaResource, WarehouseResource, user_errors
from dropship_dagster.settings import Settings

LAST = "-100"


def report_url(path: Path, settings: Settings) -> str:
    """The page of a report, as the dashboard serves it: from a page of Dagster's, a browser opens no file."""
    page = path.relative_to(settings.reports_dir).with_suffix(".html")
    return f"http://127.0.0.1:{settings.dashboard_port}/reports/{page.as_posix()}"


@dg.asset(
    key=names.REPORT_KEY,
    deps=[table.key for table in names.STAGING_TABLES + names.PROD_TABLES],
    group_name=names.REPORTS,
    description="The validation report: every check of the run, rows at each stage, timings.",
    kinds={"python", "json"},
    owners=["team:platform"],
    op_tags={"dagster/priority": LAST},
    check_specs=[
        dg.AssetCheckSpec(
            "ok",
            asset=names.REPORT_KEY,
            blocking=True,
            description="No step of the run failed, and no critical check failed or is missing.",
        )
    ],
)
def validation(
    context: dg.AssetExecutionContext, kafka: KafkaResource, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Write the report, then let its own check decide whether the run ends well."""
    with user_errors():
        settings = Settings.load()
        report = ValidationReport(
            run=collect(context.instance, context.run.run_id),
            stations=stations(settings, kafka.endpoint(), warehouse.endpoint()),
            created_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        )
        path = write(report, settings.reports_dir)
    yield dg.MaterializeResult(
        asset_key=names.REPORT_KEY,
        metadata={
            "path": dg.MetadataValue.path(path),
            "page": dg.MetadataValue.url(report_url(path, settings)),
            "summary": dg.MetadataValue.md(summary(report)),
            "ok": report.ok,
            "checks": len(report.run.checks),
            "failed": report.count("failed", "ERROR") + report.count("not_evaluated"),
            "warned": report.count("failed", "WARN"),
        },
    )
    bad = [f"{check.asset}: {check.check}" for check in report.run.checks if check.critical]
    bad += [f"step {step.step}" for step in report.run.failed_steps]
    yield dg.AssetCheckResult(
        asset_key=names.REPORT_KEY,
        check_name="ok",
        passed=report.ok,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"Failed: {', '.join(bad)}." if bad else "Every critical check passed.",
    )
