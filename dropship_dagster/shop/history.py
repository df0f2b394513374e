"""Generating a shop: six CSV files and their manifest, in bounded memory, the same bytes for the same configuration."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from dropship_dagster.shop import manifest as manifests
from dropship_dagster.shop.catalogue import Catalogue, suppliers_table
from dropship_dagster.shop.config import ShopConfig
from dropship_dagster.shop.contract import CUSTOMERS, ORDER_EVENTS, ORDER_LINES, ORDERS, PRODUCTS, SUPPLIERS, TABLES
from dropship_dagster.shop.csvfile import CsvWriter, FileFacts
from dropship_dagster.shop.demand import Demand
from dropship_dagster.shop.fault_injection import TRUTH_FILE, FaultInjector, truth_text
from dropship_dagster.shop.folder import Accept, Keep, replaced_folder
from dropship_dagster.shop.lifecycle import Events, LifeCycle
from dropship_dagster.shop.manifest import Manifest
from dropship_dagster.shop.orders import Block, Orders
from dropship_dagster.shop.ownership import close_generated
from dropship_dagster.shop.people import Customers
from dropship_dagster.shop.rng import Ints, Rng
from dropship_dagster.shop.text import DAY_MS

Progress = Callable[[str, int, int], None]
"""Called with what is being made, how much of it is done, and how much there is."""

_BLOCK = 16_384
_WRITES_AHEAD = 4


class Shop:
    """The parts of a shop, ready to make any row of it."""

    def __init__(self, config: ShopConfig, *, order_seed: int | None = None) -> None:
        """`order_seed`: another seed for new orders and their lives, with the same customers, products and history."""
        parameters = config.parameters
        self.config = config
        self.rng = Rng(config.seed)
        self.demand = Demand(parameters, self.rng)
        self.customers = Customers(parameters, self.rng, self.demand, config.customers)
        self.catalogue = Catalogue(parameters, self.rng, config.products)
        self.order_rng = self.rng if order_seed is None else Rng(order_seed)
        self.orders = Orders(parameters, self.order_rng, self.customers, self.catalogue)
        self.life_cycle = LifeCycle(parameters, self.order_rng, self.catalogue, self.orders)

    def blocks(self, size: int = _BLOCK) -> Iterator[Block]:
        """The orders of history, in their order."""
        total = self.config.orders
        for start in range(0, total, size):
            rows: Ints = np.arange(start, min(start + size, total), dtype=np.int64)
            yield self.orders.block(rows, self.demand.moments(rows, total))

    def open_events(self) -> Events:
        """The steps of history's orders that lie after its end, by (time, order, version)."""
        if self.order_rng is not self.rng:  # what has begun goes on as it was drawn
            return Shop(self.config).open_events()
        end, total = self.config.parameters.period.end_ms, self.config.orders
        parts = [Events.none()]
        for start in range(self._first_open_row(), total, _BLOCK):
            rows: Ints = np.arange(start, min(start + _BLOCK, total), dtype=np.int64)
            events = self.life_cycle.events(self.orders.block(rows, self.demand.moments(rows, total)))
            parts.append(events.take(events.time_ms >= end))
        events = Events.concatenate(parts)
        return events.take(np.argsort(events.time_ms, kind="stable"))

    def _first_open_row(self) -> int:
        """A row before which every order's life is over when history ends."""
        begin = self.config.parameters.period.end_ms - self.life_cycle.longest_days * DAY_MS
        low, high = 0, self.config.orders
        while low < high:
            middle = (low + high) // 2
            moment = self.demand.moments(np.array([middle], dtype=np.int64), self.config.orders)[0]
            low, high = (middle + 1, high) if moment < begin else (low, middle)
        return low

    def history(self, size: int = _BLOCK) -> Iterator[tuple[Block, Events]]:
        """The orders of history, and with each block the steps that can be told by then, in the order they happened.

        Over all blocks the steps rise by (time, order, version) and end before the period does.
        """
        pending = Events.none()
        end = self.config.parameters.period.end_ms
        total = self.config.orders
        for block in self.blocks(size):
            own = self.life_cycle.events(block)
            pending = Events.concatenate([pending, own.take(own.time_ms < end)])
            pending = pending.take(np.argsort(pending.time_ms, kind="stable"))
            following = int(block.row[-1]) + 1
            until = end
            if following < total:
                until = int(self.demand.moments(np.array([following], dtype=np.int64), total)[0])
            ready = int(np.searchsorted(pending.time_ms, until, side="left"))
            yield block, pending.take(np.arange(ready))
            pending = pending.take(np.arange(ready, len(pending)))


