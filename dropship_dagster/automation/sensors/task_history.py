"""Runs of the task graph that the warehouse's own schedule made -> materializations of the tables they wrote.

What Dagster itself starts is reported by the step that waits for it; so every run of the graph is told once.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dropship_dagster.assets import metadata, names
from dropship_dagster.assets.tables import described
from dropship_dagster.automation.sensors.active import skip
from dropship_dagster.resources import CONNECTOR, WarehouseResource, imported, user_errors
from dropship_dagster.settings import Settings

_LOOK_BACK = dt.timedelta(days=1)
"""How much of the past the first tick tells."""
_LONGEST_GRAPH = dt.timedelta(hours=1)
"""A task that ended now was scheduled at most so long ago: USER_TASK_TIMEOUT_MS is an hour."""
_SOON_AFTER_A_LOAD = dt.timedelta(minutes=3)
"""How long after a load the schedule, which is a minute, still refreshes because of it."""
_LOOK_ANYWAY = dt.timedelta(minutes=10)
"""Loads from the command line are known to the warehouse alone."""

_HISTORY = """
SELECT GRAPH_RUN_GROUP_ID, NAME, SCHEDULED_FROM, QUERY_ID, QUERY_START_TIME, COMPLETED_TIME
FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(
  SCHEDULED_TIME_RANGE_START => TO_TIMESTAMP_LTZ(?),
  RESULT_LIMIT => 10000
))
WHERE DATABASE_NAME = ? AND SCHEMA_NAME = 'OPS' AND STATE = 'SUCCEEDED'
"""


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports the tables that the warehouse's schedule refreshed, as Dagster's own runs do.",
)
def scheduled_refreshes(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult:
    """Report tasks of scheduled runs that ended since the last tick.

    The warehouse is asked after a load, and now and then; one that costs money by the second can sleep in between.
    """
    now = dt.datetime.now(dt.UTC)
    seen = Seen.parse(context.cursor)
    if seen and not worth_a_look(seen, last_load(context.instance), now):
        return skip("Nothing was loaded since the last look.", context.cursor)
    if not imported(CONNECTOR):
        return skip("The Snowflake connector is being imported; the next tick looks.", context.cursor)

    from dropship_dagster import warehouse as wh

    since = seen.ended if seen else now - _LOOK_BACK
    with user_errors():
        endpoint = warehouse.endpoint()
        with wh.connect(endpoint, query_tag="dropship sensor scheduled_refreshes") as connection:
            if not wh.is_deployed(connection, Settings.load().snowflake_database):
                return skip("The warehouse is not deployed yet.")
            begin = (since - _LONGEST_GRAPH if seen else since).isoformat()
            rows = connection.cursor().execute(_HISTORY, (begin, endpoint.database)).fetchall()
            tasks = ended_by_schedule(rows, since)
            refreshed = list(_by_table(tasks, wh.TABLE_OF_TASK))
            tables = [table for table, _ in refreshed]
            found = described(connection, tables, wh.counts(endpoint)) if tables else {}
    if not tasks:
        return skip("No scheduled refresh since the last look.", Seen(since, now).cursor)
    events = [_materialization(table, runs, found[table.key]) for table, runs in refreshed]
    return dg.SensorResult(
        asset_events=events,
        # A tick without a run counts as skipped; without a reason the UI would say that it did nothing.
        skip_reason=f"Nothing has to run: {len(events)} tables that the schedule refreshed are reported.",
        cursor=Seen(max(task["completed"] for task in tasks), now).cursor,
    )


@dataclass(frozen=True)
class Seen:
    """The cursor: the latest end of a task that was reported, and when the warehouse was asked last."""

    ended: dt.datetime
    looked: dt.datetime

    @property
    def cursor(self) -> str:
        """As text."""
        return json.dumps({"ended": self.ended.isoformat(), "looked": self.looked.isoformat()})

    @classmethod
    def parse(cls, cursor: str | None) -> "Seen | None":
        """From text; None at the first tick."""
        values = json.loads(cursor) if cursor else None
        return cls(**{name: dt.datetime.fromisoformat(value) for name, value in values.items()}) if values else None


def worth_a_look(seen: Seen, loaded: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether the schedule may have refreshed something since the last look."""
    recent = loaded is not None and loaded > seen.looked - _SOON_AFTER_A_LOAD
    return recent or now - seen.looked > _LOOK_ANYWAY


def last_load(instance: dg.DagsterInstance) -> dt.datetime | None:
    """When a run of Dagster's loaded something last."""
    records = instance.get_asset_records([table.key for table in names.RAW_TABLES])
    events = [record.asset_entry.last_materialization for record in records]
    times = [event.timestamp for event in events if event is not None]
    return dt.datetime.fromtimestamp(max(times), dt.UTC) if times else None


def ended_by_schedule(rows: Iterable[Sequence[Any]], since: dt.datetime) -> list[dict[str, Any]]:
    """The tasks that ended after `since` in runs whose root was not started by EXECUTE TASK."""
    entries = [
        {"group": row[0], "name": row[1], "from": row[2], "query": row[3], "started": row[4], "completed": row[5]}
        for row in rows
        if row[5] is not None
    ]
    by_hand = {entry["group"] for entry in entries if entry["from"] == "EXECUTE_TASK"}
    return [entry for entry in entries if entry["group"] not in by_hand and entry["completed"] > since]


def _by_table(
    tasks: Iterable[dict[str, Any]], table_of_task: Mapping[str, str]
) -> Iterable[tuple[names.Table, list[dict[str, Any]]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        if task["name"] in table_of_task:
            found.setdefault(table_of_task[task["name"]], []).append(task)
    for table in names.WAREHOUSE_TABLES:
        if table.sql_name in found:
            yield table, found[table.sql_name]


def _materialization(
    table: names.Table, runs: list[dict[str, Any]], values: Mapping[str, Any]
) -> dg.AssetMaterialization:
    last = max(runs, key=lambda run: run["completed"])
    return dg.AssetMaterialization(
        asset_key=table.key,
        description="Refreshed by the warehouse's own schedule.",
        metadata={
            **values,
            "graph_run": str(last["group"]),
            "task": last["name"],
            "task_state": "SUCCEEDED",
            "query_id": last["query"] or "",
            "task_seconds": metadata.seconds((last["completed"] - last["started"]).total_seconds()),
            "runs": len(runs),
        },
    )
