"""FLATTEN of large documents in little memory; its answers are in contracts/variant.sql."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_snowflake.statements.execution import execute
from local_snowflake.syntax.statement import Statement
from local_snowflake.warehouse import Warehouse
from local_snowflake_tests.server import Server, Session

LINES = 5_000
QUERIES = {
    "of a column": "SELECT COUNT(F.VALUE:line_no), COUNT(DISTINCT F.VALUE:line_no) FROM T, LATERAL FLATTEN(V:lines) F",
    "of a subquery": """
        SELECT COUNT(F.VALUE:line_no), COUNT(DISTINCT F.INDEX)
        FROM (SELECT PARSE_JSON(V::VARCHAR) AS P FROM T) S, LATERAL FLATTEN(INPUT => S.P:lines) F""",
    "of a CTE that is read twice": """
        WITH CARTS AS (SELECT ID, V AS PAYLOAD, V:lines AS LINES FROM T),
        L AS (SELECT C.ID, L.VALUE:line_no::VARCHAR AS N FROM CARTS C, LATERAL FLATTEN(INPUT => C.LINES) L),
        O AS (SELECT ID, COUNT(*) AS A, COUNT(DISTINCT N) AS B FROM L GROUP BY ID)
        SELECT O.A, O.B FROM CARTS C LEFT JOIN O ON O.ID = C.ID WHERE C.PAYLOAD:lines IS NOT NULL""",
    "of a CTE, of arrays only, with rows for empty ones": """
        WITH CARTS AS (SELECT ID, V:lines AS LINES FROM T),
        L AS (SELECT C.ID, L.INDEX AS N
              FROM CARTS C JOIN LATERAL FLATTEN(INPUT => C.LINES, OUTER => TRUE, MODE => 'ARRAY') L)
        SELECT COUNT(*), COUNT(DISTINCT L.N) FROM CARTS C JOIN L ON L.ID = C.ID""",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A server with a fifth of what elements times documents would take, and an order of 500 kB."""
    server = Server(tmp_path_factory.mktemp("small") / "warehouse", "--memory-limit", "500MB")
    server.start()
    session = server.session(database="LOCAL")
    lines = [{"line_no": number, "product_id": "P00001", "note": "x" * 60} for number in range(LINES)]
    session.run("CREATE TABLE T (ID NUMBER, V VARIANT)")
    session.run("INSERT INTO T SELECT 1, PARSE_JSON(%s)", [json.dumps({"lines": lines})])
    yield session
    session.close()
    server.stop()


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_an_order_of_thousands_of_lines_takes_memory_for_itself_not_for_each_line(small: Session, query: str) -> None:
    assert small.run(query) == [(LINES, LINES)]


def test_an_array_of_a_hundred_thousand_numbers_is_flattened(small: Session) -> None:
    small.run("CREATE OR REPLACE TABLE Z AS SELECT PARSE_JSON('[' || REPEAT('0, ', 99999) || '0]') AS V")
    query = """
        WITH C AS (SELECT V FROM Z), L AS (SELECT F.INDEX AS N, F.VALUE FROM C, LATERAL FLATTEN(INPUT => C.V) F)
        SELECT COUNT(*), MAX(L.N), SUM(L.VALUE::NUMBER) FROM L JOIN C ON C.V IS NOT NULL"""
    assert small.run(query) == [(100_000, 99_999, 0)]


@pytest.mark.parametrize(
    ("query", "numbered"),
    [
        ("SELECT F.VALUE FROM T, LATERAL FLATTEN(INPUT => T.V) F", False),
        ("SELECT F.VALUE FROM T, TABLE(FLATTEN(T.V)) F", False),
        ("SELECT F.SEQ FROM T, LATERAL FLATTEN(INPUT => T.V) F", True),
        ("SELECT COUNT(*) FROM T, LATERAL FLATTEN(INPUT => T.V) F GROUP BY SEQ", True),
        ("SELECT F.* FROM T, LATERAL FLATTEN(INPUT => T.V) F", True),
        ("SELECT * FROM T, LATERAL FLATTEN(INPUT => T.V) F", True),
        ("SELECT A FROM T, LATERAL FLATTEN(INPUT => T.V) AS F (A, B, C, D, E, G)", True),
    ],
)
def test_inputs_are_numbered_only_where_seq_is_wanted(tmp_path: Path, query: str, numbered: bool) -> None:
    warehouse = Warehouse(tmp_path, memory_limit="500MB", threads=1, account="a", user="u")
    opened = warehouse.connect()
    for sql in ("CREATE DATABASE D", "CREATE TABLE T (V VARIANT)", query):
        execute(opened, Statement(sql)).drain()
    plan = warehouse.engine.plans.get((query, "D", "PUBLIC", ()), warehouse.engine.version)
    assert plan is not None
    assert ("UUID" in str(plan.steps[0].text.parts)) is numbered
    opened.close()
    warehouse.close()
