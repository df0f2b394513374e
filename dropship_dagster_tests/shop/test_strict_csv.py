"""What is a row, cell by cell: the same as Python's csv module in strict mode and RFC 4180, whatever the neighbours."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from dropship_dagster.shop import Rejects
from dropship_dagster.shop.contract import SUPPLIERS
from dropship_dagster.shop.reading import read_batches

GOOD = "S001,Tissages du Rhône,FR,2,0.970,30"


def strict_cells(row: str) -> list[str] | None:
    """The cells by csv in strict mode; None where it refuses, or where the quotes are not RFC 4180's.

    csv takes a quote inside a cell that is not quoted for text, which the RFC forbids: such a cell could not have been
    written so, whether with as few quotes as possible or with all of them.
    """
    try:
        [cells] = csv.reader(io.StringIO(row), strict=True)
    except (csv.Error, ValueError):
        return None
    written = [(cell if not set(cell) & set('",\r\n') else None, '"' + cell.replace('"', '""') + '"') for cell in cells]
    rests = {row}
    for number, forms in enumerate(written):
        end = "," if number + 1 < len(cells) else ""
        rests = {
            rest.removeprefix(form + end)
            for rest in rests
            for form in forms
            if form is not None and (rest.startswith(form + end) if end else rest == form)
        }
    return cells if "" in rests else None


def names_of(folder: Path, rows: list[str], block_bytes: int = 1 << 22) -> dict[int, str | None]:
    """What the reader says of each row, by its position: the name, or None for a row that is rejected."""
    header = ",".join(SUPPLIERS.names)
    (folder / SUPPLIERS.file).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    rejects = Rejects(keep=len(rows))
    found: dict[int, str | None] = {}
    for batch in read_batches(folder, SUPPLIERS, rejects, block_bytes=block_bytes):
        found.update(zip((batch.lines - 2).tolist(), batch.rows["name"].to_pylist(), strict=True))
    found.update({reject.line - 2: None for reject in rejects.kept})
    return found


def row_with(name: str, number: int = 1) -> str:
    return f"S{number:03d},{name},FR,2,0.970,30"


STRAY = [
    'Jean "JJ Dupont',
    'Jean "JJ" Dupont',
    '"Jean" Dupont',
    '"Jean \\"JJ\\" Dupont"',
    'Jean""',
    '"Jean"""Dupont"',
    '""Jean""',
    ' "Jean"',
    '"Jean" ',
    '"Jean',
    '"',
]


@pytest.mark.parametrize("name", STRAY)
@pytest.mark.parametrize(
    "neighbour", [GOOD, "", "S9,x", row_with('"a\nb"'), row_with('"Rhône, fils"'), row_with("Je\tan")]
)
def test_a_stray_quote_costs_its_row_beside_any_neighbour(tmp_path: Path, name: str, neighbour: str) -> None:
    assert strict_cells(row_with(name)) is None
    found = names_of(tmp_path, [GOOD, row_with(name), GOOD, *neighbour.split("\n"), GOOD])
    assert found[1] is None
    assert found[0] == found[2] == "Tissages du Rhône"
    assert found[max(found)] == "Tissages du Rhône"


def test_a_stray_quote_is_named_with_file_line_and_reason(tmp_path: Path) -> None:
    header = ",".join(SUPPLIERS.names)
    rows = [GOOD, row_with('Jean "JJ" Dupont'), row_with('"Jean" Dupont'), row_with('"Jean')]
    (tmp_path / SUPPLIERS.file).write_text("\n".join([header, *rows]), encoding="utf-8")
    rejects = Rejects(keep=10)
    list(read_batches(tmp_path, SUPPLIERS, rejects))
    assert [(reject.file, reject.line, reject.reason) for reject in rejects.kept] == [
        ("suppliers.csv", 3, "has a quote inside a cell that is not quoted"),
        ("suppliers.csv", 4, "has text behind a closing quote"),
        ("suppliers.csv", 5, "has a quote that is not closed"),
    ]


def test_every_row_is_read_as_csv_in_strict_mode_reads_it(tmp_path: Path) -> None:
    """Rows on one line each, of the characters that matter, in blocks of all sizes."""
    draw = random.Random(4180)
    accepted = 0
    for round_ in range(150):
        names = ["".join(draw.choices('"" ,,aé', k=draw.randrange(1, 8))) for _ in range(draw.randrange(1, 12))]
        names = ['"' + name.replace('"', '""') + '"' if draw.random() < 0.4 else name for name in names]
        rows = [row_with(name, number) for number, name in enumerate(names)]
        if draw.random() < 0.5:
            rows.insert(draw.randrange(len(rows) + 1), draw.choice(["", "S9,x", row_with("Je\tan")]))
        # A quote that opens a cell and is closed only on a later line makes one row of several: not what is tried here.
        rows = [row for row in rows if row.count('"') % 2 == 0]
        found = names_of(tmp_path, rows, block_bytes=draw.choice([16, 64, 300, 1 << 22]))
        for position, row in enumerate(rows):
            cells = strict_cells(row)
            fits = cells is not None and len(cells) == len(SUPPLIERS.names) and cells[1] != "" and "\t" not in row
            expected = cells[1] if fits and cells else None
            assert found.get(position) == expected, (round_, position, row, rows)
            accepted += fits
    assert accepted > 300


def test_a_cell_that_is_larger_than_csv_allows_is_read_beside_any_neighbour(tmp_path: Path) -> None:
    name = "a" * 300_000
    assert names_of(tmp_path, [row_with(name), GOOD]) == {0: name, 1: "Tissages du Rhône"}
    assert names_of(tmp_path, [row_with(name), "bad", GOOD]) == {0: name, 1: None, 2: "Tissages du Rhône"}


def test_everything_that_is_wrong_with_a_row_is_named_at_once(tmp_path: Path) -> None:
    header = ",".join(SUPPLIERS.names)
    (tmp_path / SUPPLIERS.file).write_text(f"{header}\n{GOOD}\nX1,a\tb,fr,many,2,30\n", encoding="utf-8")
    rejects = Rejects(keep=10)
    list(read_batches(tmp_path, SUPPLIERS, rejects))
    [reject] = rejects.kept
    assert (reject.line, rejects.count) == (3, 1)
    assert reject.column == "supplier_id, name, country, lead_time_days, reliability"
    for said in (
        "supplier_id: 'X1' does",
        "name: holds the control",
        "country: supplier.country is not",
        "'many' is not",
    ):
        assert said in reject.reason
    assert "reliability: supplier.reliability is not between 0 and 1 ('2' must be at most 1)" in reject.reason
