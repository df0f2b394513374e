"""Which files of the contract a folder holds: all six, or new orders of a shop whose other files were sent before."""

from __future__ import annotations

import os
from pathlib import Path

from dropship_dagster.shop.contract import (
    CUSTOMERS,
    ORDER_EVENTS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
    SUPPLIERS,
    TABLES,
    Table,
)

_ORDER_TABLES = (ORDERS, ORDER_LINES, ORDER_EVENTS)


def tables_of(folder: Path) -> tuple[Table, ...]:
    """The tables that are read from a folder.

    A folder with the three files of orders may lack customers.csv, and it may lack products.csv (suppliers.csv is not
    used then): the customers and products are known from before. Of any other folder all six are read, and whoever
    reads one that is missing says so.
    """
    if not all(_is_there(folder, table) for table in _ORDER_TABLES):
        return TABLES
    left_out: set[str] = set()
    if not _is_there(folder, CUSTOMERS):
        left_out.add(CUSTOMERS.name)
    if not _is_there(folder, PRODUCTS):
        left_out |= {PRODUCTS.name, SUPPLIERS.name}
    return tuple(table for table in TABLES if table.name not in left_out)


def known_before(folder: Path) -> tuple[str, ...]:
    """Names of the files that a folder with new orders lacks: what is in them is taken as known."""
    held = tables_of(folder)
    return tuple(table.file for table in (CUSTOMERS, PRODUCTS) if table not in held)


def _is_there(folder: Path, table: Table) -> bool:
    return os.path.lexists(folder / table.file)
