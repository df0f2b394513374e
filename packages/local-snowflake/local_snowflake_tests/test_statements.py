"""A statement on its way through the server: its first word, and that its text is scanned once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_snowflake.session.session import Session
from local_snowflake.statements.execution import execute
from local_snowflake.syntax import lexer, statement
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate import dialect
from local_snowflake.warehouse import Warehouse

QUERY_ID = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Session]:
    warehouse = Warehouse(tmp_path, memory_limit="500MB", threads=1, account="a", user="u")
    session = warehouse.connect()
    for sql in ("CREATE DATABASE D", "CREATE TABLE T (A NUMBER)", "CREATE TABLE U (A NUMBER)"):
        execute(session, Statement(sql)).drain()
    yield session
    session.close()
    warehouse.close()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("select 1", "SELECT"),
        (" \n-- a comment\n/* another */ // a third\n((Select 1))", "SELECT"),
        ("PUT file:///folder/*.csv @S", "PUT"),
        ("", ""),
        ("-- nothing else", ""),
        ("?", ""),
    ],
)
def test_the_first_word_comes_after_comments_and_parentheses(text: str, word: str) -> None:
    assert Statement(text).first_word == word


def test_a_whole_result_is_asked_for_by_the_query_of_the_connectors_alone() -> None:
    asked = f"select * from table(result_scan('{QUERY_ID}'))"
    assert Statement(f" {asked.upper().replace(QUERY_ID.upper(), QUERY_ID)}\n").rescanned_query == QUERY_ID
    for other in (f"{asked} LIMIT 1", asked.replace("*", "A"), asked.replace(QUERY_ID, "x"), f"INSERT INTO T {asked}"):
        assert Statement(other).rescanned_query is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT A FROM T",
        "WITH X AS (SELECT 1 AS A) SELECT A FROM X",
        "INSERT INTO T VALUES (1)",
        "INSERT ALL INTO T INTO U SELECT 1",
        "UPDATE T SET A = 2",
        "DELETE FROM T WHERE A = 2",
        "TRUNCATE TABLE T",
        "MERGE INTO T USING U ON T.A = U.A WHEN NOT MATCHED THEN INSERT VALUES (U.A)",
        "CREATE TABLE V (A NUMBER)",
        "CREATE VIEW W AS SELECT A FROM T",
        "ALTER TABLE T ADD COLUMN B NUMBER",
        "SHOW TABLES",
        "BEGIN",
        "BEGIN SELECT A FROM T; END",
        "USE SCHEMA D.PUBLIC",
    ],
)
def test_a_statement_is_scanned_once(opened: Session, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    scanned: list[str] = []
    for module in (lexer, dialect, statement):

        def counted(text: str, tokenize: Any = module.tokenize) -> Any:
            scanned.append(text)
            return tokenize(text)

        monkeypatch.setattr(module, "tokenize", counted)
    execute(opened, Statement(sql)).drain()
    assert scanned.count(sql) == 1
    execute(opened, Statement("ROLLBACK")).drain()


def test_a_statement_with_a_kept_plan_is_not_scanned(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(opened, Statement("SELECT A FROM T")).drain()
    for module in (lexer, dialect, statement):
        monkeypatch.setattr(module, "tokenize", None)
    assert execute(opened, Statement("SELECT A FROM T")).rows() == []


@pytest.mark.parametrize(
    "sql", ["TRUNCATE TABLE T", "SHOW TABLES", "ALTER TABLE T SET COMMENT = 'x'", "BEGIN RETURN 1; END"]
)
def test_a_statement_can_be_run_again(opened: Session, sql: str) -> None:
    same = Statement(sql)
    assert execute(opened, same).rows() == execute(opened, same).rows()
