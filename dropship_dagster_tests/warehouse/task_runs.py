"""The tasks' own bodies, run as statements in sessions of their own: beside each other, killed, failing, repeated."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from snowflake.connector import SnowflakeConnection
from snowflake.connector import errors as snowflake_errors

from dropship_dagster import warehouse
from dropship_dagster.warehouse import TABLE_OF_TASK
from dropship_dagster.warehouse.connection import open_connection
from dropship_dagster.warehouse.graph_history import show_tasks
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until

GAVE_WAY = {619, 625}
"""A deadlock that was broken, and a table that changed meanwhile: the run failed as a whole, as any may."""
STAGING = ("STAGE_ORDER_EVENTS", "STAGE_ORDER_EVENTS", "STAGE_PRODUCTS", "STAGE_CUSTOMERS")
MAY_BE_RENAMED = ("MERGE_ORDER_LINES", "MERGE_ORDER_STATUS_HISTORY", "MERGE_DAILY_SALES")


@dataclass
class Run:
    """A body that is executed asynchronously in a session of its own."""

    task: str
    connection: SnowflakeConnection
    query_id: str

    @classmethod
    def begin(cls, pipeline: Pipeline, task: str, body: str) -> Run:
        connection = open_connection(pipeline.endpoint)
        cursor = connection.cursor()
        cursor.execute_async(body)
        assert cursor.sfqid
        return cls(task, connection, cursor.sfqid)

    @property
    def is_running(self) -> bool:
        return self.connection.is_still_running(self.connection.get_query_status(self.query_id))

    def error(self) -> int | None:
        """The number of the error it ends with; None when it succeeds."""
        try:
            self.connection.cursor().query_result(self.query_id)
        except snowflake_errors.ProgrammingError as error:
            return error.errno
        return None

    def cancel(self) -> None:
        """The query is aborted, and the session lives."""
        self.connection.cursor().abort_query(self.query_id)

    def end_session(self) -> None:
        """The session is closed under its query, which is rolled back before this returns."""
        assert self.connection.rest
        self.connection.rest.delete_session()


@dataclass
class Tasks:
    """The graph's tasks without the graph, and what happened to their runs."""

    pipeline: Pipeline
    chance: random.Random
    bodies: Mapping[str, str] = field(init=False)
    struck: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.pipeline.rows("ALTER TASK IF EXISTS OPS.REFRESH SUSPEND")
        with warehouse.connect(self.pipeline.endpoint) as connection:
            listed = show_tasks(connection, self.pipeline.endpoint.database)
        bodies = {str(task["name"]): str(task["definition"]) for task in listed}
        self.bodies = {name: bodies[name] for name in TABLE_OF_TASK}

    def quiet_pass(self) -> None:
        """Every task once, in the graph's order."""
        self.run(*self.bodies)

    def run(self, *tasks: str) -> None:
        """These tasks one after the other."""
        with warehouse.connect(self.pipeline.endpoint) as connection:
            for task in tasks:
                connection.cursor().execute(self.bodies[task])

    def disorder(self, steps: int) -> None:
        """Runs in random order, of which some are repeated, run beside each other, fail or are killed."""
        for step in range(steps):
            # each kind comes in turn, so that short tests have all of them
            (self.alone, self.beside, self.killed, self.beside, self.failing)[step % 5]()

    def alone(self) -> None:
        """Some tasks one after the other, behind a staging task, whatever else they come after."""
        for task in [self.chance.choice(STAGING), *self.chance.choices(list(self.bodies), k=4)]:
            with self._begun([task]) as [run]:
                assert run.error() is None, task

    def beside(self) -> None:
        """Several at once, two of them of the same task."""
        picked = self.chance.choices(list(self.bodies), k=self.chance.randint(2, 4))
        with self._held(TABLE_OF_TASK[picked[0]]) as hold, self._begun([picked[0], *picked]) as runs:
            self.struck["beside"] += sum(run.is_running for run in runs) > 1
            hold.release()
            self._ended(runs)

    def killed(self) -> None:
        """A run that waits for its table is cancelled or loses its session, while others go on."""
        picked = self.chance.choices(list(self.bodies), k=2)
        victim = self.chance.choice([*self.bodies, "MERGE_ORDERS", "MERGE_ORDER_LINES"])
        with self._held(TABLE_OF_TASK[victim]) as hold, self._begun([victim, *picked]) as runs:
            time.sleep(self.chance.random() / 10)  # to be struck at another place each time
            if self.chance.random() < 0.5:
                wait_until(lambda: runs[0].cancel() or not runs[0].is_running, f"the end of {victim}")
                self.struck["cancelled"] += runs[0].error() is not None
            else:
                self.struck["sessions ended"] += runs[0].is_running
                runs[0].end_session()
            hold.release()
            self._ended(runs[1:])

    def failing(self) -> None:
        """A table is away, so a run fails at its last statement; then it is there again."""
        task = self.chance.choice(MAY_BE_RENAMED)
        table = TABLE_OF_TASK[task]
        self.pipeline.rows(f"ALTER TABLE {table} RENAME TO {table}_AWAY")
        try:
            with self._begun([task]) as [run]:
                error = run.error()
        finally:
            self.pipeline.rows(f"ALTER TABLE {table}_AWAY RENAME TO {table}")
        assert error is not None
        self.struck["failed"] += 1

    def _ended(self, runs: Sequence[Run]) -> None:
        for run in runs:
            error = run.error()
            assert error is None or error in GAVE_WAY, (run.task, error)
            self.struck["gave way"] += error is not None

    @contextlib.contextmanager
    def _begun(self, tasks: Sequence[str]) -> Iterator[list[Run]]:
        runs = [Run.begin(self.pipeline, task, self.bodies[task]) for task in tasks]
        try:
            yield runs
        finally:
            for run in runs:
                with contextlib.suppress(snowflake_errors.Error):  # of a session that the test has ended
                    run.end_session()

    @contextlib.contextmanager
    def _held(self, table: str) -> Iterator[Hold]:
        with warehouse.connect(self.pipeline.endpoint) as connection:
            hold = Hold(connection, table)
            try:
                yield hold
            finally:
                hold.release()


class Hold:
    """A lock on a table: what changes it waits."""

    def __init__(self, connection: SnowflakeConnection, table: str) -> None:
        self._connection = connection
        column = connection.cursor().execute(f"SHOW COLUMNS IN TABLE {table}").fetchall()[0][2]
        connection.cursor().execute("BEGIN")
        connection.cursor().execute(f"UPDATE {table} SET {column} = {column} WHERE FALSE")

    def release(self) -> None:
        self._connection.cursor().execute("ROLLBACK")
