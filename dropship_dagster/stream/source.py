"""The messages of a folder of CSV files, in the order in which they are replayed, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropship_dagster.shop.contract import (
    CUSTOMERS,
    ORDER_EVENTS,
    ORDER_LINES,
    ORDERS,
    PRODUCTS,
    SUPPLIERS,
    Table,
)
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.manifest import Manifest, file_digest, fitting_manifest
from dropship_dagster.shop.parts import tables_of
from dropship_dagster.shop.reading import Batch, check_columns, read, read_batches
from dropship_dagster.shop.rejects import Reject, Rejects
from dropship_dagster.stream.events import Messages, customer_messages, order_event_messages, product_messages
from dropship_dagster.stream.order_index import OrderIndex, lost_order
from dropship_dagster.stream.sorting import SORTED_BYTES, events_in_order

_BLOCK_BYTES = 2 << 20


class Seeds:
    """A folder of CSV files as messages.

    A generated folder (one with a manifest that fits) is streamed: its files are in order. The events of any other
    folder are brought into order first, through temporary files where they are many.
    """

    def __init__(
        self,
        folder: Path,
        rejects: Rejects,
        *,
        known_good: bool | None = None,
        block_bytes: int = _BLOCK_BYTES,
        sorted_bytes: int = SORTED_BYTES,
    ) -> None:
        """A folder, read for once.

        Args:
            folder: holds the six files of the contract.
            rejects: takes rows that break it.
            known_good: what `is_known_good` said of it, when it was asked before.
            block_bytes: read at a time.
            sorted_bytes: about how much of a folder without order is sorted at a time, in bytes of CSV.

        Raises:
            ShopError: the manifest is there and unreadable.
        """
        self.folder = folder
        self._block_bytes = block_bytes
        self._sorted_bytes = sorted_bytes
        self._rejects = rejects
        self._manifest = fitting_manifest(folder)
        self._known_good = known_good

    @property
    def identity(self) -> str:
        """What tells this folder's content from another's: the hash of its events, or their size and time.

        Raises ShopError when there are none.
        """
        digest = self._manifest.files[ORDER_EVENTS.file].sha256 if self._manifest is not None else ""
        if digest:
            return digest
        path = self.folder / ORDER_EVENTS.file
        try:
            stat = path.stat()
        except OSError as error:
            raise ShopError(f"{path} cannot be read ({error.strerror}): name a folder that holds it.") from error
        return f"{stat.st_size}-{stat.st_mtime_ns}"

    @property
    def events(self) -> int | None:
        """How many messages there are, if the manifest tells."""
        if self._manifest is None:
            return None
        return sum(self._manifest.files[table.file].rows for table in (CUSTOMERS, PRODUCTS, ORDER_EVENTS))

    @property
    def order_bytes(self) -> int:
        """Bytes of the three files that grow with the orders; 0 for one that is not there."""
        paths = [self.folder / table.file for table in (ORDERS, ORDER_LINES, ORDER_EVENTS)]
        return sum(path.stat().st_size for path in paths if path.is_file())

    def is_known_good(self, stop: threading.Event | None = None) -> bool:
        """Whether the files are the generator's own, to the byte, and without faults: then no cell need be checked.

        Reads them all; False when asked to stop meanwhile.
        """
        if self._known_good is None:
            self._known_good = self._manifest is not None and _as_generated(self.folder, self._manifest, stop)
        return self._known_good

    def messages(self) -> Iterator[Messages]:
        """Customers, products, then order events; of a folder with new orders alone (see `shop.parts`), these.

        Raises:
            ShopError: a file is missing or has other columns; nothing was yielded then.
            TooManyRejectsError: more rows are bad than the rejects allow.
        """
        tables = tables_of(self.folder)
        for table in tables:
            check_columns(self.folder, table)
        if CUSTOMERS in tables:
            yield from self._customers()
        if PRODUCTS in tables:
            yield from self._products()
        yield from self._events_as_they_lie() if self._manifest is not None else self._events_by_time()

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

    def _events_as_they_lie(self) -> Iterator[Messages]:
        index = OrderIndex(self._batches(ORDERS), self._batches(ORDER_LINES), self._rejects)
        for batch in self._batches(ORDER_EVENTS):
            rows = batch.rows
            placed = np.asarray(pc.equal(rows["event_type"], "order_placed"))
            bodies, found = index.bodies(rows["order_id"].filter(pa.array(placed)))
            if not found.all():
                lost = np.flatnonzero(placed)[~found]
                for position in lost.tolist():
                    order = rows["order_id"][position].as_py()
                    self._rejects.add(lost_order(int(batch.lines[position]), order))
                kept = np.ones(len(placed), dtype=bool)
                kept[lost] = False
                rows = rows.filter(pa.array(kept))
            if rows.num_rows:
                yield order_event_messages(rows, bodies)

    def _events_by_time(self) -> Iterator[Messages]:
        parts = max(1, -(-self.order_bytes // self._sorted_bytes))
        events, orders, lines = (self._batches(table) for table in (ORDER_EVENTS, ORDERS, ORDER_LINES))
        for rows, bodies in events_in_order(events, orders, lines, self._rejects, parts=parts):
            yield order_event_messages(rows, bodies)

    def _batches(self, table: Table) -> Iterator[Batch]:
        return read_batches(
            self.folder, table, self._rejects, block_bytes=self._block_bytes, known_good=self.is_known_good()
        )

    def _known(self, table: Table, batch: Batch, column: str, known: pa.Array, reason: str) -> pa.Table:
        """The rows whose reference exists; the others are rejected."""
        valid = np.asarray(pc.is_in(batch.rows[column].combine_chunks(), value_set=known))
        for position in np.flatnonzero(~valid).tolist():
            cell = batch.rows[column][position].as_py()
            self._rejects.add(Reject(table.file, int(batch.lines[position]), column, f"{cell!r} {reason}", cell))
        return batch.rows if valid.all() else batch.rows.filter(pa.array(valid))


def _as_generated(folder: Path, manifest: Manifest, stop: threading.Event | None) -> bool:
    if manifest.arrival_order:
        return False
    try:
        with ThreadPoolExecutor() as pool:  # nobody can do anything yet but wait for this
            digests = list(pool.map(lambda name: file_digest(folder / name, stop), manifest.files))
    except OSError:
        return False  # whoever reads the file says what is wrong with it
    return digests == [facts.sha256 for facts in manifest.files.values()]
