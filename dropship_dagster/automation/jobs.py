"""The jobs. Each runs by itself: `dagster job execute -m dropship_dagster.definitions -j full_pipeline`."""

from __future__ import annotations

import dagster as dg
from dagster import AssetSelection

from dropship_dagster.assets import names
from dropship_dagster.automation.hooks import report_failure
from dropship_dagster.automation.live_orders import send_live_orders
from dropship_dagster.checks.seeds import seed_checks

_SEEDS = AssetSelection.groups(names.SEEDS)
_SEED_CHECKS = AssetSelection.checks(*seed_checks.check_keys)
_TOPICS = AssetSelection.groups(names.TOPICS)
_RAW = AssetSelection.groups(names.RAW)
_REFRESHED = AssetSelection.groups(names.STAGING, names.PROD)
_REPORTS = AssetSelection.groups(names.REPORTS)


def _job(name: str, selection: AssetSelection, description: str) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=selection,
        description=description,
        hooks={report_failure},
        # One process for all steps. A step here takes about a second; a process of its own for each would import
        # Dagster, the Snowflake connector and Great Expectations anew, ten seconds of work a step.
        executor_def=dg.in_process_executor,
    )


generate_seeds = _job("generate_seeds", _SEEDS, "Generate the shop's CSV files, or take your own, and check them.")
replay_seeds = _job(
    "replay_seeds",
    _SEED_CHECKS | _TOPICS,
    "Check the CSV files, then send them to the topics as events, in the order they happened.",
)
# Without the checks of RAW: they count all of RAW anew, and this job loads a few messages every few seconds. The loader
# itself refuses a batch that would leave a gap or a duplicate.
load_topics = _job(
    "load_topics", _RAW.without_checks(), "Load what the topics hold and RAW does not, each message exactly once."
)
refresh_prod = _job("refresh_prod", _REFRESHED, "Run the warehouse's task graph: RAW to STAGING to PROD.")
validate = _job("validate", AssetSelection.all_asset_checks() | _REPORTS, "Run every check and write the report.")
full_pipeline = _job(
    "full_pipeline",
    _SEEDS | _TOPICS | _RAW | _REFRESHED | _REPORTS,
    "From nothing to a validated PROD: seeds, topics, RAW, STAGING, PROD, checks, report.",
)


@dg.job(
    description="New orders and the life of open ones, for a bounded time.",
    hooks={report_failure},
    executor_def=dg.in_process_executor,
)
def stream_orders() -> None:
    """One step."""
    send_live_orders()


JOBS = (generate_seeds, replay_seeds, load_topics, refresh_prod, validate, full_pipeline, stream_orders)
