"""Data sets: what tells one folder of CSV files from another, and whether two of them share identifiers.

An identifier alone says little: every shop has an order 1. Two records with one identifier are the same when what never
changes of them agrees (when and by whom an order was placed, when a customer signed up), and, in the same version, the
rest as well; of a customer's name and e-mail a hash is compared, because records are stored. A sample decides, because
a folder may hold millions: the identifiers whose hashes are the smallest. It takes the same identifiers from two
folders that share them, and covers a folder evenly.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropship_dagster.shop.contract import CUSTOMERS, ORDERS, PRODUCTS, TABLES, Table
from dropship_dagster.shop.errors import ShopError
from dropship_dagster.shop.manifest import Manifest, file_digest
from dropship_dagster.shop.ownership import generated_manifest
from dropship_dagster.shop.parts import known_before, tables_of
from dropship_dagster.shop.reading import read_batches
from dropship_dagster.shop.rejects import Rejects

SAMPLED = 2_000
"""Identifiers of each kind. Of two folders that share one in 200 with other content, 2,000 miss all in one of 22,000
cases (0.995 ** 2000); staging rejects what a sample misses, event by event."""

ANOTHER_SHARE = 0.1
"""With a larger share of differing records, it is another data set; a smaller one is a shop with corrected rows."""

_ENTITIES = (ORDERS, PRODUCTS, CUSTOMERS)
_MIX = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: spreads what CRC-32 keeps close together

_HASH = ", name and e-mail of hash "
_HASH_DIGITS = 16

Key = tuple[str, str]
"""The kind of a record (orders, products, customers) and its identifier."""


@dataclass(frozen=True)
class Record:
    """An identifier and what tells whose it is.

    Attributes:
        entity: orders, products or customers.
        id: the identifier.
        version: the version that `detail` is of; 0 where it is not known.
        lasting: what no version changes.
        detail: what a version may change. No names or addresses: it is recorded in the warehouse.
        content: hash of what else a version may change; empty where there is nothing else, or it is not known.
    """

    entity: str
    id: str
    version: int
    lasting: str
    detail: str
    content: str = ""

    @classmethod
    def recorded(cls, entity: str, name: str, version: int, lasting: str, recorded_detail: str) -> Record:
        """A record as the warehouse keeps it; before hashes were kept, it ended with `detail`."""
        detail, _, content = recorded_detail.partition(_HASH)
        return cls(entity, name, version, lasting, detail, content)

    @property
    def recorded_detail(self) -> str:
        """`detail` and `content` as the warehouse keeps them."""
        return f"{self.detail}{_HASH}{self.content}" if self.content else self.detail

    @property
    def key(self) -> Key:
        """Kind and identifier."""
        return self.entity, self.id

    @property
    def words(self) -> str:
        """The content in a sentence."""
        return ", ".join(part for part in (self.lasting, self.recorded_detail) if part)

    def agrees(self, other: Record) -> bool:
        """Whether both may be the same record."""
        if self.lasting != other.lasting:
            return False
        if self.version != other.version:
            return True
        both_hashed = self.content and other.content
        return self.detail == other.detail and (not both_hashed or self.content == other.content)


@dataclass(frozen=True)
class DataSet:
    """A folder of CSV files, or the stream that goes on from it.

    Attributes:
        fingerprint: hash over the content of the CSV files.
        kind: generated, own or stream.
        label: its name in sentences.
        folder: where it is.
        sample: records of it, see `SAMPLED`.
        orders_alone: customers and products are those of a data set that was sent before.
    """

    fingerprint: str
    kind: str
    label: str
    folder: Path
    sample: tuple[Record, ...]
    orders_alone: bool = False


@dataclass(frozen=True)
class Difference:
    """Records of one kind that two data sets share: how many were compared, how many differ, and an example."""

    entity: str
    compared: int
    differing: int
    ours: Record
    theirs: Record

    @property
    def is_another(self) -> bool:
        """Whether so many differ that it is another data set, not one with corrected rows."""
        return self.differing > ANOTHER_SHARE * self.compared

    @property
    def words(self) -> str:
        """The example with both contents, and the count."""
        one = self.entity.removesuffix("s")
        return (
            f"{one} {self.ours.id} is {self.theirs.words!r} there and {self.ours.words!r} here "
            f"({self.differing:,} of {self.compared:,} compared {self.entity} differ)"
        )


def order(order_id: str, customer_id: str, placed_at: object, total: object) -> Record:
    """An order as it was placed, which no version changes."""
    return Record("orders", order_id, 1, f"placed {_time(placed_at)} by {customer_id}, total {_amount(total)}", "")


def customer(
    customer_id: str,
    version: int,
    signed_up_at: object,
    city: str | None,
    country: str | None,
    name: str | None,
    email: str | None,
) -> Record:
    """A customer; where the version is 0, without what a version may change."""
    detail, content = (f"{city}, {country}", _hash(customer_id, name, email)) if version else ("", "")
    return Record("customers", customer_id, version, f"signed up {_time(signed_up_at)}", detail, content)


def product(product_id: str, version: int, created_at: object, name: str | None, price: object) -> Record:
    """A product; without name and price where the version is 0."""
    detail = f"{name}, price {_amount(price)}" if version else ""
    return Record("products", product_id, version, f"created {_time(created_at)}", detail)


def data_set(folder: Path) -> DataSet:
    """What a folder holds. Reads its files once more than whoever sends them: about a second for a million orders.

    Raises:
        ShopError: a file is missing, unreadable, or has other columns.
    """
    manifest = generated_manifest(folder)
    sample: list[Record] = []
    for table in _tables(folder):
        sample += _records(table, _sampled(folder, table, manifest))
    return DataSet(
        fingerprint=_fingerprint(folder, manifest),
        kind="own" if manifest is None else "generated",
        label=_label(folder, manifest),
        folder=folder,
        sample=tuple(sample),
        orders_alone=bool(known_before(folder)),
    )


def stream_of(seeds: DataSet) -> DataSet:
    """The stream that goes on from a generated folder."""
    return replace(seeds, kind="stream", label=f"the stream of {seeds.label}")


def records_of(folder: Path, keys: Collection[Key]) -> list[Record]:
    """The folder's records of these identifiers, as far as it holds them. Raises as `data_set`."""
    found: list[Record] = []
    for table in _tables(folder):
        ids = pa.array(sorted(name for entity, name in keys if entity == table.name), pa.string())
        if len(ids):
            for batch in read_batches(folder, table, Rejects()):
                wanted = pc.is_in(batch.rows[table.key[0]], value_set=ids)
                found += _records(table, batch.rows.filter(wanted))
    return found


