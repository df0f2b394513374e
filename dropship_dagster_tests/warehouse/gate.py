"""The task graph held up, or made to fail, at a task of a deployed database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from snowflake.connector import SnowflakeConnection

from dropship_dagster import warehouse
from dropship_dagster.endpoints import WarehouseEndpoint

ALWAYS = ("ALTER TASK OPS.REFRESH SUSPEND", "ALTER TASK OPS.REFRESH REMOVE WHEN")
"""The root, suspended, and with no condition: what runs it next runs the whole graph, data or not."""

FAILING = "INSERT INTO OPS.NOT_THERE SELECT 1"
MENDED = "SELECT 1"


@contextmanager
def held_up(endpoint: WarehouseEndpoint) -> Iterator[SnowflakeConnection]:
    """A session that holds up STAGE_PRODUCTS, and so the graph, until it commits."""
    with warehouse.connect(endpoint) as connection:
        for statement in (
            "CREATE TABLE OPS.GATE AS SELECT 0 AS N",
            f'GRANT SELECT, UPDATE ON TABLE OPS.GATE TO ROLE "{endpoint.database}_TRANSFORMER"',
            *ALWAYS,
            "ALTER TASK OPS.STAGE_PRODUCTS MODIFY AS UPDATE OPS.GATE SET N = N + 1",
            "BEGIN",
            "UPDATE OPS.GATE SET N = N",
        ):
            connection.cursor().execute(statement)
        over = threading.Event()

        def stay_awake() -> None:  # an idle transaction would give way to the task that waits for it
            while not over.wait(0.5):
                connection.cursor().execute("SELECT 1")

        awake = threading.Thread(target=stay_awake)
        awake.start()
        try:
            yield connection
        finally:
            over.set()
            awake.join()


def break_task(endpoint: WarehouseEndpoint, task: str, *, suspend_after: int, statement: str = FAILING) -> None:
    """Give a task a statement that always fails.

    Args:
        endpoint: the deployed warehouse.
        task: its name in OPS.
        suspend_after: failed runs on end after which the warehouse suspends the schedule.
        statement: what fails.
    """
    run(
        endpoint,
        *ALWAYS,
        f"ALTER TASK OPS.REFRESH SET SUSPEND_TASK_AFTER_NUM_FAILURES = {suspend_after}",
        f"ALTER TASK OPS.{task} MODIFY AS {statement}",
        "ALTER TASK OPS.REFRESH RESUME",
    )


def run(endpoint: WarehouseEndpoint, *statements: str) -> None:
    """Run statements one after the other."""
    with warehouse.connect(endpoint) as connection:
        for statement in statements:
            connection.cursor().execute(statement)
