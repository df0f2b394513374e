"""staging/* and prod/*: one run of the warehouse's task graph, in which every table has its own task.

The merges happen inside the warehouse, in SQL, by the same tasks that run there every minute on an account. So the step
starts the graph's root, waits for all of it, and tells for each table what its task did. The graph runs as a whole;
a single table of it cannot be refreshed by itself, and so the assets cannot be selected one by one either.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from dropship_dagster.assets import metadata, names
from dropship_dagster.assets.tables import described
from dropship_dagster.resources import CHECKS, WarehouseResource, meanwhile_import, user_errors

POOL = "tasks"

_RETRIES = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL)
"""For a warehouse that is away for a while. A task that failed is not retried: it would fail in the same way."""


class RefreshConfig(dg.Config):
    """How long to wait."""

    timeout_seconds: float = Field(600.0, gt=0, description="How long to wait for the whole graph.")


@dg.multi_asset(
    name="refresh",
    specs=[
        *names.table_specs(names.STAGING_TABLES, "team:platform"),
        *names.table_specs(names.PROD_TABLES, "team:analytics"),
    ],
    pool=POOL,
    retry_policy=_RETRIES,
)
def refresh(
    context: dg.AssetExecutionContext, config: RefreshConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Run the task graph once: RAW to STAGING to PROD."""
    from dropship_dagster import warehouse as wh

    endpoint = warehouse.endpoint()
    run_id = context.run.run_id
    with user_errors():
        with meanwhile_import(*CHECKS):
            report = wh.refresh(endpoint, timeout=config.timeout_seconds, run_id=run_id)
        rows = wh.counts(endpoint)
        with wh.connect(endpoint, query_tag=f"dropship metadata run={run_id} asset=refresh") as connection:
            found = described(connection, names.STAGING_TABLES + names.PROD_TABLES, rows)
        tasks = {task.table: task for task in report.tasks}
        for table in names.STAGING_TABLES + names.PROD_TABLES:
            values: dict[str, Any] = {
                **found[table.key],
                "graph_run": report.run_id,
                "graph_state": report.state,
                "graph_seconds": metadata.seconds(report.seconds),
            }
            task = tasks.get(table.sql_name)
            if task:
                values |= {"task": task.task, "task_state": task.state, "query_id": task.query_id or ""}
                values["task_seconds"] = metadata.seconds(task.seconds or 0.0)
            yield dg.MaterializeResult(asset_key=table.key, metadata=values)
