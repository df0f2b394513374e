"""TIMESTAMP_TZ through the connector: what goes in and comes out as Python has it."""

from __future__ import annotations

import datetime as dt

import pytest

from local_snowflake_tests.server import Server

_INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))
_MOMENTS = [
    dt.datetime(2024, 7, 1, 12, 30, 0, 123456, tzinfo=_INDIA),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.timezone(dt.timedelta(hours=-9))),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
]


@pytest.mark.parametrize("many", [False, True])
def test_aware_datetimes_come_back_with_their_offset(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch, *, many: bool
) -> None:
    monkeypatch.setattr("snowflake.connector.paramstyle", "qmark")
    session = server.session(database=database)
    session.run("CREATE TABLE T (ID NUMBER, AT TIMESTAMP_TZ)")
    rows = [(number, ("TIMESTAMP_TZ", moment)) for number, moment in enumerate(_MOMENTS)]
    with session.connection.cursor() as cursor:
        if many:
            cursor.executemany("INSERT INTO T VALUES (?, ?)", rows)
        else:
            for row in rows:
                cursor.execute("INSERT INTO T VALUES (?, ?)", row)
    found = [row[0] for row in session.run("SELECT AT FROM T ORDER BY ID")]
    assert found == _MOMENTS
    assert [moment.utcoffset() for moment in found] == [moment.utcoffset() for moment in _MOMENTS]
    assert session.run("SELECT ID FROM T WHERE AT = ?", [("TIMESTAMP_TZ", _MOMENTS[0].astimezone(dt.UTC))]) == [(0,)]
    session.close()


def test_a_frame_of_a_result_has_the_instants(server: Server) -> None:
    with server.session().connection.cursor() as cursor:
        cursor.execute("SELECT '2024-07-01 12:30:00.5 +0530'::TIMESTAMP_TZ AS AT UNION ALL SELECT NULL")
        frame = cursor.fetch_pandas_all()
    assert frame["AT"][0].to_pydatetime().astimezone(dt.UTC) == dt.datetime(2024, 7, 1, 7, 0, 0, 500000, tzinfo=dt.UTC)
    assert frame["AT"].isna().tolist() == [False, True]
