"""Whether the tasks of the warehouse do their work: what TASK_HISTORY says of the last day."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from dropship_dagster.assets import names
from dropship_dagster.checks.outcome import WARN
from dropship_dagster.resources import WarehouseResource, user_errors

if TYPE_CHECKING:
    from dropship_dagster.warehouse import GraphState
    from dropship_dagster.warehouse.graph_history import Entry

_NAME = "task_is_healthy"
_LOOK_BACK = dt.timedelta(days=1)

_TABLES = tuple(
    table for table in names.STAGING_TABLES + names.PROD_TABLES if table.key != names.key("staging/rejected_events")
)
"""The tables that a task of their own fills; each staging task also fills rejected_events."""


@dg.multi_asset_check(
    name="task_health",
    specs=[
        dg.AssetCheckSpec(
            _NAME,
            asset=table.key,
            description="The table's task did not fail, nor one that it waits for, and its schedule was not suspended "
            "because of failures.",
        )
        for table in _TABLES
    ],
    can_subset=True,
)
def task_health(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
    """Look at every task's newest run; a failure that a later run made good warns of nothing."""
    from dropship_dagster import warehouse as wh
    from dropship_dagster.warehouse.graph_history import runs_since

    with user_errors():
        endpoint = warehouse.endpoint()
        since = dt.datetime.now(dt.UTC) - _LOOK_BACK
        tag = f"dropship checks run={context.run.run_id} asset=task_health"
        with wh.connect(endpoint, query_tag=tag) as connection:
            runs = runs_since(connection, endpoint.database, since)
            state = wh.graph_state(connection, endpoint.database)
        task_of = {table: task for task, table in wh.TABLE_OF_TASK.items()}
        for table in _TABLES:
            if dg.AssetCheckKey(table.key, _NAME) in context.selected_asset_check_keys:
                task = task_of[table.sql_name]
                yield verdict(table.key, task, [run for run in runs if run.name == task], state)


def verdict(asset: dg.AssetKey, task: str, runs: Sequence["Entry"], state: "GraphState") -> dg.AssetCheckResult:
    """What a task's runs of the last day, and the graph's newest run, say of its table."""
    from dropship_dagster.warehouse.graph_history import FAILED

    ended = sorted((run.completed, run.attempt, run) for run in runs if run.completed is not None)
    failures = sum(run.state in FAILED for *_, run in ended)
    last = ended[-1][2].run() if ended else None
    trouble = _trouble(task, last.failure if last and last.state in FAILED else None, state)
    fine = (
        f"The last run of OPS.{task} did not fail; of {len(ended):,} in a day {failures:,} failed."
        if ended
        else f"OPS.{task} did not run in the last day."
    )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=_NAME,
        passed=trouble is None,
        severity=WARN,
        description=trouble or (f"{fine} {state.schedule}" if state.schedule else fine),
        metadata={
            "task": task,
            "runs": len(ended),
            "failures": failures,
            "failed_runs_of_the_graph": state.failed_runs,
            "query_id": (last.query_id if last else None) or "",
            "statement": (last.statement if last else None) or "",
            "schedule": state.root,
        },
    )


def _trouble(task: str, failure: str | None, state: "GraphState") -> str | None:
    """What keeps the table from what came for it, and how to go on."""
    from dropship_dagster.warehouse.graph_history import remedy

    if failure:
        runs = f" The last {state.failed_runs:,} runs of the task graph failed." if state.failed_runs > 1 else ""
        return f"{failure}.{runs} {remedy(state.schedule)}"
    if state.failed and task not in state.ran:
        return f"OPS.{task} did not run, because a task that it waits for failed. {state.trouble}"
    return state.schedule if state.suspended_by_failures else None
