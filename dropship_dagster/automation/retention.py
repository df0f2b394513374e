"""Retention: old messages of RAW and old reports."""

import datetime as dt

import dagster as dg
from pydantic import Field

from dropship_dagster.assets.reports import delete_old_reports
from dropship_dagster.resources import WarehouseResource, user_errors
from dropship_dagster.settings import Settings


class RetentionConfig(dg.Config):
    """How long to keep what can be made again."""

    raw_days: int = Field(30, ge=1, description="Days to keep messages in RAW; PROD and STAGING keep what they hold.")
    report_days: int = Field(90, ge=1, description="Days to keep the validation report of a run.")


@dg.op(description="Delete messages of RAW and reports that are older than configured.")
def delete_what_is_old(context: dg.OpExecutionContext, config: RetentionConfig, warehouse: WarehouseResource) -> None:
    """RAW is replayable from Kafka's retention or the files; what is deleted stays verified (OPS.KAFKA_OFFSETS)."""
    from dropship_dagster import warehouse as wh

    with user_errors():
        settings = Settings.load()
        report = wh.delete_old_messages(warehouse.endpoint(), days=config.raw_days)
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=config.report_days)
        reports = delete_old_reports(settings.reports_dir, before)
    context.add_output_metadata({**report.deleted, "reports": len(reports)})


@dg.job(description="Delete old messages of RAW and old reports.", executor_def=dg.in_process_executor)
def retention() -> None:
    """One step."""
    delete_what_is_old()
