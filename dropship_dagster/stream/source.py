"""The messages of a folder of CSV files, in the order in which they are replayed, in bounded memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dropship_dagster.shop.contract import (
    CUSTOMERS,
    ORDER_EVENTS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
    SUPPLIERS,
    Table,
)
from dropship_dagster.shop.draws import Ints
from dropship_dagster.shop.manifest import Manifest, file_digest, read_manifest
from dropship_dagster.shop.reading import Batch, read, read_batches
from dropship_dagster.shop.rejects import Reject, Rejects
from dropship_dagster.stream.events import (
    Messages,
    customer_messages,
    order_bodies,
    order_event_messages,
    product_messages,
)

_WINDOW = 16_384
"""Orders kept while a generated folder is replayed: an order_placed may come that much later than its neighbours."""

_BLOCK_BYTES = 1 << 20
_AHEAD = 3

T = TypeVar("T")


class Seeds:
    """A folder of CSV files as messages.

    A generated folder (one with a manifest that fits) is streamed: its files are in order. Any other folder is read
    into memory and sorted by event time.
    """

    def __init__(self, folder: Path, rejects: Rejects, *, block_bytes: int = _BLOCK_BYTES) -> None:
        """Raises ShopError when the manifest is there and unreadable."""
        self.folder = folder
        self._block_bytes = block_bytes
        self._rejects = rejects
        self._manifest = _fitting_manifest(folder)
        self._known_good = self._manifest is not None and self._is_clean(self._manifest)

    @property
    def identity(self) -> str:
        """What tells this folder's content from another's: the hash of its events, or their size and time."""
        if self._manifest is not None:
            return self._manifest.files[ORDER_EVENTS.file].sha256
        stat = (self.folder / ORDER_EVENTS.file).stat()
        return f"{stat.st_size}-{stat.st_mtime_ns}"

    @property
    def events(self) -> int | None:
        """How many messages there are, if the manifest tells."""
        if self._manifest is None:
            return None
        return sum(self._manifest.files[table.file].rows for table in (CUSTOMERS, PRODUCTS, ORDER_EVENTS))

    def _is_clean(self, manifest: Manifest) -> bool:
        """Whether the files are the generator's own, to the byte, and without faults: then no cell need be checked."""
        if manifest.arrival_order:
            return False
        return all(file_digest(self.folder / name) == facts.sha256 for name, facts in manifest.files.items())

    def messages(self) -> Iterator[Messages]:
        """Customers, products, then order events."""
        yield from self._customers()
        yield from self._products()
        yield from self._order_events()

    def _customers(self) -> Iterator[Messages]:
        for batch in self._batches(CUSTOMERS):
            yield customer_messages(batch.rows)

    def _products(self) -> Iterator[Messages]:
        suppliers = read(self.folder, SUPPLIERS, self._rejects)
        known = suppliers["supplier_id"].combine_chunks()
        for batch in self._batches(PRODUCTS):
            rows = self._known(PRODUCTS, batch, "supplier_id", known, "has no supplier in suppliers.csv")
            if rows.num_rows:
                yield product_messages(rows, suppliers)

    def _order_events(self) -> Iterator[Messages]:
        book = _OrderBook(self._batches(ORDERS), self._batches(ORDER_LINES), self._rejects, self._manifest is not None)
        for batch in self._ordered_events():
            placed = np.asarray(pc.equal(batch.rows["event_type"], "order_placed"))
            bodies, body_of = book.find(batch.rows["order_id"].combine_chunks(), placed)
            lost = placed & (body_of < 0)
            for position in np.flatnonzero(lost).tolist():
                order = batch.rows["order_id"][position].as_py()
                reason = "order_placed has no order in orders.csv"
                line = int(batch.lines[position])
                self._rejects.add(Reject(ORDER_EVENTS.file, line, "order_id", reason, order))
            rows = batch.rows
            if lost.any():
                rows, body_of = rows.filter(pa.array(~lost)), body_of[~lost]
            if rows.num_rows:
                yield order_event_messages(rows, bodies, body_of)

    def _ordered_events(self) -> Iterator[Batch]:
        if self._manifest is not None:
            yield from self._batches(ORDER_EVENTS)
            return
        batches = list(self._batches(ORDER_EVENTS))
        if not batches:
            return
        rows = pa.concat_tables([batch.rows for batch in batches])
        lines = np.concatenate([batch.lines for batch in batches])
        keys = [(name, "ascending") for name in ("event_time", "order_id", "version")]
        order = pc.sort_indices(rows, sort_keys=keys)
        yield Batch(rows.take(order).combine_chunks(), lines[np.asarray(order)])

    def _batches(self, table: Table) -> Iterator[Batch]:
        return read_batches(
            self.folder, table, self._rejects, block_bytes=self._block_bytes, known_good=self._known_good
        )

    def _known(self, table: Table, batch: Batch, column: str, known: pa.Array, reason: str) -> pa.Table:
        """The rows whose reference exists; the others are rejected."""
        valid = np.asarray(pc.is_in(batch.rows[column].combine_chunks(), value_set=known))
        for position in np.flatnonzero(~valid).tolist():
            cell = batch.rows[column][position].as_py()
            self._rejects.add(Reject(table.file, int(batch.lines[position]), column, f"{cell!r} {reason}", cell))
        return batch.rows if valid.all() else batch.rows.filter(pa.array(valid))