def differences(ours: Iterable[Record], theirs: Iterable[Record]) -> list[Difference]:
    """For each kind of record, what is shared and differs; orders first.

    There may be several of theirs for one identifier, of several data sets: ours is fine when one of them agrees.
    """
    known: dict[Key, list[Record]] = {}
    for record in theirs:
        known.setdefault(record.key, []).append(record)
    known = {key: _with_hashes(records) for key, records in known.items()}
    compared: dict[str, int] = {}
    differing: dict[str, list[Record]] = {}
    for record in ours:
        others = known.get(record.key)
        if others is not None:
            compared[record.entity] = compared.get(record.entity, 0) + 1
            if not any(record.agrees(other) for other in others):
                differing.setdefault(record.entity, []).append(record)
    found = []
    for table in _ENTITIES:
        if table.name in differing:
            example = min(differing[table.name], key=lambda record: record.id)
            there = known[example.key][0]
            found.append(Difference(table.name, compared[table.name], len(differing[table.name]), example, there))
    return found


def _with_hashes(records: list[Record]) -> list[Record]:
    """Without those that are there with a hash as well: recorded before hashes were kept, they tell less."""
    hashed = {replace(record, content="") for record in records if record.content}
    return [record for record in records if record not in hashed]


def _tables(folder: Path) -> list[Table]:
    held = tables_of(folder)
    return [table for table in _ENTITIES if table in held]


def _fingerprint(folder: Path, manifest: Manifest | None) -> str:
    """The same for the same content, with a manifest and without."""
    digest = hashlib.sha256()
    held = tables_of(folder)
    for table in TABLES:
        if table in held:
            try:
                of_file = manifest.files[table.file].sha256 if manifest else file_digest(folder / table.file)
            except OSError as error:
                raise ShopError(f"{folder / table.file} cannot be read ({error.strerror}): name a folder.") from error
            digest.update(f"{table.file} {of_file}\n".encode())
    return digest.hexdigest()


def _label(folder: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        return f"the shop of the CSV files in {folder.name}/"
    values = manifest.config
    dirty = f", {values['dirty']:.1%} dirty" if values.get("dirty") else ""
    return (
        f"the generated shop of seed {values['seed']} ({values['customers']:,} customers, {values['products']:,} "
        f"products, {values['orders']:,} orders{dirty})"
    )


def _sampled(folder: Path, table: Table, manifest: Manifest | None) -> pa.Table:
    """The rows whose identifiers have the smallest hashes, in bounded memory."""
    columns = list(_COLUMNS[table.name])
    plain = manifest is not None and not manifest.arrival_order  # its bytes were compared with the manifest
    kept: pa.Table | None = None
    hashes = np.empty(0, dtype=np.uint64)
    for batch in read_batches(folder, table, Rejects(), known_good=plain):
        rows = batch.rows.select(columns)
        kept = rows if kept is None else pa.concat_tables([kept, rows])
        hashes = np.concatenate([hashes, _hashes(rows[table.key[0]])])
        if len(hashes) > SAMPLED:
            smallest = np.sort(np.argpartition(hashes, SAMPLED)[:SAMPLED])
            kept, hashes = kept.take(pa.array(smallest)).combine_chunks(), hashes[smallest]
    return table.schema.empty_table() if kept is None else kept


def _hashes(ids: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.uint64]]:
    values = ids.cast(pa.binary()).to_pylist()
    return np.fromiter(map(zlib.crc32, values), dtype=np.uint64, count=len(values)) * _MIX


_COLUMNS: Mapping[str, tuple[str, ...]] = {
    ORDERS.name: ("order_id", "customer_id", "ordered_at", "total"),
    PRODUCTS.name: ("product_id", "version", "created_at", "name", "price"),
    CUSTOMERS.name: ("customer_id", "version", "signed_up_at", "city", "country", "name", "email"),
}
"""By file, the arguments of `order`, `product` and `customer`."""


def _records(table: Table, rows: pa.Table) -> list[Record]:
    columns = [rows[name].to_pylist() for name in _COLUMNS[table.name]]
    if table is ORDERS:
        return [order(*values) for values in zip(*columns, strict=True)]
    make = product if table is PRODUCTS else customer
    return [make(key, int(version), *rest) for key, version, *rest in zip(*columns, strict=True)]


def _time(value: object) -> str:
    """A time as the contract writes it; times without a zone are UTC."""
    if not isinstance(value, dt.datetime):
        return str(value)
    utc = value if value.tzinfo is None else value.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _hash(*values: str | None) -> str:
    """The identifier is one of the values: equal names of two customers have different hashes."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:_HASH_DIGITS]


def _amount(value: object) -> str:
    return f"{Decimal(str(value)):.2f}"
