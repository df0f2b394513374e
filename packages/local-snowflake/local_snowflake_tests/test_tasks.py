"""Task graphs: order, conditions, failures, history."""

from __future__ import annotations

from typing import Any

import pytest

from local_snowflake_tests.server import Server, Session, eventually

ENDED = {"SUCCEEDED", "FAILED", "FAILED_AND_AUTO_SUSPENDED", "CANCELLED", "SKIPPED"}
COLUMNS = "NAME, STATE, ERROR_CODE, ERROR_MESSAGE, RETURN_VALUE, SCHEDULED_FROM, ATTEMPT_NUMBER, GRAPH_RUN_GROUP_ID"


def history(session: Session, name: str | None = None) -> list[dict[str, Any]]:
    argument = f"TASK_NAME => '{name}', " if name else ""
    rows = session.run(
        f"SELECT {COLUMNS} FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY({argument}RESULT_LIMIT => 1000)) "
        "WHERE DATABASE_NAME = CURRENT_DATABASE() ORDER BY QUERY_START_TIME"
    )
    return [dict(zip(COLUMNS.split(", "), row, strict=True)) for row in rows]


def ended(session: Session, name: str, count: int = 1) -> list[dict[str, Any]]:
    """The ended runs of a task, once there are so many."""

    def look() -> list[dict[str, Any]] | None:
        rows = [row for row in history(session, name) if row["STATE"] in ENDED]
        return rows if len(rows) >= count else None

    found: list[dict[str, Any]] = eventually(look, f"{count} runs of {name}; {history(session)}")
    return found


@pytest.fixture
def tables(session: Session) -> Session:
    session.run("CREATE TABLE SRC (N NUMBER)")
    session.run("CREATE STREAM S ON TABLE SRC APPEND_ONLY = TRUE")
    session.run("CREATE TABLE DST (N NUMBER, WHO VARCHAR)")
    return session


def test_a_graph_runs_its_tasks_after_their_predecessors(tables: Session) -> None:
    tables.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS INSERT INTO DST VALUES (1, 'root')")
    for name, after in (("LEFT_", "ROOT"), ("RIGHT_", "ROOT"), ("LAST_", "LEFT_, RIGHT_")):
        tables.run(f"CREATE TASK {name} AFTER {after} AS INSERT INTO DST SELECT COUNT(*) + 1, '{name}' FROM DST")
        tables.run(f"ALTER TASK {name} RESUME")
    tables.run("CREATE TASK UNUSED AFTER ROOT AS SELECT 1")
    tables.run("EXECUTE TASK ROOT")
    ended(tables, "LAST_")
    assert tables.run("SELECT WHO FROM DST ORDER BY N LIMIT 1") == [("root",)]
    assert tables.value("SELECT MAX(N) FROM DST WHERE WHO = 'LAST_'") == 4
    runs = history(tables)
    assert {row["NAME"] for row in runs} == {"ROOT", "LEFT_", "RIGHT_", "LAST_"}
    assert {row["STATE"] for row in runs} == {"SUCCEEDED"}
    assert len({row["GRAPH_RUN_GROUP_ID"] for row in runs}) == 1
    assert {row["SCHEDULED_FROM"] for row in runs} == {"EXECUTE_TASK"}


def test_a_condition_that_is_false_skips_the_task_and_those_below(tables: Session) -> None:
    tables.run(
        "CREATE TASK ROOT SCHEDULE = '1 HOUR' WHEN SYSTEM$STREAM_HAS_DATA('S') AS INSERT INTO DST SELECT N, 'r' FROM S"
    )
    tables.run("CREATE TASK CHILD AFTER ROOT AS INSERT INTO DST VALUES (0, 'child')")
    tables.run("ALTER TASK CHILD RESUME")
    tables.run("EXECUTE TASK ROOT")
    assert ended(tables, "ROOT")[0]["STATE"] == "SKIPPED"
    tables.run("INSERT INTO SRC VALUES (1), (2)")
    tables.run("EXECUTE TASK ROOT")
    assert [row["STATE"] for row in ended(tables, "ROOT", 2)] == ["SKIPPED", "SUCCEEDED"]
    ended(tables, "CHILD")
    assert tables.value("SELECT COUNT(*) FROM DST") == 3
    assert len(history(tables, "CHILD")) == 1


