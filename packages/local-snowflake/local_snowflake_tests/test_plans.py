"""Statements whose plans are kept: run again with other values, files and moments they are what they would be alone."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snowflake.connector.errors import Error

from local_snowflake.engine import kept_plans
from local_snowflake.statements import query as queries
from local_snowflake.statements.dml import dml
from local_snowflake.statements.execution import execute
from local_snowflake.statements.loading import copy_into, stages
from local_snowflake.syntax.statement import Statement
from local_snowflake.warehouse import Warehouse
from local_snowflake_tests.server import Server, Session

DAY = dt.date(2024, 1, 2)
AT = dt.datetime.fromisoformat("2024-01-02T03:04:05.678")
SLOTS = """SF_STATEMENT_TIMESTAMP('"') SF_BOUND('"1') SF_BOUND('"2') SF_FILE('"')"""


@pytest.fixture
def bound(server: Server, database: str) -> Iterator[Session]:
    """A session that binds on the server, with a table."""
    opened = Session(server.connect(database=database, paramstyle="qmark"))
    opened.script(
        "CREATE TABLE T (I NUMBER(10,0), N NUMBER(12,2), F FLOAT, S VARCHAR, OK BOOLEAN, D DATE, AT TIMESTAMP_NTZ, "
        "V VARIANT);\n"
        "INSERT INTO T SELECT 5, 1.5, 0.5, 'it''s', TRUE, '2024-01-02', '2024-01-02 03:04:05.678', PARSE_JSON('[1]');\n"
        "INSERT INTO T SELECT -7, -2.25, 1e10, '2024-01-02', FALSE, '2024-02-03', '2024-02-03 00:00:00', NULL;\n"
    )
    yield opened
    opened.close()


QUERIES = [
    "SELECT ? AS X, ? AS Y",
    "SELECT I, S FROM T WHERE S = ? OR S < ? ORDER BY I",
    "SELECT I FROM T WHERE I IN (?, ?) ORDER BY I",
    "SELECT I FROM T WHERE D >= ? AND AT <= ? ORDER BY I",
    "SELECT I FROM T WHERE N <> ? OR F > ? ORDER BY I",
    "SELECT column1, column2 FROM VALUES (?, ?), (NULL, NULL)",
    "SELECT T.I, B.X FROM T JOIN (SELECT column1 AS X, column2 AS Y FROM VALUES (?, ?)) B ON B.X >= T.I ORDER BY 1",
    "SELECT TO_VARCHAR(D, ?), ? || S FROM T ORDER BY I",
    "SELECT PARSE_JSON(?):a, TRY_PARSE_JSON(?) FROM T WHERE V IS NOT NULL",
    "SELECT COUNT(*) FROM T WHERE OK = ? GROUP BY S HAVING MAX(F) > ?",
]
VALUES: list[Sequence[Any]] = [
    ("it's", "zz"), (5, -7), (None, 3), ("2024-01-02", "2024-02-03"), (DAY, AT), (DAY, None), (1.5, 0.25),
    (Decimal("1.50"), 2), (2**40, -(2**63)), (10**30, 1), (True, False), (True, -0.5), ("YYYY", "a'b\\"),
    ('{"a": "?"}', "{"), (SLOTS, SLOTS), ("", "\0"),
]  # fmt: skip


def outcome(of: Session, sql: str, values: Sequence[Any]) -> Any:
    try:
        return of.run(sql, values)
    except Error as error:
        return error.errno


@pytest.mark.parametrize("query", QUERIES)
def test_a_kept_plan_gives_what_a_new_one_does(bound: Session, query: str) -> None:
    differences = []
    for number, values in enumerate([*VALUES, *reversed(VALUES)]):
        found, wanted = outcome(bound, query, values), outcome(bound, f"{query} -- {number}", values)
        if found != wanted:
            differences.append((values, found, wanted))
    assert not differences


def test_bound_values_change_rows(bound: Session) -> None:
    for number, text in [(1, "a"), (2, "b'"), (3, None), (4, SLOTS)]:
        bound.run("INSERT INTO T (I, S, V) SELECT ?, ?, PARSE_JSON(?)", (number, text, f'{{"n": {number}}}'))
    bound.run("UPDATE T SET S = ?, OK = ? WHERE S = ?", ("c", True, "a"))
    bound.run("UPDATE T SET S = ?, OK = ? WHERE S = ?", ("d", None, "b'"))
    bound.run("DELETE FROM T WHERE S = ?", ("it's",))
    rows = bound.run("SELECT I, S, OK, V:n::NUMBER FROM T ORDER BY I")
    assert rows == [
        (-7, "2024-01-02", False, None), (1, "c", True, 1), (2, "d", None, 2), (3, None, None, 3), (4, SLOTS, None, 4)
    ]  # fmt: skip
    merge = (
        "MERGE INTO T USING (SELECT column1 AS I, column2 AS S FROM VALUES (?, ?)) M ON M.I = T.I "
        "WHEN MATCHED THEN UPDATE SET S = M.S WHEN NOT MATCHED THEN INSERT (I, S) VALUES (M.I, M.S)"
    )
    for number, text in [(1, "one"), (9, "nine"), (1, "uno")]:
        bound.run(merge, (number, text))
    assert bound.run("SELECT I, S FROM T WHERE I IN (1, 9) ORDER BY I") == [(1, "uno"), (9, "nine")]


def test_bound_values_stay_in_what_is_made_of_them(bound: Session) -> None:
    for text in ("x", "y"):
        bound.run(f"CREATE TABLE C_{text} AS SELECT ? AS S, ? AS I", (text, 1))
    assert bound.run("SELECT S, I FROM C_X UNION ALL SELECT S, I FROM C_Y ORDER BY S") == [("x", 1), ("y", 1)]


def test_what_names_a_slot_is_only_text(bound: Session) -> None:
    text = SLOTS.replace("'", "''")
    assert bound.run(f"SELECT '{text}', ?, CURRENT_TIMESTAMP() IS NULL", ("v",)) == [(SLOTS, "v", False)]
    assert bound.run(f"SELECT ?, '{text}'", (SLOTS,)) == [(SLOTS, SLOTS)]
    for comment in (f"/* {SLOTS} */", f"-- {SLOTS}\n"):
        assert bound.run(f"SELECT {comment} ? {comment}, 1 {comment}", ("*/\n2",)) == [("*/\n2", 1)]
    name = SLOTS.replace('"', '""')
    assert bound.run(f'SELECT ? AS "{name}"', ("v",)) == [("v",)]
    for call in ("SF_STATEMENT_TIMESTAMP('\"')", "SF_BOUND('\"1')", "SF_FILE('\"')"):
        assert "Unknown function" in str(bound.fails(f"SELECT {call}"))


def test_each_statement_of_a_transaction_has_its_own_moment(session: Session) -> None:
    session.run("CREATE TABLE T (A TIMESTAMP_LTZ, B TIMESTAMP_NTZ, D DATE)")
    insert = "INSERT INTO T SELECT CURRENT_TIMESTAMP(), SYSDATE(), CURRENT_DATE()"
    session.run(insert)
    session.run("BEGIN")
    for _ in range(2):
        time.sleep(0.02)
        session.run(insert)
    inside = session.value("SELECT SYSDATE()")
    session.run("COMMIT")
    rows = session.run("SELECT A, B FROM T ORDER BY A")
    assert [len({row[at] for row in rows}) for at in (0, 1)] == [3, 3]
    assert all(a.astimezone(dt.UTC).replace(tzinfo=None) == b for a, b in rows)
    assert rows[2][1] < inside


def test_a_statement_has_one_moment(session: Session) -> None:
    session.run("CREATE TABLE T AS SELECT ROW_NUMBER() OVER (ORDER BY 1) AS N FROM TABLE(GENERATOR(ROWCOUNT => 9000))")
    query = "SELECT COUNT(DISTINCT SYSDATE()), COUNT(DISTINCT CURRENT_TIMESTAMP()) FROM T"
    assert session.run(query) == [(1, 1)]


def test_definitions_have_the_moment_of_their_use(session: Session) -> None:
    session.run("BEGIN")
    session.run("CREATE VIEW V AS SELECT CURRENT_TIMESTAMP() AS AT, SYSDATE() AS S")
    session.run("CREATE TABLE T (N NUMBER, AT TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP())")
    first = session.run("SELECT AT, S FROM V")
    session.run("INSERT INTO T (N) VALUES (1)")
    session.run("COMMIT")
    time.sleep(0.02)
    session.run("INSERT INTO T (N) VALUES (2)")
    assert session.run("SELECT AT, S FROM V") > first
    assert session.value("SELECT COUNT(DISTINCT AT) FROM T") == 2


COPY = "COPY INTO T FROM (SELECT f.$1:A::VARCHAR, $1:B, {file} FROM @ST/{file_name} f)"


def put(of: Session, folder: Path, name: str, **columns: list[Any]) -> None:
    pq.write_table(pa.table(columns), folder / name)
    of.run(f"PUT file://{folder / name} @ST AUTO_COMPRESS = FALSE OVERWRITE = TRUE")


def test_files_are_read_by_their_own_columns(session: Session, tmp_path: Path) -> None:
    session.run("CREATE STAGE ST FILE_FORMAT = (TYPE = PARQUET)")
    session.run("CREATE TABLE T (A VARCHAR, B VARIANT, F VARCHAR)")
    put(session, tmp_path, "1.parquet", A=["a"], B=[1])
    put(session, tmp_path, "2.parquet", A=["b"], B=[2])
    put(session, tmp_path, "3.parquet", A=[3], B=["three"])
    put(session, tmp_path, "4.parquet", B=[4.5])
    for number in (1, 2, 3, 4):
        session.run(COPY.format(file="'@ST/1.parquet'", file_name=f"{number}.parquet"))
    rows = [("a", "1"), ("b", "2"), ("3", '"three"'), (None, "4.5")]
    assert session.run("SELECT A, B, F FROM T ORDER BY B::VARCHAR") == [
        (a, b, "@ST/1.parquet") for a, b in sorted(rows, key=lambda row: row[1].strip('"'))
    ]
    session.run("TRUNCATE TABLE T")
    for number in (1, 2):
        session.run(COPY.format(file="METADATA$FILENAME", file_name=f"{number}.parquet"))
    assert session.run("SELECT A, F FROM T ORDER BY A") == [("a", "1.parquet"), ("b", "2.parquet")]


def test_files_go_into_the_table_as_it_is(session: Session, tmp_path: Path) -> None:
    session.run("CREATE STAGE ST FILE_FORMAT = (TYPE = PARQUET)")
    session.run("CREATE TABLE T (A VARCHAR, B NUMBER)")
    by_name = "COPY INTO T FROM @ST/{} MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    put(session, tmp_path, "1.parquet", a=["1.5"], b=[1])
    put(session, tmp_path, "2.parquet", a=["2.5"], b=[2])
    put(session, tmp_path, "3.parquet", a=["3.5"], c=[3])
    session.run(by_name.format("1.parquet"))
    session.run("CREATE OR REPLACE TABLE T (B VARCHAR, A NUMBER(5,1), C NUMBER)")
    session.run(by_name.format("2.parquet"))
    session.run(by_name.format("3.parquet"))
    assert session.run("SELECT B, A, C FROM T ORDER BY A") == [("2", Decimal("2.5"), None), (None, Decimal("3.5"), 3)]


@pytest.fixture
def translations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The module of each translation from here on."""
    found: list[str] = []
    for module in (dml, queries, copy_into):

        def counted(tree: Any, environment: Any, module: Any = module, translate: Any = module.translate) -> Any:
            found.append(module.__name__.rpartition(".")[2])
            return translate(tree, environment)

        monkeypatch.setattr(module, "translate", counted)
    return found


