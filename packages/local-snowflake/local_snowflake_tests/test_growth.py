"""A server that has run for long is as large as one that has just begun."""

from __future__ import annotations

import pytest

from local_service_tests.processors import resident_megabytes
from local_snowflake_tests.server import Server

GROWTH_MEGABYTES = 50


def run_statements(server: Server, first: int, count: int) -> None:
    """Statements of every kind, each with a text of its own, and a new session every 250 of them."""
    session = None
    for number in range(first, first + count):
        if session is None or number % 250 == 0:
            if session is not None:
                session.close()
            session = server.session(database="LOCAL")
        match number % 10:
            case 0 | 1 | 2:
                session.run(f"INSERT INTO T VALUES ({number}, 'text {number}')")
            case 3:
                session.run(f"UPDATE T SET B = 'other' WHERE A = {number - 1}")
            case 4:
                session.run(f"MERGE INTO T USING (SELECT {number} AS K) S ON T.A = S.K WHEN NOT MATCHED THEN "
                            "INSERT (A) VALUES (S.K)")  # fmt: skip
            case 5:
                session.run(f"SELECT COUNT(*), {number} AS N FROM S")
            case 6:
                session.run(f"INSERT INTO SINK SELECT A FROM S WHERE A <> {number}")
            case 7:
                session.run("SHOW TABLES")
            case 8:
                session.fails(f"SELECT {number} / 0")
            case 9:
                session.run(f"DELETE FROM T WHERE A < {number - 20}")
    assert session is not None
    session.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_statements_leave_no_trace_in_memory(own_server: Server) -> None:
    session = own_server.session(database="LOCAL")
    session.script("CREATE TABLE T (A NUMBER, B VARCHAR);\nCREATE STREAM S ON TABLE T;\nCREATE TABLE SINK (A NUMBER)")
    session.close()
    assert own_server.process is not None
    run_statements(own_server, 0, 2000)
    before = resident_megabytes(own_server.process.pid)
    run_statements(own_server, 2000, 10_000)
    grown = resident_megabytes(own_server.process.pid) - before
    assert grown < GROWTH_MEGABYTES
    session = own_server.session(database="LOCAL")
    assert session.value("SELECT COUNT(*) FROM SINK") > 4000, "the statements did nothing"
    session.close()
