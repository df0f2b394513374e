"""Requests with several statements, and what follows a semicolon.

Source: docs.snowflake.com/en/developer-guide/python-connector/python-connector-example (executing a batch of SQL
statements) and .../sql-api/submitting-multiple-statements.
"""

from __future__ import annotations

import pytest
from snowflake.connector.errors import DatabaseError, Error, ProgrammingError

from local_snowflake.syntax.script import parts
from local_snowflake_tests.server import Server, Session


@pytest.mark.parametrize(
    "first",
    [
        "ALTER SESSION SET QUERY_TAG = 'x'",
        "USE SCHEMA PUBLIC",
        "SHOW TABLES",
        "BEGIN",
        "COMMIT",
        "SET A = 1",
        "UNSET A",
        "TRUNCATE TABLE T",
        "DESCRIBE TABLE T",
        "CREATE STREAM S ON TABLE T",
        "CREATE TASK X AS SELECT 1",
        "CREATE TABLE U (A NUMBER)",
        "CREATE SEQUENCE Q",
        "ALTER TABLE T ADD COLUMN B NUMBER",
        "DROP TABLE T",
        "COMMENT ON TABLE T IS 'x'",
        "GRANT SELECT ON TABLE T TO ROLE SYSADMIN",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "BEGIN SELECT 1; END",
        "CALL SYSTEM$WAIT(0)",
        "SELECT 1",
        "WITH C AS (SELECT 1 AS A) SELECT A FROM C",
        "INSERT INTO T VALUES (2)",
        "DELETE FROM T",
    ],
)
def test_what_follows_a_semicolon_is_never_lost(session: Session, first: str) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    session.run("INSERT INTO T VALUES (1)")
    error = session.fails(f"{first}; INSERT INTO T VALUES (7)")
    assert (error.errno, error.sqlstate) == (8, "0A000")
    assert "Actual statement count 2 did not match the desired statement count 1." in str(error)
    assert session.run("SELECT A FROM T") == [(1,)]


def test_each_of_several_statements_has_its_result(session: Session) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE T (A NUMBER); INSERT INTO T VALUES (1), (2); -- two; rows\nSELECT A FROM T ORDER BY A; "
            "BEGIN; DELETE FROM T WHERE A = 1; COMMIT; SELECT ';' AS B, COUNT(*) AS N FROM T;",
            num_statements=7,
        )
        assert cursor.fetchall() == [("Table T successfully created.",)]
        found = [cursor.fetchall() for _ in iter(cursor.nextset, None)]
    done = [("Statement executed successfully.",)]
    assert found == [[(2,)], [(1,), (2,)], done, [(1,)], done, [(";", 1)]]


def test_any_number_of_statements_is_run_where_none_is_given(session: Session) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute("SELECT 1 AS A; SELECT 2 AS B", num_statements=0)
        assert cursor.fetchall() == [(1,)]
        assert cursor.nextset() is not None
        assert cursor.fetchall() == [(2,)]
        assert [column.name for column in cursor.description] == ["B"]
        assert cursor.execute("SELECT 3", num_statements=0).fetchall() == [(3,)]
    session.run("ALTER SESSION SET MULTI_STATEMENT_COUNT = 0")
    assert session.run("SET A = 4; SELECT $A") == [("Statement executed successfully.",)]


def test_another_number_of_statements_than_announced_runs_none(session: Session) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    with session.connection.cursor() as cursor, pytest.raises(ProgrammingError) as raised:
        cursor.execute("INSERT INTO T VALUES (1); INSERT INTO T VALUES (2)", num_statements=3)
    assert "Actual statement count 2 did not match the desired statement count 3." in str(raised.value)
    assert session.value("SELECT COUNT(*) FROM T") == 0


def test_the_statement_that_fails_ends_the_request_and_those_before_it_stay(session: Session) -> None:
    session.run("CREATE TABLE T (A NUMBER)")
    with session.connection.cursor() as cursor, pytest.raises(Error) as raised:
        cursor.execute("INSERT INTO T VALUES (1); SELECT 1 / 0; INSERT INTO T VALUES (2)", num_statements=3)
    assert raised.value.errno == 100051
    assert session.run("SELECT A FROM T") == [(1,)]


def test_several_statements_run_in_the_background(session: Session) -> None:
    with session.connection.cursor() as cursor:
        started = cursor.execute_async("SELECT 1 AS A; SELECT 2 AS B", num_statements=2)
        cursor.get_results_from_sfqid(started["queryId"])
        assert cursor.fetchall() == [(1,)]
        assert cursor.nextset() is not None
        assert cursor.fetchall() == [(2,)]


def test_the_error_of_a_query_in_the_background_is_told(session: Session) -> None:
    with session.connection.cursor() as cursor:
        started = cursor.execute_async("SELECT * FROM NOT_THERE")
        with pytest.raises(DatabaseError) as raised:  # of which class depends on when the connector asks
            cursor.get_results_from_sfqid(started["queryId"])
            cursor.fetchall()
    assert raised.value.errno == 2003
    assert "NOT_THERE' does not exist or not authorized" in str(raised.value)


def test_bound_values_of_several_statements_are_refused(server: Server, database: str) -> None:
    session = Session(server.connect(database=database, paramstyle="qmark"))
    with session.connection.cursor() as cursor, pytest.raises(ProgrammingError, match="bound values in a request"):
        cursor.execute("SELECT ?; SELECT 2", (1,), num_statements=2)
    session.close()


def test_setting_autocommit_commits_the_open_transaction(server: Server, session: Session, database: str) -> None:
    other = server.session(database=database)
    session.run("CREATE TABLE T (A NUMBER)")
    for setting in ("FALSE", "TRUE"):
        session.run("BEGIN")
        session.run("INSERT INTO T VALUES (1)")
        session.run(f"ALTER SESSION SET AUTOCOMMIT = {setting}")
    assert other.value("SELECT COUNT(*) FROM T") == 2
    other.close()


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT ';', \"a;b\", $$;$$ /* ; */;;", ["SELECT ';', \"a;b\", $$;$$ /* ; */"]),
        ("SELECT 'it''s;', 'a\\';';SELECT 2 -- end;", ["SELECT 'it''s;', 'a\\';'", "SELECT 2 -- end;"]),
        ("BEGIN; SELECT 1", ["BEGIN", " SELECT 1"]),
        ("BEGIN WORK; SELECT 1", ["BEGIN WORK", " SELECT 1"]),
        ("BEGIN SELECT 1; BEGIN SELECT CASE WHEN A THEN B END; END; END; SELECT 2",
         ["BEGIN SELECT 1; BEGIN SELECT CASE WHEN A THEN B END; END; END", " SELECT 2"]),
        ("DECLARE X NUMBER; BEGIN IF (TRUE) THEN RETURN 1; END IF; END; SELECT 2",
         ["DECLARE X NUMBER; BEGIN IF (TRUE) THEN RETURN 1; END IF; END", " SELECT 2"]),
        ("CREATE TASK T AS BEGIN SELECT 1; END; SELECT 2", ["CREATE TASK T AS BEGIN SELECT 1; END", " SELECT 2"]),
        ("SELECT A AS BEGIN, B FROM T; SELECT 2", ["SELECT A AS BEGIN, B FROM T", " SELECT 2"]),
        (" ; -- nothing", []),
    ],
)  # fmt: skip
def test_a_text_is_parted_at_the_semicolons_between_statements(text: str, statements: list[str]) -> None:
    assert parts(text) == statements