def test_a_child_needs_every_predecessor_to_succeed_and_a_skipped_one_has_not(tables: Session) -> None:
    """docs.snowflake.com/en/sql-reference/functions/system_predecessors_state: ALL_SUCCEEDED is the default."""
    tables.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS INSERT INTO DST VALUES (1, 'root')")
    tables.run("CREATE TASK CHILD AFTER ROOT WHEN SYSTEM$STREAM_HAS_DATA('S') AS INSERT INTO DST VALUES (2, 'child')")
    tables.run("CREATE TASK BELOW AFTER CHILD AS INSERT INTO DST VALUES (3, 'below')")
    tables.run("CREATE TASK BESIDE AFTER ROOT, CHILD AS INSERT INTO DST VALUES (4, 'beside')")
    tables.run("CREATE TASK FINALLY FINALIZE = 'ROOT' AS INSERT INTO DST VALUES (5, 'finally')")
    for name in ("CHILD", "BELOW", "BESIDE", "FINALLY"):
        tables.run(f"ALTER TASK {name} RESUME")
    tables.run("EXECUTE TASK ROOT")
    ended(tables, "FINALLY")
    assert {row["NAME"]: row["STATE"] for row in history(tables)} == {
        "ROOT": "SUCCEEDED", "CHILD": "SKIPPED", "FINALLY": "SUCCEEDED",
    }  # fmt: skip
    assert tables.run("SELECT WHO FROM DST ORDER BY N") == [("root",), ("finally",)]


def test_a_failing_task_keeps_its_stream_and_stops_what_is_below(tables: Session) -> None:
    tables.run("INSERT INTO SRC VALUES (0)")
    tables.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS INSERT INTO DST SELECT 1 / N, 'x' FROM S")
    tables.run("CREATE TASK CHILD AFTER ROOT AS SELECT 1")
    tables.run("CREATE TASK FINALLY FINALIZE = 'ROOT' AS INSERT INTO DST VALUES (9, 'finalizer')")
    for name in ("CHILD", "FINALLY"):
        tables.run(f"ALTER TASK {name} RESUME")
    tables.run("EXECUTE TASK ROOT")
    failed = ended(tables, "ROOT")[0]
    assert (failed["STATE"], failed["ERROR_CODE"], failed["ERROR_MESSAGE"]) == ("FAILED", "100051", "Division by zero")
    ended(tables, "FINALLY")
    assert tables.run("SELECT N, WHO FROM DST") == [(9, "finalizer")]
    assert history(tables, "CHILD") == []
    assert tables.value("SELECT SYSTEM$STREAM_HAS_DATA('S')") is True
    # repaired, RETRY LAST goes on from the failed task
    tables.run("ALTER TASK ROOT MODIFY AS INSERT INTO DST SELECT N, 'again' FROM S")
    tables.run("EXECUTE TASK ROOT RETRY LAST")
    assert ended(tables, "ROOT", 2)[-1]["ATTEMPT_NUMBER"] == 2
    ended(tables, "CHILD")
    assert tables.value("SELECT COUNT(*) FROM DST WHERE WHO = 'again'") == 1


