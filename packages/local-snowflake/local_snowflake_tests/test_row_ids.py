"""METADATA$ROW_ID: one id for a change from read to read, for both halves of an update, and for no other row."""

from __future__ import annotations

from local_snowflake_tests.server import Session

_READ = "SELECT METADATA$ROW_ID, ID, METADATA$ACTION FROM {} ORDER BY ID, METADATA$ACTION"


def _ids(session: Session, stream: str = "NET") -> dict[tuple[int, str], str]:
    rows = session.run(_READ.format(stream))
    return {(number, action): row_id for row_id, number, action in rows}


def test_row_ids_stay_over_reads_and_join_the_halves_of_an_update(session: Session) -> None:
    session.run("CREATE TABLE T (ID NUMBER, V VARCHAR)")
    session.run("INSERT INTO T VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    session.run("CREATE STREAM NET ON TABLE T")
    session.run("CREATE STREAM ADDED ON TABLE T APPEND_ONLY = TRUE")
    session.run("INSERT INTO T VALUES (4, 'd'), (5, 'e')")
    added, appended = _ids(session), _ids(session, "ADDED")

    session.run("UPDATE T SET V = V || '!' WHERE ID IN (1, 4)")
    session.run("DELETE FROM T WHERE ID = 2")
    changed = _ids(session)
    assert changed[1, "DELETE"] == changed[1, "INSERT"]
    assert changed[4, "INSERT"] == added[4, "INSERT"]
    assert changed[5, "INSERT"] == added[5, "INSERT"]
    assert len(set(changed.values())) == len(changed) - 1 == 4

    session.run("BEGIN")
    session.run("MERGE INTO T USING (SELECT 1 AS ID) S ON T.ID = S.ID WHEN MATCHED THEN UPDATE SET V = 'merged'")
    session.run("ROLLBACK")
    session.run("UPDATE T SET V = 'again' WHERE ID = 1")
    session.run("INSERT INTO T VALUES (6, 'f')")
    later = _ids(session)
    assert {key: later[key] for key in changed} == changed
    assert {key: _ids(session, "ADDED")[key] for key in appended} == appended
