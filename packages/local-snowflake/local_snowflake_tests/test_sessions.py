"""Log-in, isolation, locks, and what happens to sessions that misbehave."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from snowflake.connector.errors import DatabaseError, Error, ProgrammingError

from local_snowflake_tests.server import Server, Session, eventually


def test_a_wrong_password_is_refused_and_never_logged(server: Server) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password"):
        server.connect(password="canary-8c1f")
    assert "canary-8c1f" not in server.log()
    assert server.state["password"] not in server.log()


def test_a_request_without_a_session_is_told_to_log_in(server: Server) -> None:
    state = server.state
    url = f"http://{state['host']}:{state['port']}/queries/v1/query-request"
    answer = requests.post(url, json={"sqlText": "SELECT 1"}, timeout=300).json()
    assert (answer["success"], answer["code"]) == (False, "390104")


def test_sessions_see_committed_changes_alone(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    other = server.session(database=database)
    session.run("BEGIN")
    session.run("INSERT INTO T VALUES (1)")
    assert session.value("SELECT COUNT(*) FROM T") == 1
    assert other.value("SELECT COUNT(*) FROM T") == 0
    session.run("COMMIT")
    assert other.value("SELECT COUNT(*) FROM T") == 1
    other.close()


def test_ddl_commits_the_open_transaction(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("BEGIN")
    session.run("INSERT INTO T VALUES (1)")
    session.run("CREATE TABLE OTHER (A NUMBER)")
    session.run("ROLLBACK")
    assert session.value("SELECT COUNT(*) FROM T") == 1


def test_autocommit_off_keeps_changes_until_commit(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    writer = server.session(database=database, autocommit=False)
    writer.run("INSERT INTO T VALUES (1)")
    assert session.value("SELECT COUNT(*) FROM T") == 0
    writer.connection.commit()
    assert session.value("SELECT COUNT(*) FROM T") == 1
    writer.run("INSERT INTO T VALUES (2)")
    writer.connection.rollback()
    assert session.value("SELECT COUNT(*) FROM T") == 1
    writer.close()


def test_a_second_writer_waits_for_the_first(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("INSERT INTO T VALUES (0)")
    session.run("BEGIN")
    session.run("UPDATE T SET A = A + 1")
    other = server.session(database=database)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.run, "UPDATE T SET A = A + 10")
        time.sleep(0.3)
        assert not waiting.done()
        session.run("COMMIT")
        assert waiting.result(300) == [(1, 0)]
    assert session.value("SELECT A FROM T") == 11
    other.close()


def test_lock_timeout_is_error_625_and_leaves_the_other_alone(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("INSERT INTO T VALUES (0)")
    session.run("BEGIN")
    session.run("UPDATE T SET A = 1")
    other = server.session(database=database)
    other.run("ALTER SESSION SET LOCK_TIMEOUT = 1")
    assert other.fails("UPDATE T SET A = 2").errno == 625
    session.run("COMMIT")
    assert other.value("SELECT A FROM T") == 1
    other.close()


def test_a_deadlock_is_broken_by_error_619(server: Server, session: Session, database: str) -> None:
    for table in "AB":
        session.run(f"CREATE TABLE {table} (N NUMBER)")
        session.run(f"INSERT INTO {table} VALUES (0)")
    other = server.session(database=database)
    for one, table in ((session, "A"), (other, "B")):
        one.run("BEGIN")
        one.run(f"UPDATE {table} SET N = 1")
    with ThreadPoolExecutor(2) as pool:
        pairs = [
            (one, pool.submit(one.run, f"UPDATE {table} SET N = 2")) for one, table in ((session, "B"), (other, "A"))
        ]
        loser, broken = eventually(lambda: next((pair for pair in pairs if pair[1].done()), None), "a broken deadlock")
        error = broken.exception()
        assert isinstance(error, Error)
        assert error.errno == 619
        loser.run("ROLLBACK")
        winner, survivor = next(pair for pair in pairs if pair[0] is not loser)
        assert survivor.result(300) == [(1, 0)]
        winner.run("COMMIT")
    other.close()


def test_plain_inserts_into_one_table_do_not_wait(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    other = server.session(database=database)
    for one in (session, other):
        one.run("BEGIN")
        one.run("INSERT INTO T VALUES (1)")
    other.run("COMMIT")
    session.run("COMMIT")
    assert session.value("SELECT COUNT(*) FROM T") == 2
    other.close()


def test_a_stale_update_in_a_transaction_is_refused_instead_of_lost(
    server: Server, session: Session, database: str
) -> None:
    for table in "AB":
        session.run(f"CREATE TABLE {table} (N NUMBER)")
        session.run(f"INSERT INTO {table} VALUES (0)")
    other = server.session(database=database)
    session.run("BEGIN")
    session.run("UPDATE A SET N = 1")
    other.run("UPDATE B SET N = 5")
    assert session.fails("UPDATE B SET N = N + 1").errno == 625
    session.run("ROLLBACK")
    session.run("UPDATE B SET N = N + 1")
    assert session.value("SELECT N FROM B") == 6
    other.close()


def test_an_abandoned_transaction_gives_way_and_its_commit_fails(tmp_path: Path) -> None:
    server = Server(tmp_path / "warehouse", "--contended-transaction-seconds", "1")
    server.start()
    try:
        session, other = server.session(database="LOCAL"), server.session(database="LOCAL")
        session.run("CREATE TABLE T (A NUMBER)")
        session.run("INSERT INTO T VALUES (1)")
        session.run("BEGIN")
        session.run("UPDATE T SET A = 2")
        time.sleep(2)  # nobody waits: it keeps its locks
        assert session.value("SELECT A FROM T") == 2
        assert other.run("UPDATE T SET A = 3") == [(1, 0)]
        assert session.fails("SELECT A FROM T").errno == 90232
        assert session.fails("COMMIT").errno == 90233
        assert other.value("SELECT A FROM T") == 3
    finally:
        server.stop()


def test_closing_a_connection_rolls_back_and_frees_its_locks(server: Server, session: Session, database: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("INSERT INTO T VALUES (1)")
    other = server.session(database=database)
    other.run("BEGIN")
    other.run("UPDATE T SET A = 2")
    other.close()
    session.run("UPDATE T SET A = 3")
    assert session.value("SELECT A FROM T") == 3


def test_a_repeated_request_runs_once_and_gets_the_first_answer(session: Session) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    rest = session.connection.rest
    assert rest is not None
    url = f"http://{rest._host}:{rest._port}/queries/v1/query-request?requestId=1b671a64-40d5-491e-99b0-da01ff1f3341"
    headers = {"Authorization": f'Snowflake Token="{rest.token}"'}
    answers = [
        requests.post(url, json={"sqlText": "INSERT INTO T VALUES (1)"}, headers=headers, timeout=300).json()
        for _ in range(3)
    ]
    assert len({answer["data"]["queryId"] for answer in answers}) == 1
    assert session.value("SELECT COUNT(*) FROM T") == 1


def test_a_cancelled_query_stops_and_the_session_lives(session: Session) -> None:
    with session.connection.cursor() as cursor, pytest.raises(ProgrammingError):
        cursor.execute(
            "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 3000000)) A, TABLE(GENERATOR(ROWCOUNT => 3000000)) B",
            timeout=1,
        )
    assert session.value("SELECT 1") == 1


def test_a_query_aborted_by_its_id_stops_and_the_session_lives(session: Session) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute_async("SELECT SYSTEM$WAIT(60)")
        query_id = cursor.sfqid
        assert query_id is not None
        eventually(
            lambda: (
                cursor.abort_query(query_id)
                or not session.connection.is_still_running(session.connection.get_query_status(query_id))
            ),
            "end",
        )
        assert not cursor.abort_query("8f4e1f5e-0000-4000-8000-000000000000")
    assert session.value("SELECT 1") == 1


def test_large_results_come_in_chunks_and_whole(session: Session) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute(
            "SELECT ROW_NUMBER() OVER (ORDER BY 1) AS N, 'x' || N AS S, N / 4 AS D "
            "FROM TABLE(GENERATOR(ROWCOUNT => 230000))"
        )
        total, last = 0, None
        for row in cursor:
            total, last = total + 1, row
    assert total == 230_000
    assert last is not None
    assert (last[0], last[1], str(last[2])) == (230_000, "x230000", "57500.000000")


def test_an_asynchronous_query_is_fetched_later(session: Session) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute_async("SELECT SYSTEM$WAIT(1), 7 AS A")
        query_id = cursor.sfqid
        assert query_id is not None
        eventually(
            lambda: not session.connection.is_still_running(session.connection.get_query_status(query_id)), "end"
        )
        cursor.get_results_from_sfqid(query_id)
        assert cursor.fetchall()[0][1] == 7


def test_threads_share_one_connection(session: Session) -> None:
    session.run("CREATE TABLE T (A NUMBER)")

    def insert(start: int) -> None:
        with session.connection.cursor() as cursor:
            for number in range(start, start + 10):
                cursor.execute(f"INSERT INTO T VALUES ({number})")
                cursor.execute(f"SELECT A FROM T WHERE A = {number}")
                assert cursor.fetchall() == [(number,)]

    threads = [threading.Thread(target=insert, args=(index * 100,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.value("SELECT COUNT(DISTINCT A) FROM T") == 40


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\x1f\x8b\x08broken", b"null", b'{"data": 5}', b"x" * 1_000_000]
)
def test_garbage_is_answered_and_the_server_lives(server: Server, session: Session, content: bytes) -> None:
    state = server.state
    for path in ("/session/v1/login-request", "/queries/v1/query-request", "/nothing"):
        url = f"http://{state['host']}:{state['port']}{path}"
        for headers in ({}, {"Content-Encoding": "gzip"}):
            answer = requests.post(url, data=content, headers=headers, timeout=300)
            assert answer.status_code in (200, 400, 404)
    assert session.value("SELECT 1") == 1
