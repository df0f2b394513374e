"""How many rows of the CSV files break the contract, and so are not sent: what may be missing further down."""

from __future__ import annotations

from pathlib import Path

from dropship_dagster.shop import Rejects, read_batches
from dropship_dagster.shop.contract import table

ORDER_FILES = ("orders", "order_lines", "order_events")
"""The files that the order events are made of; a bad row in any of them can keep an event from being sent."""


def rejected_rows(folder: Path, names: tuple[str, ...]) -> int:
    """Count the rows of these files that break the contract. Reads them whole, so ask only when something is missing.

    Raises:
        ShopError: a file is missing or has other columns.
    """
    rejects = Rejects()
    for name in names:
        for _batch in read_batches(folder, table(name), rejects):
            pass
    return rejects.count
