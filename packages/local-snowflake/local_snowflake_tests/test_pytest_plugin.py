"""The fixtures: a database for each test, whatever the test before it did to its connection."""

from __future__ import annotations

from pathlib import Path

from local_service_tests.readme import run_tests

TESTS = """
import pytest

seen = []

@pytest.mark.parametrize("end", ["as it is", "in a transaction", "closed", "elsewhere"])
def test_a_database_of_its_own(local_snowflake, local_snowflake_server, end):
    cursor = local_snowflake.cursor()
    name, schema = cursor.execute("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()").fetchone()
    assert schema == "PUBLIC" and name not in seen
    there = {row[1] for row in cursor.execute("SHOW DATABASES").fetchall()}
    assert name in there and not there & set(seen)
    seen.append(name)
    cursor.execute("CREATE TABLE T (ID NUMBER)")
    if end == "in a transaction":
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO T VALUES (1)")
    elif end == "closed":
        local_snowflake.close()
    elif end == "elsewhere":
        cursor.execute("CREATE DATABASE ANOTHER")

def test_nothing_is_left(local_snowflake_server):
    with local_snowflake_server.connect() as connection:
        there = {row[1] for row in connection.cursor().execute("SHOW DATABASES").fetchall()}
    assert not there & set(seen)
"""


def test_each_test_has_a_database_of_its_own_that_is_gone_after_it(tmp_path: Path) -> None:
    done = run_tests(TESTS, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
