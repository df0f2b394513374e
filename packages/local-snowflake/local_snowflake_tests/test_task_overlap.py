"""Which runs of a graph may be under way at once, and which wait.

Rules: docs.snowflake.com/en/sql-reference/sql/execute-task (usage notes), .../sql/create-task (OVERLAP_POLICY).
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_snowflake_tests.server import Server, Session, eventually

RUNS = """
SELECT NAME, STATE, SCHEDULED_FROM, GRAPH_RUN_GROUP_ID, ATTEMPT_NUMBER, QUERY_START_TIME, COMPLETED_TIME, CONFIG
FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(RESULT_LIMIT => 1000))
WHERE DATABASE_NAME = CURRENT_DATABASE() ORDER BY QUERY_START_TIME NULLS LAST, GRAPH_RUN_GROUP_ID
"""
COLUMNS = ("name", "state", "from", "group", "attempt", "started", "completed", "config")


@contextmanager
def running_patient(folder: Path) -> Iterator[Server]:
    """A server on which a lock is held for as long as the test likes."""
    running = Server(folder / "warehouse", "--contended-transaction-seconds", "600")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared_patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Such a server that nobody kills."""
    with running_patient(tmp_path_factory.mktemp("patient")) as running:
        yield running


@pytest.fixture
def patient(shared_patient: tuple[Session, Gate]) -> Iterator[tuple[Session, Gate]]:
    """A session and a gate in a fresh database."""
    name = f"D{uuid.uuid4().hex[:10].upper()}"
    session = shared_patient.session()
    session.run(f"CREATE DATABASE {name}")
    yield session, Gate(shared_patient, name)
    session.run(f"DROP DATABASE {name}")
    session.close()


class Gate:
    """A lock that the task bodies `UPDATE GATE SET N = N + 1` wait for."""

    def __init__(self, server: Server, database: str) -> None:
        self.session = server.session(database=database)
        self.session.run("CREATE TABLE IF NOT EXISTS GATE (N NUMBER) AS SELECT 0")

    def close(self) -> None:
        self.session.run("BEGIN")
        self.session.run("UPDATE GATE SET N = N")

    def open(self) -> None:
        self.session.run("COMMIT")


def runs(session: Session, name: str = "ROOT") -> list[dict[str, Any]]:
    return [row for row in (dict(zip(COLUMNS, row, strict=True)) for row in session.run(RUNS)) if row["name"] == name]


def states(session: Session, name: str = "ROOT") -> list[str]:
    return [run["state"] for run in runs(session, name)]


def reach(session: Session, *expected: str, name: str = "ROOT") -> list[dict[str, Any]]:
    """The runs of a task once their states are these, in the order in which they began."""
    eventually(lambda: states(session, name) == list(expected), f"{expected}")
    return runs(session, name)


def test_a_run_that_is_asked_for_during_another_begins_when_it_has_ended(patient: tuple[Session, Gate]) -> None:
    session, gate = patient
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS SELECT 1")
    session.run("CREATE TASK CHILD AFTER ROOT AS UPDATE GATE SET N = N + 1")
    session.run("ALTER TASK CHILD RESUME")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING", name="CHILD")
    session.run("EXECUTE TASK ROOT")
    first, second = reach(session, "SUCCEEDED", "SCHEDULED")
    assert (second["started"], second["completed"], second["from"]) == (None, None, "EXECUTE_TASK")
    assert first["group"] != second["group"]
    gate.open()
    child, later_child = reach(session, "SUCCEEDED", "SUCCEEDED", name="CHILD")
    again = reach(session, "SUCCEEDED", "SUCCEEDED")[1]
    assert again["group"] == second["group"] == later_child["group"]
    assert child["completed"] <= again["started"], "the second run began before the first one's child had ended"


def test_of_several_requests_during_a_run_the_last_one_runs(patient: tuple[Session, Gate]) -> None:
    """ "The requested run replaces the scheduled run"; its configuration is the one that counts."""
    session, gate = patient
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS UPDATE GATE SET N = N + 1")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING")
    for number in range(5):
        session.run(f"""EXECUTE TASK ROOT USING CONFIG = '{{"n": {number}}}'""")
    assert [run["config"] for run in reach(session, "EXECUTING", "SCHEDULED")] == [None, '{"n": 4}']
    gate.open()
    first, second = reach(session, "SUCCEEDED", "SUCCEEDED")
    assert first["completed"] <= second["started"]
    assert session.value("SELECT N FROM GATE") == 2


