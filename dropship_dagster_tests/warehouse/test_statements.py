"""The statement splitter."""

from __future__ import annotations

import pytest

from dropship_dagster.warehouse.statements import split_statements


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("", []),
        (" ; ;\n-- nothing\n;", []),
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        (
            "SELECT ';' AS \"a;b\"; SELECT 'it''s; so', 'a\\';b'",
            ["SELECT ';' AS \"a;b\"", "SELECT 'it''s; so', 'a\\';b'"],
        ),
        (
            "-- one; two\nSELECT 1 -- three; four\n; // five;\n/* six; */ SELECT 2",
            ["SELECT 1 -- three; four", "SELECT 2"],
        ),
        ("SELECT $$a; b$$; SELECT 2", ["SELECT $$a; b$$", "SELECT 2"]),
        ("BEGIN; SELECT 1; COMMIT;", ["BEGIN", "SELECT 1", "COMMIT"]),
        ("BEGIN TRANSACTION; SELECT 1; COMMIT", ["BEGIN TRANSACTION", "SELECT 1", "COMMIT"]),
        (
            "CREATE TASK t AS BEGIN INSERT INTO a SELECT 1; DELETE FROM b; END; SELECT 2",
            ["CREATE TASK t AS BEGIN INSERT INTO a SELECT 1; DELETE FROM b; END", "SELECT 2"],
        ),
        ("SELECT CASE WHEN a THEN 1 END; SELECT 2", ["SELECT CASE WHEN a THEN 1 END", "SELECT 2"]),
        (
            "BEGIN IF (a) THEN SELECT CASE b WHEN 1 THEN 2 END; END IF; FOR i IN c DO NULL; END FOR; END; SELECT 3",
            ["BEGIN IF (a) THEN SELECT CASE b WHEN 1 THEN 2 END; END IF; FOR i IN c DO NULL; END FOR; END", "SELECT 3"],
        ),
        (
            "BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE; END; SELECT 3",
            ["BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE SELECT 2; END CASE; END", "SELECT 3"],
        ),
        (
            "BEGIN SELECT 1; BEGIN SELECT 2; END; END; SELECT 3",
            ["BEGIN SELECT 1; BEGIN SELECT 2; END; END", "SELECT 3"],
        ),
    ],
)
def test_a_file_is_cut_at_the_semicolons_that_end_statements(sql: str, statements: list[str]) -> None:
    assert split_statements(sql) == statements
