"""Change logs that share the rows of their tables: every change is consumed once, wherever the rows lie."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from local_snowflake.engine.stream_sql import log_table
from local_snowflake.errors import SnowflakeError
from local_snowflake.session.session import Session
from local_snowflake.statements.execution import execute
from local_snowflake.syntax.statement import Statement
from local_snowflake.warehouse import Warehouse

SETUP = [
    "CREATE TABLE T (K NUMBER, V VARCHAR)",
    "CREATE TABLE SINK (K NUMBER, V VARCHAR)",
    "CREATE TABLE NET_SINK (K NUMBER, V VARCHAR, A VARCHAR)",
    "CREATE STREAM ADDED ON TABLE T APPEND_ONLY = TRUE",
    "CREATE STREAM NET ON TABLE T",
]


@contextmanager
def opened(folder: Path) -> Iterator[Warehouse]:
    """The server without its network side; it closes in order."""
    folder.mkdir(exist_ok=True)
    warehouse = Warehouse(folder, memory_limit="1GB", threads=2, account="a", user="u")
    try:
        if not warehouse.engine.catalog.has_database("D"):
            run(warehouse.connect(), "CREATE DATABASE D", "USE SCHEMA D.PUBLIC", *SETUP)
        yield warehouse
    finally:
        warehouse.close()


def run(session: Session, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last statement."""
    return [execute(session, Statement(sql)).rows() for sql in statements][-1]


def copies(warehouse: Warehouse) -> int:
    """How many rows the change log holds itself."""
    ((log_id,),) = warehouse.engine.store.query("SELECT id FROM _sf.logs")
    return int(warehouse.engine.store.query(f"SELECT count(*) FROM {log_table(log_id)}")[0][0])


def test_rows_that_are_only_added_are_not_written_twice(tmp_path: Path) -> None:
    with opened(tmp_path / "w") as warehouse:
        session = warehouse.connect(database="D")
        run(session, "INSERT INTO T VALUES (1, 'a'), (2, 'b')")
        assert run(session, "SELECT K, METADATA$ACTION FROM ADDED ORDER BY K") == [(1, "INSERT"), (2, "INSERT")]
        assert copies(warehouse) == 0
        run(session, "INSERT INTO SINK SELECT K, V FROM ADDED", "INSERT INTO T VALUES (3, 'c')")
        assert run(session, "SELECT K FROM ADDED") == [(3,)]
        assert run(session, "SELECT COUNT(*) FROM NET") == [(3,)]
        assert copies(warehouse) == 0


def test_a_change_keeps_what_is_not_consumed_and_a_dense_table_needs_no_copies_again(tmp_path: Path) -> None:
    with opened(tmp_path / "w") as warehouse:
        session = warehouse.connect(database="D")
        run(session, "INSERT INTO T VALUES (1, 'a'), (2, 'b')", "INSERT INTO SINK SELECT K, V FROM ADDED")
        run(session, "INSERT INTO T VALUES (3, 'c')", "BEGIN", "INSERT INTO T VALUES (4, 'd')")
        run(session, "UPDATE T SET V = 'x' WHERE K IN (1, 3, 4)", "COMMIT", "INSERT INTO T VALUES (5, 'e')")
        assert run(session, "SELECT K, V FROM ADDED ORDER BY K") == [(3, "c"), (4, "d"), (5, "e")]
        assert run(session, "SELECT K, V FROM NET ORDER BY K") == [
            (1, "x"), (2, "b"), (3, "x"), (4, "x"), (5, "e")
        ]  # fmt: skip
        run(session, "INSERT INTO SINK SELECT K, V FROM ADDED", "INSERT INTO NET_SINK SELECT K, V, '' FROM NET")
        warehouse.engine.change_logs.vacuum(warehouse.engine.alone)
        assert copies(warehouse) == 0
        run(session, "INSERT INTO T VALUES (6, 'f')")
        assert copies(warehouse) == 0
        assert run(session, "SELECT K FROM ADDED") == run(session, "SELECT K FROM NET") == [(6,)]


def test_a_table_with_gaps_goes_on_copying(tmp_path: Path) -> None:
    with opened(tmp_path / "w") as warehouse:
        session = warehouse.connect(database="D")
        run(session, "INSERT INTO T VALUES (1, 'a'), (2, 'b')", "DELETE FROM T WHERE K = 1")
        warehouse.engine.change_logs.vacuum(warehouse.engine.alone)
        run(session, "INSERT INTO T VALUES (3, 'c')")
        assert run(session, "SELECT K FROM ADDED ORDER BY K") == [(1,), (2,), (3,)]
        assert copies(warehouse) == 4


def test_a_transaction_of_before_a_change_still_logs_what_it_adds(tmp_path: Path) -> None:
    with opened(tmp_path / "w") as warehouse:
        early, late = warehouse.connect(database="D"), warehouse.connect(database="D")
        run(early, "INSERT INTO T VALUES (1, 'a')", "BEGIN", "INSERT INTO SINK VALUES (0, '')")
        run(late, "DELETE FROM T")
        run(early, "INSERT INTO T VALUES (2, 'b')", "COMMIT")
        assert run(early, "SELECT K FROM ADDED ORDER BY K") == [(1,), (2,)]
        assert run(early, "SELECT K FROM NET") == [(2,)]
        run(early, "BEGIN", "SELECT K FROM NET")
        run(late, "INSERT INTO T VALUES (3, 'c')", "DELETE FROM T WHERE K = 3")
        with pytest.raises(SnowflakeError, match="was changed by another transaction"):
            run(early, "DELETE FROM T")
        run(early, "ROLLBACK")