def test_many_sessions_that_execute_a_graph_at_once_get_serial_runs_that_see_their_rows(session: Session) -> None:
    session.run("CREATE TABLE SRC (N NUMBER)")
    session.run("CREATE STREAM S ON TABLE SRC APPEND_ONLY = TRUE")
    session.run("CREATE TABLE MID (N NUMBER)")
    session.run("CREATE TABLE DST (N NUMBER)")
    session.run("CREATE TASK ROOT SCHEDULE = '10 SECONDS' AS INSERT INTO MID SELECT N FROM S")
    session.run("CREATE TASK CHILD AFTER ROOT AS INSERT OVERWRITE INTO DST SELECT N FROM MID")
    session.run("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('ROOT')")

    def ask(number: int) -> None:
        for step in range(10):
            session.run(f"INSERT INTO SRC VALUES ({number * 100 + step})")
            session.run("EXECUTE TASK ROOT")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: session.value("SELECT COUNT(*) FROM DST") == 40, "every row in the child's table")
    session.run("ALTER TASK ROOT SUSPEND")
    eventually(lambda: not {"SCHEDULED", "EXECUTING"} & {*states(session), *states(session, "CHILD")}, "the last run")
    order = sorted([*runs(session), *runs(session, "CHILD")], key=lambda run: (run["started"], run["completed"]))
    assert {run["state"] for run in order} == {"SUCCEEDED"}
    for earlier, later in itertools.pairwise(order):
        assert earlier["completed"] <= later["started"], (earlier, later)
    assert [run["name"] for run in order] == ["ROOT", "CHILD"] * (len(order) // 2)


def test_a_scheduled_run_that_is_due_during_another_is_skipped(patient: tuple[Session, Gate]) -> None:
    session, gate = patient
    session.run("CREATE TASK ROOT SCHEDULE = '10 SECONDS' AS UPDATE GATE SET N = N + 1")
    session.run("CREATE TASK OTHER SCHEDULE = '10 SECONDS' AS SELECT 1")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING")
    session.run("ALTER TASK ROOT RESUME")
    session.run("ALTER TASK OTHER RESUME")
    reach(session, "SUCCEEDED", name="OTHER")  # as due as ROOT is
    session.run("ALTER TASK ROOT SUSPEND")
    assert states(session) == ["EXECUTING"]
    gate.open()
    reach(session, "SUCCEEDED")


def test_retry_last_is_refused_while_the_graph_runs_and_runs_serially_after(patient: tuple[Session, Gate]) -> None:
    session, gate = patient
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS SELECT 1")
    session.run("CREATE TASK BAD AFTER ROOT AS SELECT 1 / 0")
    session.run("CREATE TASK SLOW AFTER ROOT AS UPDATE GATE SET N = N + 1")
    for name in ("BAD", "SLOW"):
        session.run(f"ALTER TASK {name} RESUME")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "FAILED", name="BAD")
    reach(session, "EXECUTING", name="SLOW")
    refused = session.fails("EXECUTE TASK ROOT RETRY LAST")
    assert "has not ended" in str(refused.msg)
    gate.open()
    reach(session, "SUCCEEDED", name="SLOW")
    eventually(lambda: session.run("EXECUTE TASK ROOT RETRY LAST"), "the retry")
    first, retry = reach(session, "FAILED", "FAILED", name="BAD")
    assert (retry["from"], retry["attempt"], retry["group"]) == ("MANUAL RETRY", 2, first["group"])
    assert len(runs(session)) == 1, "the root had succeeded and is not run again"


def test_the_next_run_waits_for_automatic_retries_too(patient: tuple[Session, Gate]) -> None:
    session, gate = patient
    session.run("CREATE TABLE D (N NUMBER)")
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' TASK_AUTO_RETRY_ATTEMPTS = 2 AS UPDATE GATE SET N = N + 1")
    session.run("CREATE TASK BAD AFTER ROOT AS INSERT INTO D SELECT 1 / 0")
    session.run("ALTER TASK BAD RESUME")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING")
    session.run("EXECUTE TASK ROOT")
    gate.open()
    bad = reach(session, *["FAILED"] * 6, name="BAD")
    second = reach(session, "SUCCEEDED", "SUCCEEDED")[1]
    assert [run["attempt"] for run in bad] == [1, 2, 3, 1, 2, 3]
    assert [run["from"] for run in bad[:3]] == ["EXECUTE_TASK", "AUTOMATIC RETRY", "AUTOMATIC RETRY"]
    assert bad[2]["completed"] <= second["started"]


