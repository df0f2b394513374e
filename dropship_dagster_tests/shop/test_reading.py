"""Bad rows are rejected with file, line, column and reason; the good ones go through."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropship_dagster.shop import (
    Rejects,
    ShopConfig,
    ShopError,
    TooManyRejectsError,
    check,
    generate,
    read,
    read_truth,
    score,
)
from dropship_dagster.shop.contract import ORDER_EVENTS, SUPPLIERS, TABLES
from dropship_dagster.shop.reading import read_batches

GOOD = "O00000001,1,order_placed,2025-03-01T12:30:00.000Z,,,,"


def written(folder: Path, *rows: str | bytes) -> Path:
    """order_events.csv with these rows."""
    lines = [",".join(ORDER_EVENTS.names).encode()]
    lines += [row.encode() if isinstance(row, str) else row for row in rows]
    (folder / ORDER_EVENTS.file).write_bytes(b"\n".join(lines) + b"\n")
    return folder


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("O1,1,order_placed,2025-03-01T12:30:00.000Z,,,,", "order_id", "does not have the form"),
        ("O00000001,one,order_placed,2025-03-01T12:30:00.000Z,,,,", "version", "not a whole number"),
        ("O00000001,0,order_placed,2025-03-01T12:30:00.000Z,,,,", "version", "must be at least 1"),
        ("O00000001,1,order_lost,2025-03-01T12:30:00.000Z,,,,", "event_type", "is none of order_placed"),
        ("O00000001,1,order_placed,01/03/2025,,,,", "event_time", "not a UTC time"),
        ("O00000001,1,order_placed,2025-02-30T12:30:00.000Z,,,,", "event_time", "not a UTC time"),
        ("O00000001,1,order_placed,,,,,", "event_time", "is empty"),
        ("O00000001,2,order_returned,2025-03-01T12:30:00.000Z,,,x,-5.00", "refunded_amount", "at least 0"),
        ("O00000001,2,order_returned,2025-03-01T12:30:00.000Z,,,x,5.001", "refunded_amount", "two decimals"),
        ("O00000001,1,order_placed,2025-03-01T12:30:00.000Z,,,,,", "", "has 9 cells, 8 are needed"),
        ("O00000001,1", "", "has 2 cells, 8 are needed"),
        ('O00000001,1,order_placed,2025-03-01T12:30:00.000Z,"DHL,,,', "", "quote that is not closed"),
        (b"O00000001,1,order_placed,2025-03-01T12:30:00.000Z,\xff,,,", "", "not UTF-8"),
        (b"O00000001,1,order_placed,2025-03-01T12:30:00.000Z,D\0L,,,", "carrier", "control character U+0000"),
        ('O00000001,1,order_placed,2025-03-01T12:30:00.000Z,"D\nL",,,', "carrier", "control character U+000A"),
    ],
)
def test_a_bad_row_is_named_and_its_neighbours_go_through(
    tmp_path: Path, row: str | bytes, column: str, reason: str
) -> None:
    rejects = Rejects(tmp_path / "rejects.csv", keep=10)
    with rejects:
        rows = read(written(tmp_path, GOOD, row, GOOD, GOOD), ORDER_EVENTS, rejects)
    assert rows.num_rows == 3
    [reject] = rejects.kept
    assert (reject.file, reject.line, reject.column) == ("order_events.csv", 3, column)
    assert reason in reject.reason
    with (tmp_path / "rejects.csv").open(newline="") as file:
        [listed] = csv.DictReader(file)
    assert listed["line"] == "3"
    assert reason in listed["reason"]


def test_lines_are_counted_across_blocks(tmp_path: Path) -> None:
    rows = [GOOD] * 5_000
    rows[3_777] = GOOD.replace("order_placed", "order_lost")
    rejects = Rejects(keep=1)
    batches = list(read_batches(written(tmp_path, *rows), ORDER_EVENTS, rejects, block_bytes=10_000))
    assert len(batches) > 10
    assert rejects.kept[0].line == 3_779
    assert [line for batch in batches for line in batch.lines.tolist()] == [
        line for line in range(2, 5_002) if line != 3_779
    ]


def test_more_rejects_than_allowed_stop_the_reading(tmp_path: Path) -> None:
    folder = written(tmp_path, *([GOOD] * 90), *(["bad"] * 10))
    with pytest.raises(TooManyRejectsError, match="10 of 100 rows"):
        read(folder, ORDER_EVENTS, Rejects(share_limit=0.05))
    assert read(folder, ORDER_EVENTS, Rejects(share_limit=0.2)).num_rows == 90


def test_a_header_with_other_columns_is_named(tmp_path: Path) -> None:
    (tmp_path / "order_events.csv").write_text("order_id,version,event,event_time\n")
    with pytest.raises(ShopError, match=r"lacks event_type.*unknown 'event'"):
        read(tmp_path, ORDER_EVENTS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match=r"order_events\.csv"):
        read(tmp_path, ORDER_EVENTS)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root:x:0:0\n")
    (tmp_path / "order_events.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(ShopError, match="symbolic link"):
        read(tmp_path, ORDER_EVENTS)


def test_files_from_a_spreadsheet_are_read(tmp_path: Path) -> None:
    text = ",".join(SUPPLIERS.names) + '\r\nS001,"Tissages, Rhône",FR,2,0.97,30\r\n'
    (tmp_path / SUPPLIERS.file).write_bytes(b"\xef\xbb\xbf" + text.encode())
    [row] = read(tmp_path, SUPPLIERS).to_pylist()
    assert row["name"] == "Tissages, Rhône"
    assert row["reliability"] == Decimal("0.970")


def test_the_rejects_file_holds_no_formula(tmp_path: Path) -> None:
    with Rejects(tmp_path / "rejects.csv") as rejects:
        read(written(tmp_path, '=HYPERLINK("http://x")', "@SUM(A1)", "-1,2", "+1,2"), ORDER_EVENTS, rejects)
    with (tmp_path / "rejects.csv").open(newline="") as file:
        rows = [row["row"] for row in csv.DictReader(file)]
    assert len(rows) == 4
    assert all(row.startswith("'") for row in rows)


_NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(_NAMES, min_size=1, max_size=5))
def test_any_text_comes_back_as_it_was_written(tmp_path: Path, names: list[str]) -> None:
    with (tmp_path / SUPPLIERS.file).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SUPPLIERS.names)
        for number, name in enumerate(names):
            writer.writerow([f"S{number:03d}", name, "FR", 1, "0.9", 30])
    assert read(tmp_path, SUPPLIERS)["name"].to_pylist() == names


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200))
def test_no_bytes_stop_the_reading(tmp_path: Path, noise: bytes) -> None:
    folder = written(tmp_path, GOOD, noise, GOOD)
    with Rejects(keep=1_000) as rejects:
        rows = read(folder, ORDER_EVENTS, rejects)
    assert rows.num_rows >= 1
    assert rows["event_time"][0].as_py() == dt.datetime(2025, 3, 1, 12, 30, tzinfo=dt.UTC)


def test_every_fault_of_the_dirt_dial_that_reading_can_see_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(orders=3_000, dirty=0.02), folder)
    with Rejects(keep=10_000) as rejects:
        for table in TABLES:
            read(folder, table, rejects)
    result = score(read_truth(folder), rejects.kept)
    assert result.faults > 150
    assert result.found == result.faults
    assert result.precision == 1.0
    assert set(result.recall) == {"malformed_row", "missing_value", "wrong_value"}


def test_the_check_finds_what_only_shows_between_files(tmp_path: Path) -> None:
    folder = tmp_path / "seeds"
    generate(ShopConfig(orders=3_000, dirty=0.02), folder)
    report = check(folder, findings=100_000)
    found = {(finding.file, finding.line) for finding in report.findings}
    faults = [fault for fault in read_truth(folder) if fault.layer == "warehouse"]
    assert len(faults) > 20
    assert {(fault.file, fault.line) for fault in faults} <= found


def test_the_check_names_every_missing_file(tmp_path: Path) -> None:
    report = check(tmp_path)
    assert not report.ok
    assert {finding.file for finding in report.findings} == {table.file for table in TABLES}