def test_a_block_commits_all_or_nothing_and_raises(tables: Session) -> None:
    tables.run(
        """CREATE TASK ROOT SCHEDULE = '1 HOUR' AS
        BEGIN
            BEGIN TRANSACTION;
            INSERT INTO DST VALUES (1, 'a');
            INSERT INTO DST SELECT 1 / 0, 'b';
            COMMIT;
        EXCEPTION
            WHEN OTHER THEN
                ROLLBACK;
                INSERT INTO DST VALUES (0, 'caught');
                RAISE;
        END"""
    )
    tables.run("EXECUTE TASK ROOT")
    assert ended(tables, "ROOT")[0]["ERROR_CODE"] == "100051"
    assert tables.run("SELECT N, WHO FROM DST") == [(0, "caught")]


def test_values_go_from_task_to_task_and_into_the_history(tables: Session) -> None:
    tables.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS CALL SYSTEM$SET_RETURN_VALUE('42 rows')")
    tables.run("CREATE TASK CHILD AFTER ROOT AS INSERT INTO DST SELECT 1, SYSTEM$GET_PREDECESSOR_RETURN_VALUE('ROOT')")
    tables.run("ALTER TASK CHILD RESUME")
    tables.run("EXECUTE TASK ROOT")
    ended(tables, "CHILD")
    assert history(tables, "ROOT")[0]["RETURN_VALUE"] == "42 rows"
    assert tables.run("SELECT WHO FROM DST") == [("42 rows",)]


def test_a_task_that_takes_too_long_is_cancelled_and_its_work_undone(tables: Session) -> None:
    tables.run(
        "CREATE TASK ROOT SCHEDULE = '1 HOUR' USER_TASK_TIMEOUT_MS = 500 AS BEGIN BEGIN TRANSACTION; "
        "INSERT INTO DST VALUES (1, 'x'); "
        "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 3000000)) A, TABLE(GENERATOR(ROWCOUNT => 3000000)) B; "
        "COMMIT; END"
    )
    tables.run("EXECUTE TASK ROOT")
    assert ended(tables, "ROOT")[0]["STATE"] == "FAILED"
    assert tables.value("SELECT COUNT(*) FROM DST") == 0


def test_repeated_failures_suspend_a_graph(tables: Session) -> None:
    tables.run("CREATE TASK ROOT SCHEDULE = '10 SECONDS' SUSPEND_TASK_AFTER_NUM_FAILURES = 1 AS SELECT 1 / 0")
    tables.run("ALTER TASK ROOT RESUME")
    tables.run("EXECUTE TASK ROOT")
    ended(tables, "ROOT")
    eventually(lambda: history(tables, "ROOT")[0]["STATE"] == "FAILED_AND_AUTO_SUSPENDED", "the suspension")
    assert shown(tables, "ROOT")["state"] == "suspended"


def test_a_triggered_task_runs_when_its_stream_has_data(tables: Session) -> None:
    tables.run(
        "CREATE TASK TRIGGERED USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS = 10 "
        "WHEN SYSTEM$STREAM_HAS_DATA('S') AS INSERT INTO DST SELECT N, 't' FROM S"
    )
    tables.run("ALTER TASK TRIGGERED RESUME")
    tables.run("INSERT INTO SRC VALUES (5)")
    assert ended(tables, "TRIGGERED")[0]["SCHEDULED_FROM"] == "TRIGGER"
    assert tables.run("SELECT N, WHO FROM DST") == [(5, "t")]
    tables.run("ALTER TASK TRIGGERED SUSPEND")


def shown(session: Session, name: str) -> dict[str, Any]:
    with session.connection.cursor() as cursor:
        rows = cursor.execute(f"SHOW TASKS LIKE '{name}'").fetchall()
        return dict(zip((column.name for column in cursor.description), rows[0], strict=True))


