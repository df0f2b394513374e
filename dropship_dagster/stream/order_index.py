"""Finding the orders that order_placed events tell of, reading orders.csv and order_lines.csv alongside.

For a generated folder, where order ids rise in both files and placements come about in their order: the index reads as
far as it must and keeps a window. Folders without such an order go through sorting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dropship_dagster.shop.contract import ORDER_EVENTS, ORDER_LINES
from dropship_dagster.shop.reading import Batch
from dropship_dagster.shop.rejects import Reject, Rejects
from dropship_dagster.shop.rng import Ints
from dropship_dagster.stream.events import order_bodies

_WINDOW = 16_384
"""Orders kept: an order_placed may come that much later than its neighbours."""


@dataclass(frozen=True)
class _Page:
    """Orders that were read together: their numbers, rising, and their texts in that order."""

    numbers: Ints
    bodies: pa.Array

    def __len__(self) -> int:
        return len(self.numbers)


class OrderIndex:
    """The orders of a generated folder, read once from front to back."""

    def __init__(self, orders: Iterator[Batch], lines: Iterator[Batch], rejects: Rejects) -> None:
        self._orders = orders
        self._lines = lines
        self._rejects = rejects
        self._more = True
        self._pages: list[_Page] = []
        self._held = 0
        self._last = -1
        self._waiting_lines: Batch | None = None

    def bodies(self, order_ids: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.bool_]]:
        """The `order_bodies` texts of the orders that exist, in the order asked for, and which of them do."""
        wanted = order_numbers(order_ids)
        self._forget()
        self._read_up_to(wanted)
        place = np.full(len(wanted), -1, dtype=np.int64)
        texts: list[pa.Array] = []
        held = 0
        for page in self._pages:
            position = positions(page.numbers, wanted)
            here = np.flatnonzero(position >= 0)
            if not len(here):
                continue
            place[here] = np.arange(held, held + len(here))
            texts.append(_taken(page.bodies, position[here]))
            held += len(here)
        found = place >= 0
        bodies = pa.concat_arrays(texts) if texts else pa.array([], pa.string())
        order = place[found]
        if len(order) != len(bodies) or np.any(np.diff(order) != 1):
            bodies = bodies.take(pa.array(order))
        return bodies, found

    def _forget(self) -> None:
        """Drop the oldest orders, keeping the newest page, which is not used up, and a window before it."""
        while self._pages and self._held - len(self._pages[0]) - len(self._pages[-1]) >= _WINDOW:
            self._held -= len(self._pages.pop(0))

    def _read_up_to(self, wanted: Ints) -> None:
        last = int(wanted.max(initial=-1))
        while self._more and self._last < last:
            batch = next(self._orders, None)
            if batch is None:
                self._more = False
                break
            numbers = order_numbers(batch.rows["order_id"])
            self._last = int(numbers[-1])
            self._add(batch, numbers, self._lines_up_to(self._last))

    def _lines_up_to(self, last: int) -> Batch:
        """The lines of the orders up to this one; what was read beyond waits."""
        parts = []
        while True:
            batch = self._waiting_lines or next(self._lines, None)
            self._waiting_lines = None
            if batch is None:
                break
            stop = int(np.searchsorted(order_numbers(batch.rows["order_id"]), last, side="right"))
            if stop < len(batch.lines):
                self._waiting_lines = Batch(batch.rows.slice(stop), batch.lines[stop:])
            parts.append(Batch(batch.rows.slice(0, stop), batch.lines[:stop]))
            if self._waiting_lines is not None:
                break
        if not parts:
            return Batch(ORDER_LINES.schema.empty_table(), np.empty(0, dtype=np.int64))
        rows = pa.concat_tables([part.rows for part in parts]).combine_chunks()
        return Batch(rows, np.concatenate([part.lines for part in parts]))

    def _add(self, orders: Batch, numbers: Ints, lines: Batch) -> None:
        texts = bodies_of(orders.rows, numbers, lines, self._rejects)
        if np.any(np.diff(numbers) < 0):
            order = np.argsort(numbers, kind="stable")
            numbers, texts = numbers[order], texts.take(pa.array(order))
        self._pages.append(_Page(numbers, texts))
        self._held += len(numbers)


def bodies_of(orders: pa.Table, numbers: Ints, lines: Batch, rejects: Rejects) -> pa.Array:
    """The `order_bodies` texts of orders with these numbers, in their order.

    A line without an order among them is rejected. Of orders with one number, the first has the lines.
    """
    by_number = np.argsort(numbers, kind="stable")
    position = positions(numbers[by_number], order_numbers(lines.rows["order_id"]))
    owner = np.where(position >= 0, by_number[position], -1)
    orphans = np.flatnonzero(owner < 0)
    for line in orphans.tolist():
        cell = lines.rows["order_id"][line].as_py()
        reason = "has no order in orders.csv"
        rejects.add(Reject(ORDER_LINES.file, int(lines.lines[line]), "order_id", reason, cell))
    rows = lines.rows
    if len(orphans) or np.any(np.diff(owner) < 0):
        line_no = np.asarray(rows["line_no"].cast(pa.int64()))
        sorting = np.lexsort((line_no, owner))[len(orphans) :]
        rows, owner = rows.take(pa.array(sorting)), owner[sorting]
    return order_bodies(orders, rows, np.bincount(owner, minlength=len(numbers)).astype(np.int64))


def _taken(texts: pa.Array, chosen: Ints) -> pa.Array:
    """The chosen texts, in that order; not copied where they are neighbours, which they nearly always are."""
    first = int(chosen[0])
    if np.array_equal(chosen, np.arange(first, first + len(chosen))):
        return texts.slice(first, len(chosen))
    return texts.take(pa.array(chosen))


def lost_order(line: int, order_id: str) -> Reject:
    """An order_placed event of an order that no file tells of."""
    return Reject(ORDER_EVENTS.file, line, "order_id", "order_placed has no order in orders.csv", order_id)


def order_numbers(order_ids: pa.ChunkedArray) -> Ints:
    """`O00000012` as 12: the contract has them made of a letter and digits."""
    return np.asarray(pc.utf8_slice_codeunits(order_ids, 1).cast(pa.int64()))


def positions(rising: Ints, wanted: Ints) -> Ints:
    """Where each wanted number first stands among rising ones; -1 where it does not."""
    if not len(rising):
        return np.full(len(wanted), -1, dtype=np.int64)
    position = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return np.where(rising[position] == wanted, position, -1)
