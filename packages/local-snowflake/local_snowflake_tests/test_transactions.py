"""A statement that fails inside a transaction: what stays, what goes, and what can no longer be committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_snowflake_tests.server import Server, Session

COMPILED = ("SELECT NO_COLUMN FROM T", "INSERT INTO T SELECT * FROM NO_TABLE", "UPDATE T SET NO_COLUMN = 1", "SELEC 1")
RUN = (
    "SELECT 1 / 0",
    "INSERT INTO T SELECT A / (A - 1) FROM T",
    "UPDATE T SET A = 1 / 0",
    "DELETE FROM T WHERE 1 / (A - 1) = 1",
    "INSERT INTO T VALUES (NULL)",
    "MERGE INTO T USING (SELECT 1 AS K, 2 AS V UNION ALL SELECT 1, 3) S ON T.A = S.K "
    "WHEN MATCHED THEN UPDATE SET A = S.V",
)


@pytest.fixture
def table(session: Session) -> Session:
    session.run("CREATE TABLE T (A NUMBER NOT NULL)")
    return session


@pytest.mark.parametrize("statement", [*COMPILED, *RUN])
def test_a_failing_statement_undoes_itself_alone(table: Session, statement: str) -> None:
    table.run("BEGIN")
    table.run("INSERT INTO T VALUES (1), (7)")
    table.run("UPDATE T SET A = 8 WHERE A = 7")
    table.fails(statement)
    assert table.run("SELECT A FROM T ORDER BY A") == [(1,), (8,)]
    table.fails(statement)
    table.run("INSERT INTO T VALUES (9)")
    table.run("COMMIT")
    assert table.run("SELECT A FROM T ORDER BY A") == [(1,), (8,), (9,)]


def test_a_first_statement_that_fails_leaves_the_transaction_open(table: Session) -> None:
    table.run("BEGIN")
    table.fails("INSERT INTO T VALUES (NULL)")
    table.run("INSERT INTO T VALUES (1)")
    table.run("ROLLBACK")
    assert table.value("SELECT COUNT(*) FROM T") == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO DST SELECT A / (A - 1) FROM S",
        "MERGE INTO DST USING (SELECT 1 AS K FROM S, (SELECT 1 UNION ALL SELECT 2)) S ON DST.A = S.K "
        "WHEN MATCHED THEN UPDATE SET A = S.K",
    ],
)
def test_a_stream_that_a_failed_statement_read_is_not_consumed(table: Session, statement: str) -> None:
    table.run("CREATE STREAM S ON TABLE T")
    table.run("CREATE TABLE DST (A NUMBER)")
    table.run("INSERT INTO T VALUES (1)")
    table.run("INSERT INTO DST VALUES (1)")
    table.run("BEGIN")
    table.run("INSERT INTO DST VALUES (5)")
    table.fails(statement)
    table.run("COMMIT")
    assert table.value("SELECT COUNT(*) FROM DST") == 2
    assert table.run("SELECT A FROM S") == [(1,)]


def test_what_was_consumed_before_the_failure_stays_consumed(table: Session) -> None:
    table.run("CREATE STREAM S ON TABLE T")
    table.run("CREATE TABLE DST (A NUMBER)")
    table.run("INSERT INTO T VALUES (1)")
    table.run("BEGIN")
    table.run("INSERT INTO DST SELECT A FROM S")
    table.run("INSERT INTO T VALUES (2)")
    table.fails("INSERT INTO T VALUES (NULL)")
    table.run("COMMIT")
    assert table.run("SELECT A FROM DST") == [(1,)]
    assert table.run("SELECT A FROM S") == [(2,)]


def over(session: Session) -> None:
    """The transaction takes nothing but ROLLBACK, and COMMIT says that nothing was committed."""
    assert session.fails("INSERT INTO T VALUES (2)").errno == 90232
    assert session.fails("SELECT A FROM T").errno == 90232
    assert session.fails("COMMIT").errno == 90233
    assert session.value("SELECT COUNT(*) FROM T WHERE A < 100") == 0
    session.run("INSERT INTO T VALUES (3)")
    assert session.value("SELECT COUNT(*) FROM T WHERE A < 100") == 1


def test_after_a_commit_of_another_session_the_transaction_is_over(
    server: Server, table: Session, database: str
) -> None:
    other = server.session(database=database)
    table.run("BEGIN")
    table.run("INSERT INTO T VALUES (1)")
    other.run("INSERT INTO T VALUES (100)")
    table.fails("INSERT INTO T VALUES (NULL)")
    over(table)
    other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO T SELECT 1 FROM (SELECT UUID_STRING() AS U) WHERE U <> ''",
        "INSERT INTO T SELECT 1 FROM (SELECT 1 AS X UNION ALL SELECT 2 LIMIT 1)",
        "INSERT INTO T SELECT 1 FROM (SELECT 1 AS X UNION ALL SELECT 2 FETCH FIRST 1 ROWS ONLY)",
        "INSERT INTO T SELECT COLUMN1 FROM VALUES (1), (2) QUALIFY ROW_NUMBER() OVER (ORDER BY 1) = 1",
        "INSERT INTO T SELECT 1 WHERE RANDOM() IS NOT NULL",
        "INSERT INTO T SELECT 1 WHERE SEQ.NEXTVAL > 0",
        "INSERT INTO T SELECT ANY_VALUE(COLUMN1) FROM VALUES (1), (2)",
        "INSERT INTO T SELECT MAX_BY(COLUMN1, COLUMN2) FROM VALUES (1, 1), (2, 1)",
        "INSERT INTO T SELECT MODE(COLUMN1) FROM VALUES (1), (2)",
        "INSERT INTO T SELECT APPROX_COUNT_DISTINCT(COLUMN1) FROM VALUES (1), (2)",
        "INSERT INTO T SELECT LEFT(LISTAGG(COLUMN1), 1) FROM VALUES (1), (2)",
        "INSERT INTO T SELECT ARRAY_SIZE(ARRAY_AGG(COLUMN1)) FROM VALUES (1), (2)",
        "INSERT INTO T SELECT ARRAY_SIZE(OBJECT_KEYS(OBJECT_AGG(COLUMN1, 1))) FROM VALUES ('a'), ('b')",
        "INSERT INTO T SELECT COUNT(*) FROM INFORMATION_SCHEMA.LOAD_HISTORY",
        "INSERT INTO T SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES",
        "INSERT INTO T SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        "MERGE INTO T USING (SELECT COLUMN1 AS A FROM VALUES (1), (2) LIMIT 1) S ON T.A = S.A "
        "WHEN NOT MATCHED THEN INSERT VALUES (S.A)",
        "DELETE FROM T WHERE A = (SELECT ANY_VALUE(COLUMN1) FROM VALUES (1), (2))",
        "UPDATE T SET A = A WHERE RANDOM() IS NOT NULL",
    ],
)
def test_after_what_might_give_something_else_the_transaction_is_over(table: Session, statement: str) -> None:
    table.run("CREATE SEQUENCE SEQ")
    table.run("BEGIN")
    table.run("INSERT INTO T SELECT A FROM T")
    table.run("SELECT 5")
    table.run(statement)
    table.fails("INSERT INTO T VALUES (NULL)")
    over(table)


def test_a_text_or_a_column_that_is_called_like_what_varies_varies_not(session: Session) -> None:
    session.run('CREATE TABLE W ("limit" VARCHAR NOT NULL, LAST NUMBER)')
    session.run("BEGIN")
    session.run("INSERT INTO W VALUES ('limit 1 over now() random()', 1)")
    session.run("UPDATE W SET LAST = 2 WHERE \"limit\" LIKE '%uuid%' OR LAST = 1")
    session.fails("INSERT INTO W VALUES (NULL, 3)")
    session.run("INSERT INTO W VALUES ('first', 4)")
    session.run("COMMIT")
    assert session.run("SELECT LAST FROM W ORDER BY LAST") == [(2,), (4,)]


def test_after_a_load_the_transaction_is_over(table: Session, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1\n2\n")
    table.run("CREATE STAGE ST FILE_FORMAT = (TYPE = CSV)")
    table.run(f"PUT file://{tmp_path}/a.csv @ST")
    table.run("BEGIN")
    table.run("COPY INTO T FROM @ST")
    table.fails("INSERT INTO T VALUES (NULL)")
    over(table)
    table.run("COPY INTO T FROM @ST")
    assert table.value("SELECT COUNT(*) FROM T") == 3


def test_an_error_that_a_block_catches_leaves_what_came_before_it(table: Session) -> None:
    table.run(
        "BEGIN BEGIN TRANSACTION; INSERT INTO T VALUES (1); INSERT INTO T VALUES (NULL); COMMIT; "
        "EXCEPTION WHEN OTHER THEN INSERT INTO T VALUES (2); COMMIT; END"
    )
    assert table.run("SELECT A FROM T ORDER BY A") == [(1,), (2,)]