def test_plans_are_kept(tmp_path: Path, translations: list[str]) -> None:
    warehouse = Warehouse(tmp_path, memory_limit="500MB", threads=1, account="a", user="u")
    opened = warehouse.connect()

    def run(sql: str, *values: tuple[str, str | None]) -> None:
        bindings = {str(at): {"type": kind, "value": value} for at, (kind, value) in enumerate(values, 1)}
        execute(opened, Statement(sql), bindings).drain()

    for sql in ("CREATE DATABASE D", "CREATE STAGE ST FILE_FORMAT = (TYPE = PARQUET)", "CREATE TABLE T (A NUMBER)"):
        run(sql)
    folder = stages.locate(opened, "@ST").folder
    folder.mkdir(exist_ok=True)
    for number in (1, 2):
        pq.write_table(pa.table({"A": [number]}), folder / f"{number}.parquet")
        run("BEGIN")
        run("INSERT INTO T SELECT ? WHERE SYSDATE() > ?", ("FIXED", str(number)), ("TEXT", f"200{number}-01-01"))
        run("SELECT A FROM T WHERE TO_VARCHAR(A) = ?", ("TEXT", str(number)))
        run(f"COPY INTO T FROM (SELECT $1:A FROM @ST/{number}.parquet)")
        run("COMMIT")
        expected = ["dml", "query", "copy_into"]
        assert translations == expected
    run("SELECT A FROM T LIMIT ?", ("FIXED", "1"))
    run("SELECT A FROM T LIMIT ?", ("FIXED", "2"))
    assert translations == [*expected, "query", "query"]
    assert execute(opened, Statement("SELECT SUM(A) FROM T")).rows() == [(6,)]
    opened.close()
    warehouse.close()