def generate(
    config: ShopConfig,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    kept: Keep | None = None,
    accept: Accept | None = None,
) -> Manifest:
    """Make the shop's history as CSV files in the folder `out`, which appears whole or not at all.

    A folder that already holds exactly this is left as it is. A folder with other generated files is replaced.

    Args:
        config: the shop.
        out: the folder.
        overwrite: CSV files that are somebody's own are moved into a dated folder beside it, instead of being refused.
        progress: see Progress.
        kept: called with the folder into which they were moved.
        accept: called with the new files before they replace others; what it raises leaves those as they are.

    Raises:
        OwnFilesError: the folder holds files that the generator did not write, or that were changed since.
        ShopError: the folder cannot be written.
    """
    close_generated(out)
    already = manifests.holds(out, config)
    if already is not None:
        return already
    with replaced_folder(out, overwrite=overwrite, kept=kept, accept=accept) as folder:
        files = _write_history(Shop(config), folder, progress or _silent)
        manifest = Manifest(manifests.GENERATOR, manifests.config_values(config), files, config.dirty > 0)
        _write_durably(folder / manifests.FILE, manifest.to_json())
    return manifest


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _write_history(shop: Shop, folder: Path, progress: Progress) -> dict[str, FileFacts]:
    config = shop.config
    injectors = {table.name: FaultInjector(table, shop.rng, config.dirty) for table in TABLES if config.dirty}
    writers = {table.name: CsvWriter(folder / table.file, table, injectors.get(table.name)) for table in TABLES}
    # One thread writes while this one makes the next block: Arrow and hashlib let go of the interpreter.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="csv") as pool:
        queue = _Queue(pool)
        queue.put(writers[SUPPLIERS.name], suppliers_table(config.parameters))
        queue.put(writers[PRODUCTS.name], shop.catalogue.table())
        for start in range(0, config.customers, _BLOCK):
            stop = min(start + _BLOCK, config.customers)
            queue.put(writers[CUSTOMERS.name], shop.customers.table(start, stop))
            progress("customers", stop, config.customers)
        for block, events in shop.history():
            queue.put(writers[ORDERS.name], shop.orders.orders_table(block))
            queue.put(writers[ORDER_LINES.name], shop.orders.lines_table(block))
            queue.put(writers[ORDER_EVENTS.name], shop.life_cycle.table(events))
            progress("orders", int(block.row[-1]) + 1, config.orders)
        queue.drain()
    files = {table.file: writers[table.name].close() for table in TABLES}
    if injectors:
        text = truth_text(fault for table in TABLES for fault in injectors[table.name].faults)
        _write_durably(folder / TRUTH_FILE, text)
        data = text.encode()
        files[TRUTH_FILE] = FileFacts(text.count("\n") - 1, len(data), hashlib.sha256(data).hexdigest())
    return files


class _Queue:
    """Writes in the background, few at a time, in order; a failed one fails here."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: list[Future[None]] = []

    def put(self, writer: CsvWriter, rows: pa.Table) -> None:
        self._waiting.append(self._pool.submit(writer.write, rows))
        if len(self._waiting) > _WRITES_AHEAD:
            self._waiting.pop(0).result()

    def drain(self) -> None:
        while self._waiting:
            self._waiting.pop(0).result()


def _write_durably(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
