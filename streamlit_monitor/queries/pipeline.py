"""How the data flows: rows at each stage, loads, offsets, rejected messages, tasks.

Reads the views PROD.V_PIPELINE_* and V_REJECTED_*, which show what the reader's role may not see itself.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pandas as pd

from dropship_dagster.warehouse.graph_history import (
    ROOT,
    GraphState,
    entries_of,
    recent_runs,
    root_state,
    scope,
    state_of,
)
from streamlit_monitor.store import Store

_STATIONS = "SELECT STATION, TABLE_NAME, ROWS_THERE AS row_count FROM PROD.V_PIPELINE_STATIONS ORDER BY POSITION"

_LOADS = """
SELECT LOADED_AT, TOPIC, TABLE_NAME, ROWS_LOADED, BYTES,
  FETCH_SECONDS + ENCODE_SECONDS + PUT_SECONDS + COPY_SECONDS AS seconds, RUN_ID
FROM PROD.V_PIPELINE_LOADS
ORDER BY LOADED_AT DESC, BATCH_ID
LIMIT :limit
"""

_OFFSETS = """
SELECT TOPIC, COUNT(*) AS partitions, SUM(NEXT_OFFSET - FIRST_OFFSET) AS loaded, MAX(UPDATED_AT) AS updated_at
FROM PROD.V_PIPELINE_OFFSETS
GROUP BY 1
ORDER BY 1
"""

_POSITIONS = "SELECT TOPIC_ID, KAFKA_PARTITION, NEXT_OFFSET FROM PROD.V_PIPELINE_OFFSETS"

_REASONS = """
SELECT SOURCE, REJECT_REASON, MESSAGES, LAST_AT
FROM PROD.V_REJECTED_REASONS
ORDER BY MESSAGES DESC, SOURCE, REJECT_REASON
LIMIT :limit
"""

# From the commit of a message's batch in RAW to the last change of its order in PROD. The clock of the shop's events is
# not ours (a history is replayed, a stream goes on where it ends), so nothing before RAW can be timed by them.
_LATENCY = """
SELECT COUNT(*) AS orders, MEDIAN(SECONDS) AS median, PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY SECONDS) AS p95
FROM (
  SELECT DATEDIFF('millisecond', t.LOADED_AT, o.UPDATED_AT) / 1000 AS SECONDS
  FROM PROD.V_ORDER_TRACE t
  JOIN PROD.ORDERS o ON o.ORDER_ID = t.ORDER_ID AND o.VERSION = t.VERSION
  WHERE t.LOADED_AT >= :since AND o.UPDATED_AT >= t.LOADED_AT
)
"""

_TASKS = """
SELECT NAME, STATE, SCHEDULED_TIME, QUERY_START_TIME, COMPLETED_TIME, ERROR_MESSAGE
FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY({scope}, RESULT_LIMIT => 2000))
WHERE STATE <> 'SCHEDULED'
QUALIFY ROW_NUMBER() OVER (PARTITION BY NAME ORDER BY SCHEDULED_TIME DESC, QUERY_START_TIME DESC) <= :runs
ORDER BY SCHEDULED_TIME DESC, QUERY_START_TIME DESC
"""

# Of the whole database: a role that may not use OPS is shown nothing, where IN SCHEMA would be an error.
_GRAPH = "SHOW TASKS IN DATABASE"


def stations(store: Store) -> pd.DataFrame:
    """station, table_name, row_count, in the order of the data flow."""
    return store.look(_STATIONS)


def loads(store: Store, limit: int) -> pd.DataFrame:
    """loaded_at, topic, table_name, rows_loaded, bytes, seconds, run_id; the newest first."""
    return store.look(_LOADS, limit=limit)


def offsets(store: Store) -> pd.DataFrame:
    """topic, partitions, loaded (messages), updated_at."""
    return store.look(_OFFSETS)


def positions(store: Store) -> dict[tuple[str, int], int]:
    """The next offset to load, by topic id and partition."""
    found = store.look(_POSITIONS)
    rows = zip(found["topic_id"], found["kafka_partition"], found["next_offset"], strict=True)
    return {(str(topic_id), int(partition)): int(offset) for topic_id, partition, offset in rows}


def reject_reasons(store: Store, limit: int) -> pd.DataFrame:
    """source, reject_reason, messages, last_at; most messages first."""
    return store.look(_REASONS, limit=limit)


def latency(store: Store, since: datetime) -> pd.Series:
    """orders, median, p95: seconds from RAW to PROD of the orders' newest events that were loaded since then."""
    return store.look(_LATENCY, since=since).iloc[0]


def tasks(store: Store, runs: int, database: str) -> pd.DataFrame:
    """The last runs of each task: name, state, scheduled_time, query_start_time, completed_time, error_message.

    The newest run first. The root is skipped every minute in which nothing came, so what it found nothing for in the
    last day is not among them.
    """
    return store.history(_TASKS.format(scope=scope(database)), runs=runs)


def task_graph(store: Store) -> dict[str, frozenset[str]]:
    """The tasks that the role may see, each with those it waits for; no key is missing from a graph seen whole."""
    found = store.look(_GRAPH)
    ours = found[found["schema_name"] == "OPS"]
    return {str(name): _names(after) for name, after in zip(ours["name"], ours["predecessors"], strict=True)}


def graph_state(store: Store, database: str) -> GraphState | None:
    """How the graph is: its schedule, and what failed in its newest run; None for a role that may not see tasks.

    Snowflake shows a role without a privilege on the tasks none, and none of their runs.
    """
    tasks = _records(store.look(_GRAPH))
    ours = [task for task in tasks if task["schema_name"] == "OPS"]
    if not any(task["name"] == ROOT for task in ours):
        return None
    rows = [tuple(row.values()) for row in _records(store.history(recent_runs(database)))]
    return state_of(*root_state(ours), entries_of(rows))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows by column, with None for what is not there."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def _names(predecessors: object) -> frozenset[str]:
    """Task names out of a JSON array of qualified names; accounts also showed it without quotes, or with single ones.

    docs.snowflake.com/en/sql-reference/sql/show-tasks
    """
    text = str(predecessors or "[]")
    try:
        qualified = [str(name) for name in json.loads(text)]
    except ValueError:
        qualified = re.findall(r"[^\s,\[\]']+", text)
    return frozenset(name.rsplit(".", 1)[-1].strip('"') for name in qualified)
