"""The clients the platform uses, unchanged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy
from snowflake.connector.pandas_tools import write_pandas
from snowflake.sqlalchemy import URL

from local_snowflake.protocol import rowset
from local_snowflake_tests.server import Server, Session


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ID": [1, 2],
            "NAME": ["a", None],
            "PRICE": [1.5, 2.25],
            "AT": pd.to_datetime(["2024-01-01", "2024-01-02"]),
        }
    )


def test_write_pandas_makes_and_fills_a_table(session: Session, frame: pd.DataFrame) -> None:
    frame["AT"] = frame["AT"].dt.strftime("%Y-%m-%d")
    success, chunks, rows, _ = write_pandas(session.connection, frame, "MADE", auto_create_table=True)
    assert (success, chunks, rows) == (True, 1, 2)
    assert session.run("SELECT ID, NAME, PRICE FROM MADE ORDER BY ID") == [(1, "a", 1.5), (2, None, 2.25)]
    write_pandas(session.connection, frame, "MADE")
    assert session.value("SELECT COUNT(*) FROM MADE") == 4
    write_pandas(session.connection, frame, "MADE", auto_create_table=True, overwrite=True)
    assert session.value("SELECT COUNT(*) FROM MADE") == 2


def test_results_come_as_pandas_and_arrow(session: Session) -> None:
    with session.connection.cursor() as cursor:
        cursor.execute(
            "SELECT column1 AS A, column2 AS B, column3::TIMESTAMP_NTZ AS C "
            "FROM VALUES (1, 1.50, '2024-01-01'), (2, NULL, NULL)"
        )
        frame = cursor.fetch_pandas_all()
        assert list(frame.columns) == ["A", "B", "C"]
        assert frame["C"][0] == pd.Timestamp("2024-01-01")
        cursor.execute("SELECT 1 AS A WHERE FALSE")
        assert len(cursor.fetch_pandas_all()) == 0


@pytest.mark.parametrize("style", ["pyformat", "qmark"])
def test_values_of_every_type_are_bound(server: Server, database: str, style: str) -> None:
    session = Session(server.connect(database=database, paramstyle=style))
    session.run(
        "CREATE TABLE T (I NUMBER, D NUMBER(10,2), F FLOAT, S VARCHAR, B BINARY, OK BOOLEAN, DAY DATE, "
        "AT TIMESTAMP_NTZ, N VARCHAR)"
    )
    row = (
        -7, Decimal("12.50"), 1.5, "it's a \\ 'test' ?", b"\x00\xff", True, dt.date(2024, 1, 2),
        dt.datetime.fromisoformat("2024-01-02T03:04:05.678"), None,
    )  # fmt: skip
    marks = ", ".join(["%s" if style == "pyformat" else "?"] * len(row))
    session.run(f"INSERT INTO T VALUES ({marks})", row)
    assert session.run("SELECT * FROM T") == [row]
    with session.connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO T VALUES ({marks})", [row] * 250)
        assert cursor.rowcount == 250
    assert session.value("SELECT COUNT(*) FROM T") == 251
    assert session.run("SELECT DISTINCT * FROM T") == [row]
    session.close()


def address(server: Server) -> dict[str, Any]:
    """Where the server is, as the connector's arguments."""
    return {key: server.state[key] for key in ("host", "port", "protocol")}


@pytest.fixture
def engine(server: Server, database: str) -> Iterator[sqlalchemy.Engine]:
    state = server.state
    url = URL(
        user=state["user"], password=state["password"], account=state["account"], database=database, schema="PUBLIC"
    )
    made = sqlalchemy.create_engine(url, connect_args=address(server))
    yield made
    made.dispose()


def test_sqlalchemy_reflects_writes_and_reads(engine: sqlalchemy.Engine, frame: pd.DataFrame) -> None:
    frame.columns = [name.lower() for name in frame.columns]
    frame.to_sql("made", engine, index=False, if_exists="replace")
    frame.to_sql("made", engine, index=False, if_exists="append")
    inspector = sqlalchemy.inspect(engine)
    assert inspector.get_table_names() == ["made"]
    assert [column["name"] for column in inspector.get_columns("made")] == ["id", "name", "price", "at"]
    assert inspector.get_pk_constraint("made")["constrained_columns"] == []
    back = pd.read_sql("SELECT COUNT(*) AS n, SUM(price) AS total FROM made", engine)
    assert (back["n"][0], float(back["total"][0])) == (4, 7.5)


def test_dagsters_snowflake_resource_works(server: Server, database: str) -> None:
    from dagster_snowflake import SnowflakeResource

    state = server.state
    resource = SnowflakeResource(
        account=state["account"], user=state["user"], password=state["password"], database=database, schema="PUBLIC",
        additional_snowflake_connection_args=address(server),
    )  # fmt: skip
    with resource.get_connection() as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT CURRENT_DATABASE()").fetchall() == [(database,)]


