"""The views of a file that another version of the server has written: its macros took other arguments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from local_snowflake.engine import kept_plans
from local_snowflake.errors import SnowflakeError
from local_snowflake.statements.ddl import views
from local_snowflake.statements.execution import execute
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.translator import render_definition
from local_snowflake.warehouse import Warehouse

DEFINITIONS = """
CREATE SCHEMA OTHER;
CREATE TABLE D.PUBLIC.DOCUMENTS AS SELECT 1 AS ID, PARSE_JSON('{"a": [7]}') AS DOCUMENT;
CREATE VIEW D.OTHER.PATHS (NO, AT) COMMENT = 'of documents' AS
    SELECT ID, F.PATH FROM D.PUBLIC.DOCUMENTS, LATERAL FLATTEN(INPUT => DOCUMENT) F;
CREATE VIEW D.OTHER.A_COUNT AS SELECT COUNT(*) AS N FROM D.OTHER.PATHS WHERE AT = 'a';
COMMENT ON COLUMN D.OTHER.PATHS.NO IS 'whose';
USE SCHEMA D.PUBLIC;
CREATE VIEW OTHER.BY_THE_SESSION AS SELECT ID FROM DOCUMENTS;
CREATE TABLE GONE AS SELECT 1 AS ID;
CREATE VIEW BROKEN AS SELECT ID FROM GONE;
DROP TABLE GONE;
"""


@contextmanager
def opened(folder: Path) -> Iterator[Warehouse]:
    warehouse = Warehouse(folder, memory_limit="1GB", threads=1, account="a", user="u")
    yield warehouse
    warehouse.close()


def run(warehouse: Warehouse, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement."""
    session = warehouse.connect(database="D")
    try:
        return [execute(session, Statement(text)).rows() for text in statements][-1]
    finally:
        session.close()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose views call a macro that is not there any more."""

    def otherwise(tree: exp.Expr) -> str:
        return f"SELECT before.* FROM of_before('x') AS nothing, ({render_definition(tree)}) AS before"

    with monkeypatch.context() as patch:
        patch.setattr(kept_plans, "_code", lambda: "of before")
        patch.setattr(views, "render_definition", otherwise)
        with opened(tmp_path) as warehouse:
            run(warehouse, "CREATE DATABASE D")
            warehouse.engine.store.execute("CREATE MACRO main.of_before(a) AS TABLE SELECT a")
            run(warehouse, *filter(str.strip, DEFINITIONS.split(";")))
            with pytest.raises(SnowflakeError, match="GONE"):
                run(warehouse, "SELECT * FROM BROKEN")
            warehouse.engine.store.execute("DROP MACRO TABLE main.of_before")
    return tmp_path


def test_they_answer_as_they_did(written: Path) -> None:
    for _ in range(2):
        with opened(written) as warehouse:
            assert run(warehouse, "SELECT NO, AT FROM OTHER.PATHS") == [(1, "a")]
            assert run(warehouse, "SELECT N FROM OTHER.A_COUNT") == [(1,)]
            assert run(warehouse, "SELECT ID FROM OTHER.BY_THE_SESSION") == [(1,)]


def test_one_whose_table_is_gone_is_made_at_a_start_that_finds_the_table(
    written: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(written) as warehouse:
        warnings = [record.message for record in caplog.records if record.name == "warehouse.views"]
        assert [text.split(":")[0] for text in warnings] == ["D.PUBLIC.BROKEN stays as another version has made it"]
        run(warehouse, "CREATE TABLE GONE AS SELECT 2 AS ID")
    with opened(written) as warehouse:
        assert run(warehouse, "SELECT ID FROM BROKEN") == [(2,)]


def test_what_is_said_of_them_stays(written: Path) -> None:
    with opened(written) as warehouse:
        comments = run(
            warehouse,
            "SHOW VIEWS IN SCHEMA D.OTHER",
            """SELECT "name", "comment", CONTAINS("text", 'AS') FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) ORDER BY 1""",
        )
        assert comments == [("A_COUNT", "", True), ("BY_THE_SESSION", "", True), ("PATHS", "of documents", True)]
        columns = "SELECT COLUMN_NAME, COMMENT FROM D.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'PATHS' ORDER BY 1"
        assert run(warehouse, columns) == [("AT", None), ("NO", "whose")]
