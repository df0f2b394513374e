"""Every statement of sql/ is one that Snowflake's documentation shows, as far as this can be told without an account.

The local warehouse reads statements with sqlglot and with a reader of its own. Here a third parser reads them, sqlfluff
with its Snowflake dialect, and what stands in places with rules of their own is compared with the documented lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from sqlfluff.core import FluffConfig, Linter

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.warehouse.commit import COPY
from dropship_dagster.warehouse.scripts import read_scripts, variables_of

ENDPOINT = WarehouseEndpoint("account", "SHOP", "SHOP_WH", None, {})
FILES: dict[str, list[str]] = {}
for script in read_scripts():
    for file, _, sql in script.located(variables_of(ENDPOINT)):
        FILES.setdefault(file, []).append(sql)
STATEMENTS = [sql for statements in FILES.values() for sql in statements]
PIPES = (PROJECT_ROOT / "deploy/kafka-connect/raw_pipes.sql").read_text()

_IN_COPY = """
ARRAY_CONSTRUCT ARRAY_SIZE ASCII CEIL CHECK_JSON CHECK_XML CHR CHAR CONCAT CONVERT_TIMEZONE ENDSWITH EQUAL_NULL
FLOOR GET GET_PATH HEX_DECODE_STRING HEX_ENCODE IFF IFNULL IS_ARRAY IS_BOOLEAN IS_DECIMAL IS_INTEGER IS_NULL_VALUE
IS_OBJECT IS_TIME LENGTH LEN LPAD LTRIM MD5 MD5_HEX NULLIF NVL NVL2 OBJECT_CONSTRUCT PARSE_IP PARSE_JSON PARSE_URL
PARSE_XML RANDOM REGEXP_REPLACE REGEXP_SUBSTR REPLACE REVERSE RPAD RTRIM SPLIT SPLIT_PART STARTSWITH SUBSTR
SUBSTRING TO_ARRAY TO_BINARY TO_BOOLEAN TO_CHAR TO_VARCHAR TO_DATE DATE TO_DECIMAL TO_NUMBER TO_NUMERIC TO_DOUBLE
TO_OBJECT TO_TIME TIME TO_TIMESTAMP TO_TIMESTAMP_LTZ TO_TIMESTAMP_NTZ TO_TIMESTAMP_TZ TO_VARIANT TRIM TRY_CAST
TRY_HEX_DECODE_STRING TRY_TO_BINARY TRY_TO_BOOLEAN TRY_TO_DATE TRY_TO_DECIMAL TRY_TO_NUMBER TRY_TO_NUMERIC
TRY_TO_DOUBLE TRY_TO_TIME TRY_TO_TIMESTAMP TRY_TO_TIMESTAMP_LTZ TRY_TO_TIMESTAMP_NTZ TRY_TO_TIMESTAMP_TZ UNICODE
UUID_STRING XMLGET
"""
IN_COPY = frozenset(_IN_COPY.split())
"""docs.snowflake.com/en/user-guide/data-load-transform, supported functions."""

IN_WHEN = frozenset({"SYSTEM$STREAM_HAS_DATA", "SYSTEM$GET_PREDECESSOR_RETURN_VALUE", "SYSTEM$GET_TASK_GRAPH_CONFIG"})
"""docs.snowflake.com/en/sql-reference/sql/create-task, WHEN. Operators are AND, OR, NOT and comparisons."""

_ANYWHERE = """
ANY_VALUE AVG COALESCE CONTAINS COUNT COUNT_IF DATEADD DATEDIFF DATE_TRUNC FIRST_VALUE FLATTEN FLOOR GREATEST IFF
LEAD LEFT LENGTH LPAD MAX MAX_BY MEDIAN MIN MIN_BY MOD NULLIF NVL REGEXP_LIKE REPLACE ROUND ROW_NUMBER STARTSWITH
SUM SYSDATE TO_DATE TO_VARCHAR TRY_TO_DECIMAL TRY_TO_NUMBER TRY_TO_TIMESTAMP_NTZ TYPEOF UPPER
"""
ANYWHERE = frozenset(_ANYWHERE.split())
"""docs.snowflake.com/en/sql-reference/functions-all: those of them that tasks and views use."""

TYPES = frozenset({"NUMBER", "TIMESTAMP_NTZ", "VARCHAR", "BINARY", "VARIANT"})
_KEYWORDS = """
AND AS BY DISTINCT FROM IN INSERT INTO KEY NOT ON OR OVER VALUES WHEN WHERE SELECT JOIN USING UNION ALL TABLE LATERAL
THEN ELSE
"""
KEYWORDS = frozenset(_KEYWORDS.split())


def called(text: str) -> set[str]:
    """The functions that a text calls: names before a parenthesis that are no types, keywords or lists of columns."""
    text = re.sub(r"--[^\n]*|'(?:[^']|'')*'|(?:INTO|TABLE|VIEW) [\w.]+ \(", " ", text)
    text = re.sub(r"\b\w+ AS \(", " ", text)  # a common table expression
    return set(re.findall(r"([A-Z][\w$]*)\s*\(", text)) - TYPES - KEYWORDS


def unparsed(statements: Iterable[str]) -> list[str]:
    """What sqlfluff's Snowflake dialect cannot read, with the statement's first line."""
    linter = Linter(config=FluffConfig(overrides={"dialect": "snowflake", "templater": "raw"}))
    return [
        f"{statement.splitlines()[0]}: line {violation.line_no}, {violation.desc()}"
        for statement in statements
        for violation in linter.parse_string(f"{statement};\n").violations
    ]


@pytest.mark.parametrize("file", FILES)
def test_a_second_parser_reads_every_statement_as_snowflakes(file: str) -> None:
    assert unparsed(FILES[file]) == []


def test_the_second_parser_refuses_what_is_not_snowflakes() -> None:
    broken = ["CREATE TASK T SCHEDULE '1 MINUTE' AS SELECT 1", "CREATE TABLE T (A NUMBER(10, 0) NOT NULL COMENT 'x')"]
    assert len(unparsed(broken)) == 2


@pytest.mark.parametrize(
    "select",
    [COPY, *re.findall(r"COPY INTO.*?\n\);", PIPES, re.DOTALL)],
    ids=["loader", "pipe1", "pipe2", "pipe3"],
)
def test_copy_calls_only_the_functions_that_are_documented_for_it(select: str) -> None:
    used = called(select[select.index("SELECT") : select.rindex("FROM")])
    assert {"TO_BINARY", "CHECK_JSON"} <= used
    assert used <= IN_COPY
    # "Filtering the results of a FROM clause ... is not supported"
    assert not re.search(r"\b(WHERE|ORDER BY|LIMIT|DISTINCT|JOIN|GROUP BY)\b", select)


def test_a_tasks_condition_calls_only_the_functions_that_are_documented_for_it() -> None:
    conditions = [
        found for sql in STATEMENTS for found in re.findall(r"^ALTER TASK \S+ MODIFY WHEN (.*)", sql, re.DOTALL)
    ]
    assert len(conditions) == 1
    assert called(conditions[0]) <= IN_WHEN
    rest = re.sub(r"SYSTEM\$\w+\('[^']*'\)", "", conditions[0])
    assert set(rest.split()) == {"OR"}


@pytest.mark.parametrize("file", [name for name in FILES if name.startswith(("03", "04", "05"))])
def test_tasks_and_views_call_only_functions_that_are_documented(file: str) -> None:
    made = [sql for sql in FILES[file] if re.match(r"CREATE OR REPLACE (TASK|VIEW)", sql)]
    bodies = [re.split(r"\bAS\b", sql, maxsplit=1)[1] for sql in made]
    assert set().union(*map(called, bodies)) <= ANYWHERE


def test_a_multi_table_insert_names_columns_and_reads_a_select() -> None:
    """VALUES ( { <source_col_name> | DEFAULT | NULL } [, ...] ): .../sql-reference/sql/insert-multi-table."""
    inserts = [sql for sql in STATEMENTS if "\nINSERT FIRST" in sql]
    assert len(inserts) == 3
    for sql in inserts:
        values = re.findall(r"VALUES \(([^)]*)\)", sql.split("\nSELECT * FROM (")[0])
        assert len(values) == 3
        assert all(re.fullmatch(r"\s*[A-Z_]+(,\s*[A-Z_]+)*\s*", listed) for listed in values)
        after = sql[sql.rindex("VALUES (" + values[-1]) :].split(")", 1)[1]
        assert after.lstrip().startswith("SELECT")
