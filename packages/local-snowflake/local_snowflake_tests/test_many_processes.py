"""Many processes at once: each its own client, all on the same tables."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local_snowflake_tests.server import Server, Session

# What a process does until its time is over, and as often as it is told at least: transactions that move money between
# two accounts, inserts into a tracked table, reads that must always see the same total, and consuming the stream. It
# prints how much of each it did.
CLIENT = """
import json, random, sys, time
from pathlib import Path
from snowflake.connector.errors import Error
from local_snowflake_tests.server import Server
folder, database = sys.argv[1:3]
number, seconds, moves = int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
session = Server(Path(folder)).session(database=database)
done = {"moved": 0, "inserted": 0, "read": 0, "consumed": 0, "gave way": 0}
end = time.monotonic() + seconds
while time.monotonic() < end or done["moved"] < moves:
    try:
        session.run("BEGIN")
        session.run(f"UPDATE ACCOUNTS SET MONEY = MONEY - 1 WHERE ID = {random.randrange(4)}")
        session.run(f"UPDATE ACCOUNTS SET MONEY = MONEY + 1 WHERE ID = {random.randrange(4)}")
        session.run("COMMIT")
        done["moved"] += 1
        session.run(f"INSERT INTO EVENTS VALUES ({number}, {done['inserted']})")
        done["inserted"] += 1
        assert session.value("SELECT SUM(MONEY) FROM ACCOUNTS") == 400
        done["read"] += 1
        done["consumed"] += session.run("INSERT INTO CONSUMED SELECT P, N FROM S")[0][0]
    except Error as error:
        assert error.errno in (619, 625), error
        done["gave way"] += 1
        session.run("ROLLBACK")
session.close()
print(json.dumps(done))
"""


def _run(server: Server, session: Session, database: str, processes: int, *, seconds: float, moves: int) -> None:
    session.run("CREATE TABLE ACCOUNTS (ID NUMBER, MONEY NUMBER)")
    session.run("INSERT INTO ACCOUNTS VALUES (0, 100), (1, 100), (2, 100), (3, 100)")
    session.run("CREATE TABLE EVENTS (P NUMBER, N NUMBER)")
    session.run("CREATE STREAM S ON TABLE EVENTS APPEND_ONLY = TRUE")
    session.run("CREATE TABLE CONSUMED (P NUMBER, N NUMBER)")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(server.folder), database, str(number), str(seconds), str(moves)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )
        for number in range(processes)
    ]  # fmt: skip
    counts = []
    for process in running:
        out, err = process.communicate(timeout=seconds + 500)
        assert process.returncode == 0, err
        counts.append(json.loads(out))
    session.run("INSERT INTO CONSUMED SELECT P, N FROM S")
    inserted = sum(count["inserted"] for count in counts)
    assert all(count["moved"] for count in counts), counts
    assert session.value("SELECT SUM(MONEY) FROM ACCOUNTS") == 400
    assert session.value("SELECT COUNT(*) FROM EVENTS") == inserted
    assert session.run("SELECT COUNT(*), COUNT(DISTINCT P * 1000000 + N) FROM CONSUMED") == [(inserted, inserted)]


def test_four_processes_disturb_nothing(server: Server, session: Session, database: str) -> None:
    _run(server, session, database, 4, seconds=0, moves=10)


@pytest.mark.slow
def test_eight_processes_disturb_nothing_for_a_minute(server: Server, session: Session, database: str) -> None:
    _run(server, session, database, 8, seconds=60, moves=1)
