"""What an event of an order needs by its type: rules over several cells of one row of order_events.csv."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dropship_dagster.shop.contract import EVENT_TYPES, ORDER_EVENTS
from dropship_dagster.shop.rules import NOT_PLACED, NOT_VERSION_1, Breach, words_for

_NEEDED = {
    kind: [column.name for column in ORDER_EVENTS.columns if kind in column.needed_by]
    for kind in EVENT_TYPES
    if any(kind in column.needed_by for column in ORDER_EVENTS.columns)
}
"""The cells that an event needs, by its type."""


@dataclass(frozen=True)
class Broken:
    """Rows that break a rule: which ones, the column that is to be mended, and the rule's words."""

    rows: NDArray[np.bool_]
    column: str
    words: str


def broken_events(rows: pa.Table) -> list[Broken]:
    """The rules that rows of order_events.csv break, converted, NULL where a cell is wrong by itself."""
    of_type = {kind: pc.equal(rows["event_type"], kind) for kind in ("order_placed", *_NEEDED)}
    placed = of_type["order_placed"]
    first = pc.equal(rows["version"], 1)
    found: list[Broken] = []
    if not placed.equals(first):
        found += _broken(pc.and_(placed, pc.invert(first)), "version", NOT_VERSION_1)
        found += _broken(pc.and_(pc.invert(placed), first), "version", NOT_PLACED)
    for kind, columns in _NEEDED.items():
        for column in columns:
            words = words_for(ORDER_EVENTS.name, column, Breach.MISSING) or "is empty"
            found += _broken(pc.and_(of_type[kind], rows[column].is_null()), column, words)
    return found


def _broken(mask: pa.ChunkedArray, column: str, words: str) -> list[Broken]:
    if not pc.any(mask, min_count=0).as_py():
        return []
    return [Broken(np.asarray(pc.fill_null(mask, fill_value=False)), column, words)]