def test_only_a_log_that_takes_copies_has_a_trigger_for_what_is_added(tmp_path: Path) -> None:
    def triggers() -> set[str]:
        with warehouse.engine.store.reading() as connection:
            found = connection.execute("SELECT trigger_name FROM duckdb_triggers()").fetchall()
        return {name.split("_")[1] for (name,) in found}

    with opened(tmp_path / "w") as warehouse:
        session = warehouse.connect(database="D")
        assert triggers() == {"delete", "update"}
        run(session, "INSERT INTO T VALUES (1, 'a')", "UPDATE T SET V = 'b'")
        assert triggers() == {"delete", "insert", "update"}
        run(session, "INSERT INTO SINK SELECT K, V FROM ADDED", "INSERT INTO NET_SINK SELECT K, V, '' FROM NET")
        warehouse.engine.change_logs.vacuum(warehouse.engine.alone)
        assert triggers() == {"delete", "update"}
        run(session, "ALTER TABLE T ADD COLUMN W NUMBER", "INSERT INTO T (K) VALUES (2)")
        assert run(session, "SELECT K FROM ADDED") == [(2,)]


def test_an_undone_statement_leaves_no_copies(tmp_path: Path) -> None:
    with opened(tmp_path / "w") as warehouse:
        session = warehouse.connect(database="D")
        run(session, "BEGIN", "INSERT INTO T VALUES (1, 'a')")
        with pytest.raises(SnowflakeError):
            run(session, "UPDATE T SET K = 1 / (K - 1)")
        run(session, "INSERT INTO T VALUES (2, 'b')", "DELETE FROM T WHERE K = 1")
        with pytest.raises(SnowflakeError):
            run(session, "INSERT INTO T SELECT 1 / (K - K), '' FROM T")
        run(session, "INSERT INTO T VALUES (3, 'c')", "COMMIT")
        assert run(session, "SELECT K FROM ADDED ORDER BY K") == [(1,), (2,), (3,)]
        assert run(session, "SELECT K FROM NET ORDER BY K") == [(2,), (3,)]


def test_a_file_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("CREATE SCHEMA _sf; CREATE TABLE _sf.logs (id VARCHAR, stale BOOLEAN)")
    with pytest.raises(OSError, match="written by an earlier version"):
        Warehouse(tmp_path, memory_limit="1GB", threads=1, account="a", user="u")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_work_with_checkpoints_and_kills_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kills = 0
    for seed in range(12):
        if seed % 4 == 0:
            folder = tmp_path / str(seed)
        done = subprocess.run([sys.executable, "-m", __name__, str(folder), str(seed)], capture_output=True, text=True)
        assert done.returncode in (0, -9), done.stderr
        kills += done.returncode == -9
    assert kills, "no process was killed"


def work(folder: Path, seed: int) -> None:
    """Any changes in any order: what the table ever got must be what the append-only stream gave or still gives."""
    chance = random.Random(seed)
    with opened(folder) as warehouse:
        session = warehouse.connect(database="D")
        agree(session)
        for _ in range(25):
            match chance.randrange(9):
                case 0 | 1 | 2:
                    add(session, chance)
                case 3:
                    run(session, f"DELETE FROM T WHERE K % 11 = {chance.randrange(11)}")
                case 4:
                    run(session, f"UPDATE T SET V = 'u{seed}' WHERE K % 7 = {chance.randrange(7)}")
                case 5:
                    run(session, "BEGIN", "INSERT INTO SINK SELECT K, V FROM ADDED")
                    run(session, "INSERT INTO NET_SINK SELECT K, V, METADATA$ACTION FROM NET")
                    add(session, chance)
                    run(session, chance.choice(["COMMIT", "ROLLBACK"]))
                case 6:
                    warehouse.engine.change_logs.vacuum(warehouse.engine.alone)
                case 7:
                    with warehouse.engine.store.reading() as connection:
                        connection.execute("FORCE CHECKPOINT")
                case 8:
                    run(session, chance.choice(["TRUNCATE TABLE T", "INSERT INTO T VALUES (0, 'one')"]))
                    agree(session)
            if chance.random() < 0.03:
                os.kill(os.getpid(), signal.SIGKILL)
        agree(session)


def add(session: Session, chance: random.Random) -> None:
    rows = chance.choice([1, 3, 50, 50, 3_000])
    run(session, f"INSERT INTO T SELECT SEQ, 'v' FROM (SELECT ROW_NUMBER() OVER (ORDER BY 1) AS SEQ "
                 f"FROM TABLE(GENERATOR(ROWCOUNT => {rows})))")  # fmt: skip


def agree(session: Session) -> None:
    """The net changes, consumed and not, add up to the rows of the table."""
    net: Counter[tuple[object, ...]] = Counter()
    for source in ("SELECT K, V, A FROM NET_SINK", "SELECT K, V, METADATA$ACTION FROM NET"):
        for key, value, action, count in run(
            session, f"SELECT K, V, A, COUNT(*) FROM ({source}) S (K, V, A) GROUP BY ALL"
        ):
            net[key, value] += int(str(count)) * (1 if action == "INSERT" else -1)
    rows = {(key, value): count for key, value, count in run(session, "SELECT K, V, COUNT(*) FROM T GROUP BY ALL")}
    assert {key: count for key, count in net.items() if count} == rows


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
