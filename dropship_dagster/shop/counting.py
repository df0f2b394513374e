"""How many rows the CSV files of a folder have."""

from __future__ import annotations

from pathlib import Path

from dropship_dagster.shop.contract import Table
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.manifest import fitting_manifest
from dropship_dagster.shop.parts import tables_of
from dropship_dagster.shop.reading import read_batches
from dropship_dagster.shop.rejects import Rejects


def row_counts(folder: Path) -> dict[str, int]:
    """Rows by name of file: from the manifest where it fits, else counted, rows that break the contract included.

    A file that is not there, or cannot be read as the contract's (the checks of the CSV files say why), is left out.
    """
    manifest = fitting_manifest(folder)
    if manifest is not None:
        return {name: facts.rows for name, facts in manifest.files.items()}
    counts = {}
    for table in tables_of(folder):
        try:
            counts[table.file] = rows_of(folder, table)
        except ShopError:
            continue
    return counts


def rows_of(folder: Path, table: Table) -> int:
    """Rows of a file, those that break the contract included.

    Raises:
        ShopError: it is missing, unreadable, or has other columns.
    """
    rejects = Rejects()
    good = sum(len(batch.lines) for batch in read_batches(folder, table, rejects))
    return good + rejects.count
