"""PUT, LIST, REMOVE and COPY INTO."""

from __future__ import annotations

import datetime as dt
import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_snowflake_tests.server import Server, Session, eventually


def parquet(path: Path, rows: int = 3) -> Path:
    pq.write_table(
        pa.table({
            "ID": pa.array(range(rows), pa.int64()),
            "KEY": pa.array([b"\xff%d" % n for n in range(rows)], pa.binary()),
            "TEXT": [f'{{"n": {n}}}' for n in range(rows)],
            "TS": pa.array([1_700_000_000_123 + n for n in range(rows)], pa.int64()),
        }),
        path,
    )  # fmt: skip
    return path


@pytest.fixture
def stage(session: Session) -> Session:
    session.run("CREATE STAGE ST FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE)")
    session.run(
        "CREATE TABLE T (ID NUMBER(19,0), KEY BINARY, BODY VARIANT, TS TIMESTAMP_NTZ(3), FILE VARCHAR, N NUMBER)"
    )
    return session


SELECT = (
    "COPY INTO T FROM (SELECT $1:ID::NUMBER(19,0), $1:KEY::BINARY, TRY_PARSE_JSON($1:TEXT::VARCHAR), "
    "TO_TIMESTAMP_NTZ($1:TS::NUMBER, 3), METADATA$FILENAME, METADATA$FILE_ROW_NUMBER FROM @ST/in/a.parquet)"
)


def put(session: Session, file: Path, target: str) -> None:
    session.run(f"PUT file://{file} {target} AUTO_COMPRESS = FALSE OVERWRITE = TRUE")