def test_great_expectations_validates_a_table(server: Server, session: Session, database: str) -> None:
    import great_expectations as gx

    session.run("CREATE TABLE T (ID NUMBER, NAME VARCHAR, AMOUNT NUMBER(12,2))")
    session.run("INSERT INTO T VALUES (1, 'a', 1.5), (2, 'b', 2.5), (3, NULL, 3.5)")
    state = server.state
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_snowflake(
        "embedded",
        connection_string=(
            f"snowflake://{state['user']}:{state['password']}@{state['account']}/{database}/PUBLIC"
            "?warehouse=W&role=ACCOUNTADMIN"
        ),
        kwargs={"connect_args": address(server)},
    )
    batch = source.add_table_asset("t", table_name="t").add_batch_definition_whole_table("all")
    suite = context.suites.add(gx.ExpectationSuite("suite"))
    for expectation in (
        gx.expectations.ExpectColumnValuesToBeUnique(column="id"),
        gx.expectations.ExpectColumnValuesToNotBeNull(column="name"),
        gx.expectations.ExpectColumnValuesToBeBetween(column="amount", min_value=1, max_value=9),
        gx.expectations.ExpectTableRowCountToEqual(value=3),
        gx.expectations.ExpectColumnMeanToBeBetween(column="amount", min_value=2.5, max_value=2.5),
    ):
        suite.add_expectation(expectation)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=batch, suite=suite))
    results: Any = definition.run()
    assert [result.success for result in results.results] == [True, False, True, True, True], results


EVERY_TYPE = """
    SELECT N AS I, (1.50 * N)::NUMBER(12,2) AS D, 12345678901234567890.5::NUMBER(22,1) AS W, 1.5::FLOAT AS F,
        'x' || N AS S, N = 1 AS B, '1969-12-31'::DATE + N AS DAY, '10:00:00.5'::TIME AS T,
        '1960-01-02 03:04:05.678'::TIMESTAMP_NTZ AS AT,
        '2024-01-02 03:04:05'::TIMESTAMP_NTZ(0) AS S0, '2024-01-02 03:04:05.678'::TIMESTAMP_NTZ(3) AS S3,
        '1960-01-02 03:04:05.25 +0000'::TIMESTAMP_LTZ AS L, '1960-01-02 03:04:05.25 -0330'::TIMESTAMP_TZ AS Z,
        TO_BINARY('FF') AS X, PARSE_JSON('{"a": [1, null]}') AS V, NULL AS NOTHING,
        IFF(N = 1, NULL, 2.5::NUMBER(5,1)) AS E
    FROM (SELECT SEQ4() AS N FROM TABLE(GENERATOR(ROWCOUNT => 3))) ORDER BY 1"""


def test_rows_as_json_are_those_of_arrow(session: Session) -> None:
    as_arrow = session.run(EVERY_TYPE)
    session.run("ALTER SESSION SET QUERY_RESULT_FORMAT = JSON")
    with session.connection.cursor() as cursor:
        assert cursor.execute(EVERY_TYPE).fetchall() == as_arrow
        assert cursor._query_result_format == "json"
        assert cursor.execute("SELECT 1 AS A WHERE FALSE").fetchall() == []
        assert [column.name for column in cursor.description] == ["A"]
    assert len(session.run("SHOW SCHEMAS")) > 0


def test_a_number_of_up_to_18_digits_is_a_float_in_pandas(session: Session) -> None:
    with session.connection.cursor() as cursor:
        frame = cursor.execute(EVERY_TYPE).fetch_pandas_all()
    assert [str(kind) for kind in frame.dtypes[["D", "E", "F"]]] == ["float64"] * 3
    assert frame["D"].tolist() == [0.0, 1.5, 3.0]
    assert frame["E"].isna().tolist() == [False, True, False]
    assert session.run(EVERY_TYPE)[2][1:3] == (Decimal("3.00"), Decimal("12345678901234567890.5"))


def test_the_offset_of_a_timestamp_tz_has_32_bits_on_the_wire(session: Session) -> None:
    kind = pa.struct([("t", pa.timestamp("us")), ("o", pa.int16())])
    column = pa.array([{"t": -315_619_200_000_000, "o": -210}, None], kind)
    sent = rowset._array(column, {"type": "timestamp_tz"})
    assert sent.type.field("timezone").type == pa.int32()
    assert sent.to_pylist() == [{"epoch": -315_619_200, "fraction": 0, "timezone": 1230}, None]


def test_files_are_put_to_a_quoted_stage(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1\n")
    session.run("CREATE STAGE ST1")
    for target in ("'@ST1/a'", "'@\"ST1\"/b'", "@ST1/c"):
        assert session.run(f"PUT 'file://{file}' {target} AUTO_COMPRESS = FALSE")[0][6] == "UPLOADED"
    assert [row[0] for row in session.run("LIST @ST1")] == ["st1/a/a.csv", "st1/b/a.csv", "st1/c/a.csv"]


def test_files_come_back_from_a_stage(session: Session, tmp_path: Path) -> None:
    session.run("CREATE STAGE ST1")
    for name in ("a.csv", "b.csv", "c.txt"):
        (tmp_path / name).write_text(f"{name}\n")
        session.run(f"PUT file://{tmp_path}/{name} @ST1/in AUTO_COMPRESS = FALSE")
    for folder in ("out", "one", "some"):
        (tmp_path / folder).mkdir()
    got = session.run(f"GET @ST1/in file://{tmp_path}/out/")
    assert [(row[0], row[2]) for row in sorted(got)] == [(name, "DOWNLOADED") for name in ("a.csv", "b.csv", "c.txt")]
    assert (tmp_path / "out" / "b.csv").read_text() == "b.csv\n"
    assert [row[0] for row in session.run(f"GET '@ST1/in/c.txt' 'file://{tmp_path}/one'")] == ["c.txt"]
    assert len(session.run(f"GET @ST1 file://{tmp_path}/some/ PATTERN = '.*[.]csv'")) == 2
    assert session.fails(f"GET @NOPE file://{tmp_path}").errno == 2003
