"""Every function and place with every type: an answer, or an error in Snowflake's words, never one of DuckDB's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_snowflake.errors import Code, SnowflakeError
from local_snowflake.session.session import Session
from local_snowflake.statements.execution import execute
from local_snowflake.syntax.statement import Statement
from local_snowflake.translate.functions import ALLOWED, OWN
from local_snowflake.warehouse import Warehouse

TYPES = {
    "S": "VARCHAR", "I": "NUMBER(38,0)", "N": "NUMBER(9,2)", "F": "FLOAT", "B": "BOOLEAN", "D": "DATE", "T": "TIME",
    "AT": "TIMESTAMP_NTZ", "L": "TIMESTAMP_LTZ", "Z": "TIMESTAMP_TZ", "X": "BINARY", "V": "VARIANT",
}  # fmt: skip
ROW = (
    "'2', 5, 1.25, 1.5, TRUE, '2024-01-01', '10:00:00', '2024-01-01 10:00:00', '2024-01-01 10:00:00', "
    "'2024-01-01 10:00:00 +0200', TO_BINARY('FF'), PARSE_JSON('[1, {\"a\": 2}]')"
)
FOREIGN = re.compile(
    r"Binder|Parser|Conversion Error|Catalog Error|Invalid Input|Error: |DuckDB|duckdb|sf_|STRUCT\(|\[\]\("
)
"""What only DuckDB, or the server's own code, would say."""

WINDOWS = {"ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD", "FIRST_VALUE",
           "LAST_VALUE", "NTH_VALUE"}  # fmt: skip


def names() -> list[str]:
    """The names of all functions that may be called."""
    known = {name for kind in ALLOWED for name in getattr(kind, "sql_names", list)()}
    return sorted(
        {*OWN, *known, "IFF", "NVL", "ZEROIFNULL", "SUBSTR", "LPAD", "LISTAGG", "MAX_BY", "DIV0"} - {"CASE", "CAST"}
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    warehouse = Warehouse(
        Path(tmp_path_factory.mktemp("types")), memory_limit="500MB", threads=1, account="a", user="u"
    )
    session = warehouse.connect()
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    for sql in ("CREATE DATABASE M", f"CREATE TABLE M ({columns})", f"INSERT INTO M SELECT {ROW}"):
        execute(session, Statement(sql)).drain()
    yield session
    session.close()
    warehouse.close()


def foreign(session: Session, sql: str) -> str | None:
    """What is wrong with the error that a statement ends with; None when nothing is."""
    try:
        execute(session, Statement(sql)).drain()
    except SnowflakeError as error:
        if error.code is Code.UNKNOWN or FOREIGN.search(error.message):
            return f"{sql}: {error.code} {error.message}"
    return None


def calls(name: str) -> Iterator[str]:
    """Calls of a function with one, two or three arguments of each type."""
    over = " OVER (ORDER BY I)" if name in WINDOWS else ""
    for index, column in enumerate(TYPES):
        more = (f"{column}, {column}", f"{column}, 'a'", f"{column}, 1, 'a'")[(index + len(name)) % 3]
        yield f"SELECT {name}({column}){over} FROM M"
        yield f"SELECT {name}({more}){over} FROM M"


@pytest.mark.parametrize("part", range(8))
def test_a_function_of_any_type_speaks_as_snowflake_does(opened: Session, part: int) -> None:
    wrong = [foreign(opened, sql) for name in names()[part::8] for sql in calls(name)]
    assert [each for each in wrong if each] == []


PLACES = (
    "SELECT {a} = {b} FROM M", "SELECT {a} < {b} FROM M", "SELECT {a} IN ({b}, {b}) FROM M",
    "SELECT {a} BETWEEN {b} AND {b} FROM M", "SELECT CASE {a} WHEN {b} THEN 1 END FROM M",
    "SELECT CASE WHEN B THEN {a} ELSE {b} END FROM M", "SELECT COALESCE({a}, {b}) FROM M",
    "SELECT DECODE({a}, {b}, 1) FROM M", "SELECT {a} FROM M UNION ALL SELECT {b} FROM M",
    "SELECT {a} FROM M EXCEPT SELECT {b} FROM M", "SELECT I FROM M WHERE {a} IN (SELECT {b} FROM M)",
    "SELECT M.I FROM M JOIN M O ON M.{a} = O.{b}",
    "SELECT COUNT(*) FROM (SELECT {a} AS K FROM M) JOIN (SELECT {b} AS K FROM M) USING (K)",
    "SELECT {a} + {b} FROM M", "SELECT {a} - {b} FROM M", "SELECT {a} * {b} FROM M", "SELECT {a} / {b} FROM M",
    "SELECT {a} % {b} FROM M", "SELECT {a} || {b} FROM M", "SELECT {a} LIKE {b} FROM M",
    "SELECT GREATEST({a}, {b}), NULLIF({a}, {b}) FROM M", "INSERT INTO M ({a}) SELECT {b} FROM M",
    "UPDATE M SET {a} = {b}",
    "MERGE INTO M USING (SELECT {b} AS K FROM M) Q ON M.{a} = Q.K WHEN MATCHED THEN UPDATE SET {a} = Q.K",
    "SELECT {a}::{kind} FROM M", "SELECT TRY_CAST({a} AS {kind}) FROM M", "SELECT {a} FROM M WHERE {b}",
    "SELECT SUM({a}) OVER (PARTITION BY {b} ORDER BY {b}) FROM M", "SELECT MAX({a}) FROM M GROUP BY {b}",
    "SELECT {a} AND {b} FROM M", "SELECT {a}[{b}] FROM M", "SELECT DATEADD(day, {b}, {a}) FROM M",
    "SELECT DATEDIFF(day, {a}, {b}) FROM M", "SELECT DATE_TRUNC('day', {a}), LAST_DAY({a}) FROM M",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_two_values_of_any_type_speak_as_snowflake_does(opened: Session, place: str) -> None:
    wrong = []
    for a, b in itertools.product(TYPES, TYPES):
        execute(opened, Statement("BEGIN")).drain()
        wrong.append(foreign(opened, place.format(a=a, b=b, kind=TYPES[b])))
        execute(opened, Statement("ROLLBACK")).drain()
    assert [each for each in wrong if each] == []
