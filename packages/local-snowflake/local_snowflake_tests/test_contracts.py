"""The contract files: what the documentation says, statement by statement, through the real connector."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from snowflake.connector.errors import Error

from local_snowflake.errors import SnowflakeError
from local_snowflake.translate.dialect import parse
from local_snowflake.translate.functions import ALLOWED, OWN
from local_snowflake_tests import contract_file
from local_snowflake_tests.server import Session

FILES = sorted((Path(__file__).parent / "contracts").glob("*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_statement_of_a_contract_answers_as_documented(path: Path, session: Session) -> None:
    differences = []
    for expected in contract_file.read(path):
        where = f"{path.name}:{expected.line}: {expected.sql}"
        try:
            with session.connection.cursor() as cursor:
                rows = [contract_file.shown(row) for row in cursor.execute(expected.sql).fetchall()]
                names = [column.name for column in cursor.description]
        except Error as error:
            got = f"{error.errno:06d}"
            if expected.error is None:
                differences.append(f"{where}\n  failed: {error}")
            elif got != expected.error or (expected.message or "") not in str(error):
                differences.append(f"{where}\n  expected error {expected.error} {expected.message or ''}, got {error}")
            continue
        if expected.error is not None:
            differences.append(f"{where}\n  expected error {expected.error}, got {rows}")
        if expected.columns is not None and names != expected.columns:
            differences.append(f"{where}\n  expected columns {expected.columns}, got {names}")
        if expected.rows is not None and rows != expected.rows:
            differences.append(f"{where}\n  expected {expected.rows}\n  got      {rows}")
    assert not differences, "\n".join(differences)


def test_every_function_that_is_allowed_is_in_a_contract() -> None:
    text, used = "", set()
    for path in FILES:
        for statement in contract_file.read(path):
            if statement.error is None and statement.rows is not None:
                text += statement.sql.upper()
                with contextlib.suppress(SnowflakeError):
                    used.update(type(node) for node in parse(statement.sql).walk())
    assert [name for name in OWN if f"{name}(" not in text] == []
    assert sorted(kind.__name__ for kind in ALLOWED - used) == []
