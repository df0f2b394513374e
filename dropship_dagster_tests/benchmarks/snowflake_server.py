"""Figures of the local warehouse, through the connector.

Run as `python -m dropship_dagster_tests.benchmarks.snowflake_server [--rows N]`; prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from local_service_tests.processors import processor_seconds, resident_megabytes
from local_snowflake_tests.server import Server, Session

EVENT = (
    '{"event_id": "%036d", "event_type": "order_paid", "order_id": "O%08d", "version": %d, "note": "' + "x" * 100 + '"}'
)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _events(path: Path, rows: int) -> Path:
    numbers = range(rows)
    pq.write_table(
        pa.table({
            "TOPIC": ["orders_events"] * rows,
            "PARTITION": pa.array([n % 4 for n in numbers], pa.int64()),
            "OFFSET": pa.array(numbers, pa.int64()),
            "KEY": pa.array([b"O%08d" % n for n in numbers], pa.binary()),
            "TEXT": [EVENT % (n, n, n % 5) for n in numbers],
            "AT": pa.array([1_700_000_000_000 + n for n in numbers], pa.int64()),
        }),
        path,
    )  # fmt: skip
    return path


COPY = (
    "COPY INTO {table} FROM (SELECT $1:TOPIC::VARCHAR, $1:PARTITION::NUMBER(10,0), $1:OFFSET::NUMBER(19,0), "
    "$1:KEY::BINARY, TRY_PARSE_JSON($1:TEXT::VARCHAR), TO_TIMESTAMP_NTZ($1:AT::NUMBER, 3) FROM @ST/events.parquet) "
    "FILE_FORMAT = (TYPE = PARQUET BINARY_AS_TEXT = FALSE NULL_IF = ()) FORCE = TRUE"
)


def _load(session: Session, pid: int, folder: Path, rows: int) -> list[tuple[str, str]]:
    session.run("CREATE STAGE ST")
    for table in ("PLAIN", "TRACKED"):
        session.run(
            f"CREATE TABLE {table} (TOPIC VARCHAR, P NUMBER(10,0), O NUMBER(19,0), K BINARY, BODY VARIANT, "
            "AT TIMESTAMP_NTZ(3))"
        )
    session.run("CREATE STREAM ST_TRACKED ON TABLE TRACKED APPEND_ONLY = TRUE")
    file = _events(folder / "events.parquet", rows)
    put = _timed(lambda: session.run(f"PUT file://{file} @ST AUTO_COMPRESS = FALSE OVERWRITE = TRUE"))
    before = processor_seconds(pid)
    plain = _timed(lambda: session.run(COPY.format(table="PLAIN")))
    between = processor_seconds(pid)
    tracked = _timed(lambda: session.run(COPY.format(table="TRACKED")))
    after = processor_seconds(pid)
    session.run("CREATE TABLE NARROW (O NUMBER(19,0), P NUMBER(10,0), AT TIMESTAMP_NTZ(3))")
    session.run("CREATE STREAM ST_NARROW ON TABLE NARROW APPEND_ONLY = TRUE")
    insert = _timed(lambda: session.run("INSERT INTO NARROW SELECT O, P, AT FROM PLAIN"))
    consume = _timed(
        lambda: session.run("CREATE TABLE CONSUMED AS SELECT O, BODY:order_id::VARCHAR AS ID FROM ST_TRACKED")
    )
    return [
        (f"PUT of {rows:,} rows", f"{put:.2f} s"),
        ("COPY", f"{rows / plain / 1e6:.2f} M rows/s; {between - before:.1f} s of CPU"),
        (
            "COPY into a table with a stream",
            f"{rows / tracked / 1e6:.2f} M rows/s; {after - between:.1f} s of CPU",
        ),
        ("INSERT ... SELECT into a table with a stream, three columns", f"{rows / insert / 1e6:.2f} M rows/s"),
        ("consuming an append-only stream, one path cast", f"{rows / consume / 1e6:.2f} M rows/s"),
    ]


def _merge(session: Session, target_rows: int) -> list[tuple[str, str]]:
    generator = f"TABLE(GENERATOR(ROWCOUNT => {target_rows}))"
    session.run(
        "CREATE TABLE TARGET AS SELECT ROW_NUMBER() OVER (ORDER BY 1) AS ID, ID % 97 AS V, 'value ' || ID AS S "
        f"FROM {generator}"
    )
    session.run(
        "CREATE TABLE CHANGES AS SELECT ID + 50000 AS ID, V + 1 AS V, S FROM TARGET "
        "QUALIFY ROW_NUMBER() OVER (ORDER BY ID DESC) <= 100000"
    )
    seconds = _timed(lambda: session.run(
        "MERGE INTO TARGET T USING CHANGES S ON T.ID = S.ID WHEN MATCHED THEN UPDATE SET V = S.V, S = S.S "
        "WHEN NOT MATCHED THEN INSERT (ID, V, S) VALUES (S.ID, S.V, S.S)"
    ))  # fmt: skip
    assert session.value("SELECT COUNT(*) FROM TARGET") == target_rows + 50_000
    return [(f"MERGE of 100,000 rows into {target_rows:,}", f"{seconds:.2f} s")]


def _statements(session: Session, pid: int, count: int) -> list[tuple[str, str]]:
    session.run("CREATE TABLE SMALL (A NUMBER, B VARCHAR)")
    times = [_timed(lambda: session.run("SELECT COUNT(*) FROM SMALL")) * 1000 for _ in range(200)]
    before = resident_megabytes(pid)
    for number in range(count // 2):
        session.run(f"INSERT INTO SMALL VALUES ({number}, 'x')")
        session.run(f"SELECT B FROM SMALL WHERE A = {number}")
    growth = resident_megabytes(pid) - before
    return [
        ("SELECT round trip", f"p50 {statistics.median(times):.1f} ms, p95 {sorted(times)[190]:.1f} ms"),
        (f"growth over {count:,} different statements", f"{growth:.0f} MB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--statements", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "warehouse")
        started = _timed(server.start)
        assert server.process is not None
        try:
            session, pid = server.session(database="DROPSHIP"), server.process.pid
            figures = [("start, empty folder", f"{started:.2f} s; {processor_seconds(pid):.1f} s of CPU")]
            figures += _statements(session, pid, options.statements)
            figures += _load(session, pid, Path(folder), options.rows)
            figures += _merge(session, 5 * options.rows)
            figures.append(("resident at the end", f"{resident_megabytes(pid):.0f} MB"))
        finally:
            server.stop()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}\n\n| | |\n|---|---|")
    for name, value in figures:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