def test_a_request_survives_the_suspension_of_its_root_and_its_replacement_and_runs_what_is_there_then(
    patient: tuple[Session, Gate],
) -> None:
    session, gate = patient
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS UPDATE GATE SET N = N + 1")
    session.run("ALTER TASK ROOT RESUME")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING")
    session.run("EXECUTE TASK ROOT")
    session.run("ALTER TASK ROOT SUSPEND")
    session.run("CREATE OR REPLACE TASK ROOT SCHEDULE = '1 HOUR' AS UPDATE GATE SET N = N + 100")
    reach(session, "EXECUTING", "SCHEDULED")
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING", "SCHEDULED")
    gate.open()
    first, second = reach(session, "SUCCEEDED", "SUCCEEDED")
    assert first["completed"] <= second["started"]
    assert session.value("SELECT N FROM GATE") == 101


def test_a_request_for_a_task_that_is_dropped_meanwhile_is_cancelled(patient: tuple[Session, Gate]) -> None:
    session, gate = patient
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS UPDATE GATE SET N = N + 1")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING")
    session.run("EXECUTE TASK ROOT")
    session.run("DROP TASK ROOT")
    gate.open()
    reach(session, "SUCCEEDED", "CANCELLED")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_request_that_waited_when_the_server_ended_runs_after_its_start(tmp_path: Path, end: str) -> None:
    with running_patient(tmp_path) as server:
        _wait_over_an_end(server, end)


def _wait_over_an_end(patient: Server, end: str) -> None:
    session, gate = patient.session(database="LOCAL"), Gate(patient, "LOCAL")
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS UPDATE GATE SET N = N + 1")
    gate.close()
    session.run("EXECUTE TASK ROOT")
    reach(session, "EXECUTING")
    session.run("EXECUTE TASK ROOT")
    asked = reach(session, "EXECUTING", "SCHEDULED")[1]
    getattr(patient, end)()
    patient.start()
    session = patient.session(database="LOCAL")
    eventually(lambda: states(session)[-1] == "SUCCEEDED", "the run that waited")
    assert [run["group"] for run in runs(session)][1:] == [asked["group"]]
    # a server that is stopped may have let the first one through, as its sessions end before its tasks
    assert session.value("SELECT N FROM GATE") == states(session).count("SUCCEEDED")


@pytest.mark.parametrize(
    ("policy", "during_root", "during_child"),
    [("ALLOW_CHILD_OVERLAP", "SCHEDULED", "EXECUTING"), ("ALLOW_ALL_OVERLAP", "EXECUTING", "EXECUTING")],
)
def test_policies_that_allow_overlap_let_runs_meet(
    patient: tuple[Session, Gate], policy: str, during_root: str, during_child: str
) -> None:
    session, gate = patient
    for root, child in (("UPDATE GATE SET N = N + 1", "SELECT 1"), ("SELECT 1", "UPDATE GATE SET N = N + 1")):
        session.run(f"CREATE OR REPLACE TASK ROOT SCHEDULE = '1 HOUR' OVERLAP_POLICY = {policy} AS {root}")
        session.run(f"CREATE OR REPLACE TASK CHILD AFTER ROOT AS {child}")
        session.run("ALTER TASK CHILD RESUME")
        before = len(states(session)), len(states(session, "CHILD"))
        gate.close()
        session.run("EXECUTE TASK ROOT")
        waiting, expected = ("ROOT", during_root) if child == "SELECT 1" else ("CHILD", during_child)
        done = before[0] if waiting == "ROOT" else before[1]
        reach(session, *["SUCCEEDED"] * done, "EXECUTING", name=waiting)
        session.run("EXECUTE TASK ROOT")
        reach(session, *["SUCCEEDED"] * done, "EXECUTING", expected, name=waiting)
        gate.open()
        reach(session, *["SUCCEEDED"] * (before[1] + 2), name="CHILD")
    assert session.fails("CREATE TASK BAD SCHEDULE = '1 HOUR' OVERLAP_POLICY = SOMETIMES AS SELECT 1").errno == 1008


def test_a_request_that_is_no_statement_starts_nothing(session: Session) -> None:
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS SELECT 1")
    assert session.fails("EXECUTE TASK ROOT RETRY FIRST").errno == 1003
    assert runs(session) == []
