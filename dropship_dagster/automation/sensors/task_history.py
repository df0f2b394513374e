"""Runs of the task graph that no step of Dagster reports -> materializations of the tables they wrote.

They are those of the warehouse's own schedule, of `dropship refresh` and of loaders that follow. A step of Dagster
reports the run that it waited for, whoever began it; what it reports, or may be about to, is left to it. So each table
of each run of the graph is told once. Tasks that fail, and a schedule that was suspended because of it, are told too.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from dropship_dagster.assets import metadata, names
from dropship_dagster.assets.tables import described
from dropship_dagster.automation.sensors.active import skip
from dropship_dagster.automation.sensors.failures import tell
from dropship_dagster.automation.sensors.reported import GRAPH_RUN, refreshing, reported
from dropship_dagster.resources import CONNECTOR, WarehouseResource, imported, user_errors
from dropship_dagster.resources.alerts import AlertResource
from dropship_dagster.settings import Settings

if TYPE_CHECKING:
    from dropship_dagster.warehouse.graph_history import Entry

_LOOK_BACK = dt.timedelta(days=1)
"""How much of the past the first tick tells."""
_LONGEST_GRAPH = dt.timedelta(hours=1)
"""A task that ended now was scheduled at most so long ago: USER_TASK_TIMEOUT_MS is an hour."""
_SOON_AFTER_A_LOAD = dt.timedelta(minutes=3)
"""How long after a load the schedule, which is a minute, still refreshes because of it."""
_LOOK_ANYWAY = dt.timedelta(minutes=10)
"""Loads from the command line are known to the warehouse alone."""


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports the tables that the warehouse refreshed without Dagster, and tells of tasks that fail.",
)
def scheduled_refreshes(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, alerts: AlertResource
) -> dg.SensorResult:
    """Report tasks that ended since the last tick, and what keeps the graph from its work.

    The warehouse is asked after a load, and now and then; one that costs money by the second can sleep in between.
    """
    now = dt.datetime.now(dt.UTC)
    seen = Seen.parse(context.cursor)
    if seen and not worth_a_look(seen, last_load(context.instance), now):
        return skip(_with("Nothing was loaded since the last look.", seen.trouble), context.cursor)
    if not imported(CONNECTOR):
        return skip("The Snowflake connector is being imported; the next tick looks.", context.cursor)

    from dropship_dagster import warehouse as wh
    from dropship_dagster.warehouse.graph_history import runs_since

    since = seen.ended if seen else now - _LOOK_BACK
    with user_errors():
        endpoint = warehouse.endpoint()
        with wh.connect(endpoint, query_tag="dropship sensor scheduled_refreshes") as connection:
            if not wh.is_deployed(connection, Settings.load().snowflake_database):
                return skip("The warehouse is not deployed yet.")
            state = wh.graph_state(connection, endpoint.database)
            told = tell(state, seen.told if seen else "", alerts, context.log)
            entries = runs_since(connection, endpoint.database, since - _LONGEST_GRAPH if seen else since)
            # In this order: a run of the graph that is in `entries` is reported by a step that is on its way still, or
            # was reported before that step ended.
            busy = refreshing(context.instance)
            if busy:
                looked = Seen(since, seen.looked if seen else now - _LOOK_BACK, told, state.trouble or "")
                return skip(_with(f"A run of {busy} reports what it refreshes.", state.trouble), looked.cursor)
            tasks = succeeded(entries, since)
            refreshed = list(_by_table(context.instance, tasks, wh.TABLE_OF_TASK, since - _LONGEST_GRAPH))
            tables = [table for table, _ in refreshed]
            found = described(connection, tables, wh.counts(endpoint)) if tables else {}
    ended = max((task.completed for task in tasks if task.completed), default=since)
    cursor = Seen(ended, now, told, state.trouble or "").cursor
    if not refreshed:
        return skip(_with("No refresh without Dagster since the last look.", state.trouble), cursor)
    events = [_materialization(table, runs, found[table.key]) for table, runs in refreshed]
    # A tick without a run counts as skipped; without a reason the UI would say that it did nothing.
    reason = f"Nothing has to run: {len(events)} tables that the warehouse refreshed are reported."
    return dg.SensorResult(asset_events=events, skip_reason=_with(reason, state.trouble), cursor=cursor)


@dataclass(frozen=True)
class Seen:
    """The cursor.

    Attributes:
        ended: the latest end of a task that was reported.
        looked: when the warehouse was asked last.
        told: the failures that were told, as `GraphState.key` has them.
        trouble: what kept the graph from its work at that look.
    """

    ended: dt.datetime
    looked: dt.datetime
    told: str = ""
    trouble: str = ""

    @property
    def cursor(self) -> str:
        """As text."""
        times = {"ended": self.ended.isoformat(), "looked": self.looked.isoformat()}
        return json.dumps({**times, "told": self.told, "trouble": self.trouble})

    @classmethod
    def parse(cls, cursor: str | None) -> "Seen | None":
        """From text, of an older version too; None at the first tick."""
        if not cursor:
            return None
        values = json.loads(cursor)
        ended, looked = (dt.datetime.fromisoformat(values.pop(name)) for name in ("ended", "looked"))
        return cls(ended, looked, **values)


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


def succeeded(entries: Iterable["Entry"], since: dt.datetime) -> list["Entry"]:
    """The tasks that ended well after `since`."""
    return [each for each in entries if each.state == "SUCCEEDED" and each.completed and each.completed > since]


def _by_table(
    instance: dg.DagsterInstance, tasks: Iterable["Entry"], table_of_task: Mapping[str, str], since: dt.datetime
) -> Iterable[tuple[names.Table, list["Entry"]]]:
    """The tasks by the tables they filled, without what a step of Dagster reported."""
    found: dict[str, list[Entry]] = {}
    for task in tasks:
        if task.name in table_of_task:
            found.setdefault(table_of_task[task.name], []).append(task)
    for table in names.WAREHOUSE_TABLES:
        if table.sql_name in found:
            known = reported(instance, table.key, since)
            runs = [task for task in found[table.sql_name] if task.group not in known]
            if runs:
                yield table, runs


def _materialization(table: names.Table, runs: list["Entry"], values: Mapping[str, Any]) -> dg.AssetMaterialization:
    last = max(runs, key=lambda run: (run.completed, run.attempt))
    return dg.AssetMaterialization(
        asset_key=table.key,
        description="Refreshed in the warehouse: by its own schedule, by a command or by a loader that follows.",
        metadata={
            **values,
            GRAPH_RUN: last.group,
            "task": last.name,
            "task_state": last.state,
            "query_id": last.query_id or "",
            "task_seconds": metadata.seconds(last.run().seconds or 0.0),
            "runs": len(runs),
        },
    )


def _with(reason: str, trouble: str | None) -> str:
    return f"{reason} {trouble}" if trouble else reason