class _OrderBook:
    """Finds the orders that order_placed events tell of, reading orders.csv and order_lines.csv alongside.

    With `rising` (a generated folder: order ids rise in both files) it reads as far as it must and keeps a window.
    Otherwise it reads both files whole.
    """

    def __init__(self, orders: Iterator[Batch], lines: Iterator[Batch], rejects: Rejects, rising: bool) -> None:
        self._orders = orders
        self._lines = lines
        self._rejects = rejects
        self._rising = rising
        self._more = True
        self._ids: list[pa.Array] = []
        self._bodies: list[pa.Array] = []
        self._held = 0
        self._last = -1
        self._waiting_lines: Batch | None = None

    def find(self, order_ids: pa.Array, placed: NDArray[np.bool_]) -> tuple[pa.Array, Ints]:
        """Texts of orders, and for each placed event which of them is its order's: -1 where there is none."""
        wanted = order_ids.filter(pa.array(placed))
        self._forget()
        self._read_up_to(wanted)
        found = np.full(len(order_ids), -1, dtype=np.int64)
        texts: list[pa.Array] = []
        held = 0
        for ids, bodies in zip(self._ids, self._bodies, strict=True):
            position = pc.index_in(wanted, value_set=ids)
            if position.null_count == len(wanted):
                continue  # a part of the window that this batch does not touch is not copied
            here = np.asarray(pc.fill_null(position, -1)).astype(np.int64)
            places = np.flatnonzero(placed)[here >= 0]
            found[places] = here[here >= 0] + held
            texts.append(bodies)
            held += len(bodies)
        return pa.concat_arrays(texts) if texts else pa.array([], pa.string()), found

    def _forget(self) -> None:
        """Drop the oldest orders, keeping the newest block, which is not used up, and a window before it."""
        while self._rising and self._ids and self._held - len(self._ids[0]) - len(self._ids[-1]) >= _WINDOW:
            self._held -= len(self._ids.pop(0))
            self._bodies.pop(0)

    def _read_up_to(self, wanted: pa.Array) -> None:
        if not self._rising:
            if self._more:
                self._add(_whole(self._orders, ORDERS), _whole(self._lines, ORDER_LINES))
                self._more = False
            return
        last = pc.max(_numbers(wanted)).as_py()
        if last is None:
            return
        while self._more and self._last < last:
            batch = next(self._orders, None)
            if batch is None:
                self._more = False
                break
            self._last = _numbers(batch.rows["order_id"])[-1].as_py()
            self._add(batch, self._lines_up_to(self._last))

    def _lines_up_to(self, last: int) -> Batch:
        """The lines of the orders up to this one; what was read beyond waits."""
        parts = []
        while True:
            batch = self._waiting_lines or next(self._lines, None)
            self._waiting_lines = None
            if batch is None:
                break
            stop = int(np.searchsorted(np.asarray(_numbers(batch.rows["order_id"])), last, side="right"))
            if stop < len(batch.lines):
                self._waiting_lines = Batch(batch.rows.slice(stop), batch.lines[stop:])
            parts.append(Batch(batch.rows.slice(0, stop), batch.lines[:stop]))
            if self._waiting_lines is not None:
                break
        return _whole(iter(parts), ORDER_LINES)

    def _add(self, orders: Batch, lines: Batch) -> None:
        ids = orders.rows["order_id"].combine_chunks()
        order = pc.index_in(lines.rows["order_id"].combine_chunks(), value_set=ids)
        orphans = np.flatnonzero(np.asarray(pc.is_null(order)))
        for position in orphans.tolist():
            cell = lines.rows["order_id"][position].as_py()
            reject = Reject(
                ORDER_LINES.file, int(lines.lines[position]), "order_id", "has no order in orders.csv", cell
            )
            self._rejects.add(reject)
        rows = lines.rows
        owner = np.asarray(pc.fill_null(order, -1)).astype(np.int64)
        if len(orphans) or np.any(np.diff(owner) < 0):
            sorting = np.lexsort((np.asarray(rows["line_no"]), owner))[len(orphans) :]
            rows, owner = rows.take(pa.array(sorting)), owner[sorting]
        counts = np.bincount(owner, minlength=len(ids)).astype(np.int64)
        self._ids.append(ids)
        self._bodies.append(order_bodies(orders.rows, rows, counts))
        self._held += len(ids)


def _numbers(order_ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """`O00000012` as 12: the contract has them made of a letter and digits."""
    return pc.utf8_slice_codeunits(order_ids, 1).cast(pa.int64())


def _whole(batches: Iterator[Batch], table: Table) -> Batch:
    parts = list(batches)
    if not parts:
        return Batch(table.schema.empty_table(), np.empty(0, dtype=np.int64))
    rows = pa.concat_tables([part.rows for part in parts]).combine_chunks()
    return Batch(rows, np.concatenate([part.lines for part in parts]))


def _fitting_manifest(folder: Path) -> Manifest | None:
    """The manifest, unless a file was changed since: then the files' order is not to be relied on."""
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    for name, facts in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != facts.bytes:
            return None
    return manifest


def ahead(items: Iterator[T], stop: threading.Event) -> Iterator[T]:
    """The same items, a few of them made in advance by another thread; an error there is raised here."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=_AHEAD)
    given_up = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not (given_up.is_set() or stop.is_set()):
            try:
                ready.put((item, error), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item, None):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            put(None, error)
        else:
            put(None, None)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield from _taken(ready, stop)
    finally:
        given_up.set()
        thread.join()


def _taken(ready: queue.Queue[tuple[T | None, BaseException | None]], stop: threading.Event) -> Iterator[T]:
    while not stop.is_set():
        try:
            item, error = ready.get(timeout=0.1)
        except queue.Empty:
            continue
        if error is not None:
            raise error
        if item is None:
            return
        yield item