def test_a_select_over_a_staged_file_is_loaded(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    assert stage.run("LIST @ST")[0][0] == "st/in/a.parquet"
    loaded = stage.run(SELECT)
    assert loaded[0][:4] == ("st/in/a.parquet", "LOADED", 3, 3)
    moment = dt.datetime.fromisoformat("2023-11-14T22:13:20.124")
    rows = stage.run("SELECT ID, BODY, TS, FILE, N FROM T WHERE KEY = TO_BINARY('FF31')")
    assert rows == [(1, '{"n":1}', moment, "in/a.parquet", 2)]
    assert stage.value("SELECT BODY:n::NUMBER FROM T WHERE ID = 2") == 2


def test_a_file_is_loaded_once_unless_forced_or_changed(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    stage.run(SELECT)
    assert stage.run(SELECT) == [("Copy executed with 0 files processed.",)]
    stage.run(f"{SELECT} FORCE = TRUE")
    put(stage, parquet(tmp_path / "a.parquet", 5), "@ST/in")
    stage.run(SELECT)
    assert stage.value("SELECT COUNT(*) FROM T") == 3 + 3 + 5


def test_a_truncated_table_loads_its_files_again(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    stage.run(SELECT)
    stage.run("BEGIN")
    stage.run("TRUNCATE TABLE T")
    stage.run("ROLLBACK")
    assert "0 files processed" in stage.run(SELECT)[0][0]
    stage.run("TRUNCATE TABLE T")
    assert stage.run(SELECT)[0][1] == "LOADED"
    assert stage.value("SELECT COUNT(*) FROM T") == 3


def test_a_rolled_back_load_is_forgotten(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    stage.run("BEGIN")
    stage.run(SELECT)
    stage.run("ROLLBACK")
    assert stage.value("SELECT COUNT(*) FROM T") == 0
    assert stage.run(SELECT)[0][3] == 3


def test_a_load_that_fails_leaves_nothing(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    stage.run("CREATE TABLE SMALL (ID NUMBER(1,0), D DATE)")
    assert stage.fails("COPY INTO SMALL FROM (SELECT $1:ID, $1:TEXT FROM @ST/in)").errno == 100040
    assert stage.value("SELECT COUNT(*) FROM SMALL") == 0


def test_columns_are_matched_by_name(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    stage.run("CREATE TABLE NAMED (TS NUMBER, ID NUMBER, OTHER VARCHAR)")
    stage.run("COPY INTO NAMED FROM @ST/in MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")
    assert stage.run("SELECT ID, TS, OTHER FROM NAMED ORDER BY ID LIMIT 1") == [(0, 1_700_000_000_123, None)]
    assert stage.fails("COPY INTO NAMED FROM @ST/in FORCE = TRUE").errno == 2023


@pytest.mark.parametrize(
    ("option", "texts", "binaries"),
    [
        ("", [None, "-", ""], [None, "2D", ""]),
        ("NULL_IF = ()", ["\\N", "-", ""], ["5C4E", "2D", ""]),
        ("NULL_IF = ('-', '')", ["\\N", None, None], ["5C4E", None, None]),
        ("NULL_IF = '-' BINARY_AS_TEXT = FALSE", ["\\N", None, ""], ["5C4E", "2D", ""]),
    ],
)
def test_texts_that_mean_null_are_null(
    session: Session, tmp_path: Path, option: str, texts: list[str | None], binaries: list[str | None]
) -> None:
    values = ["\\N", "-", ""]
    table = pa.table(
        {"TEXT": values, "BYTES": pa.array([value.encode() for value in values], pa.binary()), "N": [1, 2, 3]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    session.run("CREATE STAGE NS")
    put(session, tmp_path / "a.parquet", "@NS")
    session.run("CREATE TABLE T (TEXT VARCHAR, BYTES VARCHAR, N NUMBER)")
    as_hex = "HEX_ENCODE($1:BYTES)" if "FALSE" not in option else "$1:BYTES::BINARY::VARCHAR"
    session.run(
        f"COPY INTO T FROM (SELECT $1:TEXT::VARCHAR, {as_hex}, $1:N::NUMBER FROM @NS) "
        f"FILE_FORMAT = (TYPE = PARQUET {option})"
    )
    assert session.run("SELECT TEXT, BYTES FROM T ORDER BY N") == list(zip(texts, binaries, strict=True))


def test_csv_files_are_loaded_by_position(session: Session, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('id;name;at\n1;"a;b";2024-01-02\n2;\\N;\n')
    session.run(
        "CREATE FILE FORMAT F TYPE = CSV FIELD_DELIMITER = ';' SKIP_HEADER = 1 FIELD_OPTIONALLY_ENCLOSED_BY = '\"' "
        "NULL_IF = ('\\\\N')"
    )
    session.run("CREATE STAGE CS FILE_FORMAT = (FORMAT_NAME = 'F')")
    session.run("CREATE TABLE T (ID NUMBER, NAME VARCHAR, AT DATE)")
    session.run(f"PUT file://{file} @CS")
    assert session.run("LIST @CS")[0][0] == "cs/a.csv.gz"
    session.run("COPY INTO T FROM @CS")
    assert session.run("SELECT * FROM T ORDER BY ID") == [(1, "a;b", dt.date(2024, 1, 2)), (2, None, None)]


@pytest.mark.parametrize("quote", ["", "'"])
def test_several_files_are_put_by_a_pattern(stage: Session, tmp_path: Path, quote: str) -> None:
    for name in ("a.parquet", "b.parquet", "c.csv"):
        parquet(tmp_path / name)
    stage.run(f"PUT {quote}file://{tmp_path}/*.parquet{quote} @ST/in AUTO_COMPRESS = FALSE")
    assert [name for name, *_ in stage.run("LIST @ST")] == ["st/in/a.parquet", "st/in/b.parquet"]
    assert stage.fails(f"PUT 'file://{tmp_path}/* @ST").errno == 1003


def test_files_come_from_memory_too(stage: Session, tmp_path: Path) -> None:
    content = io.BytesIO(parquet(tmp_path / "a.parquet").read_bytes())
    with stage.connection.cursor() as cursor:
        cursor.execute("PUT file://a.parquet @ST/in AUTO_COMPRESS = FALSE OVERWRITE = TRUE", file_stream=content)
    assert stage.run(SELECT)[0][3] == 3
    assert stage.run("REMOVE @ST/in/a.parquet") == [("st/in/a.parquet", "removed")]
    assert stage.run("LIST @ST") == []


def test_files_removed_while_a_stage_is_listed_are_left_out(
    stage: Session, server: Server, database: str, tmp_path: Path
) -> None:
    for number in range(40):
        (tmp_path / f"{number}.bin").write_bytes(bytes(2 << 20))
    other = server.session(database=database)

    def listed_in_part() -> bool:
        stage.run(f"PUT 'file://{tmp_path}/*.bin' @ST/in AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
        with ThreadPoolExecutor(1) as thread:
            listing = thread.submit(stage.run, "LIST @ST/in")
            time.sleep(0.02)
            other.run("REMOVE @ST/in")
            return 0 < len(listing.result()) < 40

    eventually(listed_in_part, "a listing during which files are removed")
    other.close()


@pytest.mark.parametrize("location", ["@ST/../x", "@ST/a/../../x", "@ST/a/.."])
def test_a_path_out_of_the_stage_is_refused(stage: Session, tmp_path: Path, location: str) -> None:
    file = parquet(tmp_path / "a.parquet")
    assert stage.fails(f"PUT file://{file} {location}").errno == 1008
    assert stage.fails(f"COPY INTO T FROM {location}").errno == 1008


def test_a_symbolic_link_in_a_stage_is_no_file_of_it(stage: Session, server: Server, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    staged = next((server.folder / "stages").rglob("a.parquet"))
    (staged.parent / "link.parquet").symlink_to("/etc/passwd")
    assert [row[0] for row in stage.run("LIST @ST")] == ["st/in/a.parquet"]


def test_what_copy_does_not_do_is_refused(stage: Session, tmp_path: Path) -> None:
    put(stage, parquet(tmp_path / "a.parquet"), "@ST/in")
    for option in ("ON_ERROR = CONTINUE", "VALIDATION_MODE = RETURN_ERRORS", "FILE_FORMAT = (TYPE = AVRO)"):
        assert stage.fails(f"COPY INTO T (ID) FROM (SELECT $1:ID FROM @ST/in) {option}").errno == 2
    assert stage.fails("COPY INTO @ST/out FROM T").errno == 2
    assert stage.fails("COPY INTO T (ID) FROM (SELECT $1:ID FROM @ST/in) FILES = ('missing.parquet')").errno == 100016
