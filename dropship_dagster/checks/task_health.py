"""Whether the tasks of the warehouse do their work: what TASK_HISTORY says of the last day."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from dropship_dagster.assets import names
from dropship_dagster.checks.outcome import WARN
from dropship_dagster.resources import WarehouseResource, user_errors

_NAME = "task_is_healthy"
_LOOK_BACK = dt.timedelta(days=1)

_TABLES = tuple(
    table for table in names.STAGING_TABLES + names.PROD_TABLES if table.key != names.key("staging/rejected_events")
)
"""The tables that a task of their own fills; each staging task also fills rejected_events."""

_HISTORY = """
SELECT NAME, STATE, ERROR_MESSAGE, QUERY_ID
FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(
  SCHEDULED_TIME_RANGE_START => TO_TIMESTAMP_LTZ(?),
  RESULT_LIMIT => 10000
))
WHERE DATABASE_NAME = ? AND SCHEMA_NAME = 'OPS' AND COMPLETED_TIME IS NOT NULL
ORDER BY COMPLETED_TIME
"""
_FAILED = frozenset({"FAILED", "FAILED_AND_AUTO_SUSPENDED", "CANCELLED"})


@dg.multi_asset_check(
    name="task_health",
    specs=[
        dg.AssetCheckSpec(_NAME, asset=table.key, description="The last run of the table's task did not fail.")
        for table in _TABLES
    ],
    can_subset=True,
)
def task_health(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
    """Look at every task's newest run; a failure that a later run made good warns of nothing."""
    from dropship_dagster import warehouse as wh

    with user_errors():
        endpoint = warehouse.endpoint()
        since = (dt.datetime.now(dt.UTC) - _LOOK_BACK).isoformat()
        tag = f"dropship checks run={context.run.run_id} asset=task_health"
        with wh.connect(endpoint, query_tag=tag) as connection:
            rows = connection.cursor().execute(_HISTORY, (since, endpoint.database)).fetchall()
        task_of = {table: task for task, table in wh.TABLE_OF_TASK.items()}
        for table in _TABLES:
            if dg.AssetCheckKey(table.key, _NAME) in context.selected_asset_check_keys:
                task = task_of[table.sql_name]
                yield verdict(table.key, task, [row for row in rows if row[0] == task])


def verdict(asset: dg.AssetKey, task: str, runs: Iterable[Sequence[Any]]) -> dg.AssetCheckResult:
    """What a task's runs of the last day say, the newest last: (name, state, error, query id)."""
    listed = list(runs)
    failures = sum(state in _FAILED for _, state, _, _ in listed)
    _, state, error, query = listed[-1] if listed else (task, "", None, None)
    failed = state in _FAILED
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=_NAME,
        passed=not failed,
        severity=WARN,
        description=(
            f"OPS.{task} failed: {error or state}. Its events wait in its stream; the next run carries on."
            if failed
            else f"The last run of OPS.{task} did not fail; of {len(listed):,} in a day {failures:,} failed."
            if listed
            else f"OPS.{task} did not run in the last day."
        ),
        metadata={"task": task, "runs": len(listed), "failures": failures, "query_id": query or ""},
    )
