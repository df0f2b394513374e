"""kill -9: what was acknowledged stays, and rows and stream offsets agree."""

from __future__ import annotations

import threading
import time

import pytest
from snowflake.connector.errors import Error

from local_snowflake_tests.server import Server, eventually


def _feed(server: Server, worker: int, acknowledged: list[int], attempted: list[int], stop: threading.Event) -> None:
    """Insert numbers until told to stop; those whose answer came are acknowledged."""
    number = worker * 1_000_000
    while not stop.is_set():
        try:
            session = server.session(database="LOCAL", login_timeout=5, network_timeout=5)
            while not stop.is_set():
                number += 1
                attempted.append(number)
                session.run(f"INSERT INTO SRC VALUES ({number})")
                acknowledged.append(number)
        except (Error, OSError):
            time.sleep(0.1)


def _drain(server: Server, stop: threading.Event) -> None:
    """Move the stream into a table, in a transaction of several statements."""
    while not stop.is_set():
        try:
            session = server.session(database="LOCAL", login_timeout=5, network_timeout=5)
            while not stop.is_set():
                session.run("BEGIN")
                session.run("INSERT INTO DST SELECT N FROM S")
                session.run("UPDATE COUNTER SET N = (SELECT COUNT(*) FROM DST)")
                session.run("COMMIT")
        except (Error, OSError):
            time.sleep(0.1)


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_under_load_lose_nothing_and_double_nothing(own_server: Server, kills: int) -> None:
    session = own_server.session(database="LOCAL")
    for statement in (
        "CREATE TABLE SRC (N NUMBER)", "CREATE STREAM S ON TABLE SRC APPEND_ONLY = TRUE", "CREATE TABLE DST (N NUMBER)",
        "CREATE TABLE COUNTER (N NUMBER)", "INSERT INTO COUNTER VALUES (0)", "CREATE TABLE TASKED (N NUMBER)",
        "CREATE STREAM S2 ON TABLE SRC",
        "CREATE TASK MOVE SCHEDULE = '10 SECONDS' WHEN SYSTEM$STREAM_HAS_DATA('S2') "
        "AS INSERT INTO TASKED SELECT N FROM S2",
        "ALTER TASK MOVE RESUME",
    ):  # fmt: skip
        session.run(statement)
    port = own_server.state["port"]
    own_server.arguments = ("--port", str(port))
    acknowledged: list[int] = []
    attempted: list[int] = []
    stop = threading.Event()
    workers = [
        threading.Thread(target=_feed, args=(own_server, worker, acknowledged, attempted, stop)) for worker in (1, 2)
    ]
    workers.append(threading.Thread(target=_drain, args=(own_server, stop)))
    for worker in workers:
        worker.start()
    for _ in range(kills):
        before = len(acknowledged)
        eventually(lambda before=before: len(acknowledged) > before + 20, "work between two kills")
        own_server.kill()
        own_server.start()
    stop.set()
    for worker in workers:
        worker.join()
    session = own_server.session(database="LOCAL")
    session.run("INSERT INTO DST SELECT N FROM S")
    session.run("ALTER TASK MOVE SUSPEND")
    session.run("INSERT INTO TASKED SELECT N FROM S2")
    stored = [row[0] for row in session.run("SELECT N FROM SRC")]
    assert len(stored) == len(set(stored)), "a number was stored twice"
    assert set(acknowledged) <= set(stored) <= set(attempted)
    for table in ("DST", "TASKED"):
        assert sorted(row[0] for row in session.run(f"SELECT N FROM {table}")) == sorted(stored)


def test_definitions_and_offsets_survive_a_kill(own_server: Server) -> None:
    session = own_server.session(database="LOCAL")
    for statement in (
        "CREATE TABLE T (A NUMBER(5,0) COMMENT 'c', V VARIANT)", "CREATE STREAM S ON TABLE T",
        "CREATE VIEW W AS SELECT A FROM T", "INSERT INTO T SELECT 1, PARSE_JSON('{}')",
        "CREATE TABLE SINK AS SELECT A FROM S", "INSERT INTO T (A) VALUES (2)",
        "CREATE STAGE ST", "CREATE SEQUENCE SQ", "CREATE WAREHOUSE WH", "CREATE ROLE R",
        "GRANT SELECT ON TABLE T TO ROLE R",
    ):  # fmt: skip
        session.run(statement)
    open_ = own_server.session(database="LOCAL")
    open_.run("BEGIN")
    open_.run("INSERT INTO SINK SELECT A FROM S")
    own_server.kill()
    own_server.start()
    session = own_server.session(database="LOCAL")
    assert session.run("SELECT A FROM SINK") == [(1,)]
    assert session.run("SELECT A, METADATA$ACTION FROM S") == [(2, "INSERT")]
    assert session.run("SELECT A FROM W ORDER BY A") == [(1,), (2,)]
    assert session.run("DESCRIBE TABLE T")[0][9] == "c"
    assert session.run("SHOW STAGES")[0][1] == "ST"
    assert session.run("SHOW WAREHOUSES")[0][0] == "WH"
    session.run("UPDATE T SET A = 3 WHERE A = 2")
    assert session.run("SELECT A, METADATA$ACTION FROM S") == [(3, "INSERT")]