class Restarted:
    """A warehouse without its network side, that can be stopped and started on its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        self._warehouse = Warehouse(self.folder, memory_limit="500MB", threads=1, account="a", user="u")
        self._session = self._warehouse.connect(database="D", schema="PUBLIC")

    def stop(self) -> None:
        self._session.close()
        self._warehouse.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def rows(self, sql: str, *values: tuple[str, str | None]) -> list[Any]:
        bindings = {str(at): {"type": kind, "value": value} for at, (kind, value) in enumerate(values, 1)}
        return execute(self._session, Statement(sql), bindings).rows()


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Restarted]:
    made = Restarted(tmp_path)
    made.rows("CREATE DATABASE D")
    made.rows("CREATE TABLE T (A NUMBER, S VARCHAR)")
    made.rows("CREATE STREAM ST ON TABLE T")
    yield made
    made.stop()


INSERTION = "INSERT INTO T SELECT ?, ? WHERE SYSDATE() > '2001-01-01'"
FROM_STREAM = "INSERT INTO COPIED SELECT A, S FROM ST WHERE METADATA$ACTION = 'INSERT'"


def test_the_next_start_finds_the_plans_of_what_ran_again(restarted: Restarted, translations: list[str]) -> None:
    restarted.rows("CREATE TABLE COPIED (A NUMBER, S VARCHAR)")
    for number in ("1", "2"):
        restarted.rows(INSERTION, ("FIXED", number), ("TEXT", "it's"))
        restarted.rows(FROM_STREAM)
    restarted.rows("SELECT 'once', A FROM T")
    del translations[:]
    for number in ("3", "4", "5"):  # twice, as what was not asked for in between is not lost
        restarted.restart()
        if number != "4":
            restarted.rows(INSERTION, ("FIXED", number), ("TEXT", "it's"))
            restarted.rows(FROM_STREAM)
    assert translations == []
    restarted.rows("SELECT 'once', A FROM T")
    assert translations == ["query"]
    assert restarted.rows("SELECT A, S FROM COPIED ORDER BY A") == [(1, "it's"), (2, "it's"), (3, "it's"), (5, "it's")]
    assert "once" not in (restarted.folder / "plans.json").read_text()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE OR REPLACE TABLE T (S VARCHAR, A NUMBER)",
        "ALTER TABLE T ALTER COLUMN S SET DATA TYPE VARCHAR(100)",
        "CREATE OR REPLACE VIEW V AS SELECT 1 AS X",
    ],
)
def test_a_changed_definition_forgets_the_plans(restarted: Restarted, translations: list[str], change: str) -> None:
    for _ in range(2):
        restarted.rows("SELECT * FROM T")
    restarted.restart()
    restarted.rows(change)
    restarted.restart()
    del translations[:]
    restarted.rows("SELECT * FROM T")
    assert translations == ["query"]


def test_a_server_that_was_killed_after_a_change_forgets_them(restarted: Restarted, translations: list[str]) -> None:
    for _ in range(2):
        restarted.rows("SELECT * FROM T")
    restarted.restart()
    left = (restarted.folder / "plans.json").read_bytes()
    restarted.rows("CREATE OR REPLACE TABLE T (S VARCHAR, A NUMBER, B NUMBER)")
    restarted.rows("INSERT INTO T VALUES ('s', 1, 2)")
    restarted.stop()
    (restarted.folder / "plans.json").write_bytes(left)
    restarted.start()
    assert restarted.rows("SELECT * FROM T") == [("s", 1, 2)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"definitions": 1}', b"\xff\xfe", b'{"plans": null}'])
def test_a_damaged_file_of_plans_is_made_anew(restarted: Restarted, translations: list[str], content: bytes) -> None:
    for _ in range(2):
        restarted.rows("SELECT * FROM T")
    restarted.stop()
    (restarted.folder / "plans.json").write_bytes(content)
    restarted.start()
    del translations[:]
    for _ in range(2):
        assert restarted.rows("SELECT * FROM T") == []
    assert translations == ["query"]
    restarted.restart()
    restarted.rows("SELECT * FROM T")
    assert translations == ["query"]


def test_plans_of_other_code_are_not_used(restarted: Restarted, translations: list[str]) -> None:
    for _ in range(2):
        restarted.rows("SELECT * FROM T")
    restarted.stop()
    file = restarted.folder / "plans.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"code": "of another version"}))
    restarted.start()
    del translations[:]
    restarted.rows("SELECT * FROM T")
    assert translations == ["query"]


def test_code_that_is_updated_while_the_server_runs_makes_its_own_plans(
    restarted: Restarted, translations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        restarted.rows("SELECT * FROM T")
    monkeypatch.setattr(kept_plans, "_code", lambda: "of the next version")
    restarted.restart()
    del translations[:]
    restarted.rows("SELECT * FROM T")
    assert translations == ["query"]
