"""Bringing the events of somebody's own folder into order, with their orders, in bounded memory.

Three steps over temporary files. Orders, lines and events are dealt into parts by order, so that a part holds whole
orders. Each part is joined and sorted by itself. The sorted parts are merged, a slice of time at a time.
The files have no name, so nothing is left of them when the process ends, whichever way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropship_dagster.shop.contract import ORDER_EVENTS, ORDER_LINES, ORDERS, Table
from dropship_dagster.shop.reading import Batch
from dropship_dagster.shop.rejects import Rejects
from dropship_dagster.stream.order_index import bodies_of, lost_order, order_numbers, positions

SORTED_BYTES = 32 << 20
"""CSV bytes of the three files that are joined and sorted at a time."""

_MOST_PARTS = 256
_MERGED_ROWS = 16_384
_FEWEST_ROWS = 64
_SORTING = [("event_time", "ascending"), ("order_id", "ascending"), ("version", "ascending")]
_LINE = "line"
_BODY = "body"


def events_in_order(
    events: Iterator[Batch], orders: Iterator[Batch], lines: Iterator[Batch], rejects: Rejects, *, parts: int
) -> Iterator[tuple[pa.Table, pa.Array]]:
    """Contract rows of events by (event_time, order_id, version), with the `order_bodies` texts of the placed ones.

    Placements of an order that no file tells of, and lines without an order, are rejected. Needs about as much disk as
    the files have, twice, in the folder for temporary files (TMPDIR).

    Args:
        events, orders, lines: rows of the three files, in any order.
        rejects: takes what cannot be joined.
        parts: into how many the orders are dealt; one part is held in memory at a time.
    """
    parts = min(parts, _MOST_PARTS)
    with ExitStack() as files:
        event_parts = _deal(ORDER_EVENTS, events, parts, files)
        order_parts = _deal(ORDERS, orders, parts, files)
        line_parts = _deal(ORDER_LINES, lines, parts, files)
        runs = []
        for event, order, line in zip(event_parts, order_parts, line_parts, strict=True):
            rows = _joined(_batch(event), _batch(order), _batch(line), rejects).sort_by(_SORTING)
            run = _Spill(rows.schema, files)
            run.write(rows, max(_MERGED_ROWS // parts, _FEWEST_ROWS))
            runs.append(_Run(run.batches(), rows.schema))
        for rows in _merged(runs):
            placed = pc.equal(rows["event_type"], "order_placed")
            yield rows.select(ORDER_EVENTS.names), rows[_BODY].filter(placed).combine_chunks()


class _Spill:
    """A table on disk, written once and then read once."""

    def __init__(self, schema: pa.Schema, files: ExitStack) -> None:
        self._schema = schema
        self._file: IO[bytes] = files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._writer = pa.ipc.new_stream(self._file, schema)

    def write(self, rows: pa.Table, batch_rows: int | None = None) -> None:
        """Add rows, in batches of at most so many."""
        self._writer.write_table(rows, max_chunksize=batch_rows)

    def batches(self) -> Iterator[pa.Table]:
        """The rows as they were written, a batch at a time; the disk space is given back after the last."""
        self._writer.close()
        self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file):
            yield pa.Table.from_batches([batch])
        self._file.close()

    def rows(self) -> pa.Table:
        """All rows, in the order in which they were written."""
        return pa.concat_tables([self._schema.empty_table(), *self.batches()]).combine_chunks()


class _Run:
    """Sorted rows of which only the next ones are in memory: never only a part of one moment's, unless none follow."""

    def __init__(self, batches: Iterator[pa.Table], schema: pa.Schema) -> None:
        self._batches = batches
        self._rows = schema.empty_table()
        self._times = np.empty(0, dtype=np.int64)
        self._more = True
        self._refill()

    @property
    def safe_ms(self) -> int | None:
        """Up to which time every row is in memory; None when all are."""
        return int(self._times[-1]) - 1 if self._more else None

    def take(self, until_ms: int | None) -> pa.Table:
        """The next rows, up to and with a moment; None takes the rest."""
        stop = len(self._times) if until_ms is None else int(np.searchsorted(self._times, until_ms, side="right"))
        taken = self._rows.slice(0, stop)
        self._rows, self._times = self._rows.slice(stop), self._times[stop:]
        self._refill()
        return taken

    def _refill(self) -> None:
        while self._more and (not len(self._times) or self._times[0] == self._times[-1]):
            batch = next(self._batches, None)
            if batch is None:
                self._more = False
                return
            self._rows = pa.concat_tables([self._rows, batch])
            self._times = np.asarray(self._rows["event_time"].cast(pa.int64()))


def _merged(runs: list[_Run]) -> Iterator[pa.Table]:
    """The rows of all runs in one order, a slice of time at a time."""
    while True:
        safe = [run.safe_ms for run in runs if run.safe_ms is not None]
        until = min(safe) if safe else None
        rows = pa.concat_tables([run.take(until) for run in runs])
        if rows.num_rows:
            yield rows.sort_by(_SORTING)
        if until is None:
            return


def _deal(table: Table, batches: Iterator[Batch], parts: int, files: ExitStack) -> list[_Spill]:
    """The rows and their lines, each with the other rows of its order in one of the parts."""
    schema = table.schema.append(pa.field(_LINE, pa.int64()))
    spills = [_Spill(schema, files) for _ in range(parts)]
    for batch in batches:
        part = order_numbers(batch.rows["order_id"]) % parts
        order = np.argsort(part, kind="stable")
        rows = batch.rows.append_column(schema.field(_LINE), pa.array(batch.lines)).take(pa.array(order))
        bounds = np.searchsorted(part[order], np.arange(parts + 1)).tolist()
        for spill, start, stop in zip(spills, bounds, bounds[1:], strict=False):
            if stop > start:
                spill.write(rows.slice(start, stop - start))
    return spills


def _batch(spill: _Spill) -> Batch:
    rows = spill.rows()
    return Batch(rows.drop_columns(_LINE), np.asarray(rows[_LINE]))


def _joined(events: Batch, orders: Batch, lines: Batch, rejects: Rejects) -> pa.Table:
    """The events with a column of their orders' texts, empty where an event is no placement."""
    numbers = order_numbers(orders.rows["order_id"])
    bodies = bodies_of(orders.rows, numbers, lines, rejects)
    by_number = np.argsort(numbers, kind="stable")
    placed = np.asarray(pc.equal(events.rows["event_type"], "order_placed"))
    place = positions(numbers[by_number], order_numbers(events.rows["order_id"]))
    lost = placed & (place < 0)
    for row in np.flatnonzero(lost).tolist():
        rejects.add(lost_order(int(events.lines[row]), events.rows["order_id"][row].as_py()))
    body = np.full(len(placed), -1, dtype=np.int64)
    told = placed & ~lost
    body[told] = by_number[place[told]]
    texts = bodies.take(pa.array(body, mask=body < 0))
    return events.rows.append_column(_BODY, texts).filter(pa.array(~lost)).combine_chunks()