def test_definitions_follow_the_rules_of_graphs(tables: Session) -> None:
    tables.run("CREATE TASK ROOT SCHEDULE = '10 SECONDS' AS SELECT 1")
    assert shown(tables, "ROOT")["state"] == "suspended"
    tables.run("CREATE TASK CHILD AFTER ROOT AS SELECT 2")
    assert shown(tables, "CHILD")["predecessors"] == f'["{tables.value("SELECT CURRENT_DATABASE()")}.PUBLIC.ROOT"]'
    tables.run("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('ROOT')")
    assert {shown(tables, name)["state"] for name in ("ROOT", "CHILD")} == {"started"}
    assert tables.fails("ALTER TASK CHILD MODIFY AS SELECT 3").errno == 91093
    assert tables.fails("CREATE TASK OTHER AFTER ROOT AS SELECT 3").errno == 91093
    tables.run("ALTER TASK ROOT SUSPEND")
    tables.run("ALTER TASK CHILD MODIFY AS SELECT 3")
    assert shown(tables, "CHILD")["definition"] == "SELECT 3"
    assert tables.fails("EXECUTE TASK CHILD").errno == 91096
    assert tables.fails("CREATE TASK BAD SCHEDULE = '1 SECOND' AS SELECT 1").errno == 1008
    assert tables.fails("CREATE TASK BAD SCHEDULE = 'USING CRON x * * * * UTC' AS SELECT 1").errno == 1008
    tables.run("CREATE TASK CRON_ SCHEDULE = 'USING CRON 0 9-17 * * SUN America/Los_Angeles' AS SELECT 1")
    tables.run("CREATE OR REPLACE TASK ROOT SCHEDULE = '5 MINUTES' AS SELECT 1")
    assert shown(tables, "ROOT")["state"] == "suspended"
    tables.run("DROP TASK ROOT")
    assert tables.fails("EXECUTE TASK ROOT").errno == 2003


def test_the_arguments_of_task_history_are_applied_before_its_limit(tables: Session) -> None:
    """docs.snowflake.com/en/sql-reference/functions/task_history, usage notes."""
    tables.run("CREATE SCHEMA ASIDE")
    for name in ("PUBLIC.HERE", "ASIDE.THERE"):
        tables.run(f"CREATE TASK {name} SCHEDULE = '1 HOUR' AS SELECT 1")
        tables.run(f"EXECUTE TASK {name}")
        ended(tables, name.split(".")[1])
    database = tables.value("SELECT CURRENT_DATABASE()")
    function = "SELECT NAME FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(RESULT_LIMIT => 1, {}))"
    for arguments, names in (
        (f"DATABASE_NAME => '{database}'", [("THERE",)]),
        (f"DATABASE_NAME => '{database.lower()}', SCHEMA_NAME => 'public'", [("HERE",)]),
        (f"DATABASE_NAME => '\"{database}\"', SCHEMA_NAME => '\"public\"'", []),
    ):
        assert tables.run(function.format(arguments)) == names
    assert tables.fails(function.format("SCHEMA_NAME => 'PUBLIC'")).errno == 1008


def test_tasks_and_their_history_survive_a_kill(own_server: Server) -> None:
    session = own_server.session(database="LOCAL")
    session.run("CREATE TABLE DST (N NUMBER)")
    session.run("CREATE TASK ROOT SCHEDULE = '1 HOUR' AS INSERT INTO DST VALUES (1)")
    session.run("ALTER TASK ROOT RESUME")
    session.run("EXECUTE TASK ROOT")
    ended(session, "ROOT")
    session.run("ALTER TASK ROOT SUSPEND")
    session.run("ALTER TASK ROOT MODIFY AS SELECT SYSTEM$WAIT(60)")
    session.run("ALTER TASK ROOT RESUME")
    session.run("EXECUTE TASK ROOT")
    eventually(lambda: "EXECUTING" in {row["STATE"] for row in history(session, "ROOT")}, "a running task")
    own_server.kill()
    own_server.start()
    session = own_server.session(database="LOCAL")
    assert shown(session, "ROOT")["state"] == "started"
    assert sorted(row["STATE"] for row in history(session, "ROOT")) == ["FAILED", "SUCCEEDED"]
    assert "stopped while the task ran" in str([row["ERROR_MESSAGE"] for row in history(session, "ROOT")])
