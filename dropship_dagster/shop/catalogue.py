"""Suppliers and products: what is sold, by whom, for how much, and how well."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dropship_dagster.shop.config import Category, Parameters
from dropship_dagster.shop.contract import PRODUCTS, SUPPLIERS, TIMESTAMP
from dropship_dagster.shop.rng import Choice, Ints, Rng
from dropship_dagster.shop.text import DAY_MS, PRODUCT_DIGITS, SUPPLIER_DIGITS, decimals, identifiers, labels

_SALES_UNIT = 100_000_000
_LAUNCH_DAYS = 300


def suppliers_table(parameters: Parameters) -> pa.Table:
    """All suppliers, by the contract."""
    suppliers = parameters.suppliers
    return pa.table(
        [
            identifiers("S", np.arange(1, len(suppliers) + 1, dtype=np.int64), SUPPLIER_DIGITS),
            pa.array([supplier.name for supplier in suppliers]),
            pa.array([supplier.country for supplier in suppliers]),
            pa.array([supplier.lead_time_days for supplier in suppliers], pa.int64()),
            decimals(np.array([supplier.reliability * 10 for supplier in suppliers], dtype=np.int64), 3, precision=5),
            pa.array([supplier.return_window_days for supplier in suppliers], pa.int64()),
        ],
        names=SUPPLIERS.names,
    )


class Catalogue:
    """All products, by their index (product P00001 has index 0). About 60 bytes a product, and 96 for the months."""

    def __init__(self, parameters: Parameters, rng: Rng, count: int) -> None:
        self.count = count
        self._parameters = parameters
        self._rng = rng
        rows: Ints = np.arange(count, dtype=np.int64)
        categories = parameters.categories
        self.category = rng.choose("product.category", rows, Choice([entry.share for entry in categories]))
        self.supplier = rng.choose("product.supplier", rows, Choice([entry.share for entry in parameters.suppliers]))
        self.price = _prices(rng, rows, self.category, categories)
        self.cost = self._costs(rows)
        low, high = parameters.products.stock
        self.stock = low + rng.below("product.stock", rows, high - low + 1)
        self.created_ms = self._created(rows)
        runs = list(parameters.size_runs)
        self._run = np.array([runs.index(entry.sizes) for entry in categories], dtype=np.int64)[self.category]
        self._size_choice = Choice(*[list(run.values()) for run in parameters.size_runs.values()])
        self.sizes = [size for run in parameters.size_runs.values() for size in run]
        starts = np.cumsum([0, *(len(run) for run in parameters.size_runs.values())])
        self._first_size: Ints = starts[:-1].astype(np.int64)
        self._popularity = self._popularities(rows)
        self._season = np.array([entry.months for entry in categories], dtype=np.int64)
        self._on_sale: dict[int, Ints] = {}

    def sold(self, rng: Rng, line_rows: Ints, month: int) -> Ints:
        """The products of these lines, ordered in the given month (counted from 1970-01), as they sell then."""
        before = self._on_sale.get(month)
        if before is None:
            before = self._on_sale[month] = self._weights_before(month)
        position = (rng.fractions("line.product", line_rows) * float(before[-1])).astype(np.int64)
        return np.minimum(np.searchsorted(before, position, side="right"), self.count - 1)

    def size_of(self, rng: Rng, line_rows: Ints, product: Ints) -> Ints:
        """The sizes sold, as indices into `sizes`."""
        run = self._run[product]
        return self._first_size[run] + rng.choose("line.size", line_rows, self._size_choice, run)

    def table(self) -> pa.Table:
        """All products, by the contract."""
        parameters, rng = self._parameters, self._rng
        rows: Ints = np.arange(self.count, dtype=np.int64)
        categories, products = parameters.categories, parameters.products
        material_count = np.array([len(entry.materials) for entry in categories], dtype=np.int64)
        material_start = np.cumsum(material_count) - material_count
        material = material_start[self.category] + rng.below("product.material", rows, material_count[self.category])
        materials = [name for entry in categories for name in entry.materials]
        line = rng.below("product.line", rows, len(products.lines))
        colour = rng.choose("product.colour", rows, Choice(list(products.colours.values())))
        subcategory = labels(self.category, [entry.subcategory for entry in categories])
        runs = ["|".join(run) for run in parameters.size_runs.values()]
        columns = [
            identifiers("P", rows + 1, PRODUCT_DIGITS),
            pc.binary_join_element_wise(
                labels(line, products.lines).cast(pa.string()),
                labels(material, materials).cast(pa.string()),
                pc.utf8_lower(subcategory.cast(pa.string())),
                " ",
            ),
            labels(self.category, [entry.category for entry in categories]),
            subcategory,
            labels(rng.below("product.brand", rows, len(products.brands)), products.brands),
            labels(material, materials),
            labels(colour, list(products.colours)),
            labels(self._run, runs),
            decimals(self.price, 2),
            decimals(self.cost, 2),
            identifiers("S", self.supplier + 1, SUPPLIER_DIGITS),
            pa.array(self.stock),
            pa.array(self.created_ms, TIMESTAMP),
            pa.array(np.ones(self.count, dtype=np.int64)),
        ]
        return pa.table(columns, names=PRODUCTS.names)

    def _costs(self, rows: Ints) -> Ints:
        """The supplier's share of the price, up to an eighth more or less, in cents."""
        percent = np.array([entry.cost_percent for entry in self._parameters.suppliers], dtype=np.int64)
        around = 875 + self._rng.below("product.cost", rows, 251)
        cost: Ints = self.price * percent[self.supplier] * around // 100_000
        return np.maximum(cost, 1)

    def _created(self, rows: Ints) -> Ints:
        """Most before history starts; the others spread over it. Product P00001 is always there."""
        products, period = self._parameters.products, self._parameters.period
        early = self._rng.chance("product.early", rows, products.launch_share)
        early[0] = True
        before = (
            period.start_ms
            - 1
            - (self._rng.fractions("product.created", rows) * (_LAUNCH_DAYS * DAY_MS)).astype(np.int64)
        )
        length = period.end_ms - period.start_ms
        during = period.start_ms + (self._rng.fractions("product.created", rows) * length).astype(np.int64)
        return np.where(early, before, during)

    def _popularities(self, rows: Ints) -> Ints:
        rank: Ints = np.empty(self.count, dtype=np.int64)
        rank[np.argsort(self._rng.bits("product.rank", rows), kind="stable")] = rows
        popularity: Ints = _SALES_UNIT // (rank + self._parameters.products.head)
        return popularity

    def _weights_before(self, month: int) -> Ints:
        """Summed weights of the products on sale when the month begins."""
        starts = int(np.datetime64(month, "M").astype("datetime64[ms]").astype(np.int64))
        first = max(starts, self._parameters.period.start_ms)
        weight = self._popularity * self._season[self.category, month % 12]
        weight[self.created_ms >= first] = 0
        if not weight.any():
            weight = np.where(self.created_ms < first, self._popularity, 0)
        return np.cumsum(weight, dtype=np.int64)


def _prices(rng: Rng, rows: Ints, category: Ints, categories: list[Category]) -> Ints:
    """Cents, nearer to the lower end, on the endings of the trade: .00, .50, .90, .95."""
    low = np.array([entry.price[0] for entry in categories], dtype=np.int64)[category]
    high = np.array([entry.price[1] for entry in categories], dtype=np.int64)[category]
    fraction = rng.fractions("product.price", rows)
    raw = low + (fraction * fraction * (high - low)).astype(np.int64)
    endings: Ints = np.array([0, 50, 90, 95], dtype=np.int64)
    ending = endings[rng.choose("product.ending", rows, Choice([20, 12, 48, 20]))]
    price: Ints = np.clip(raw // 100 * 100 + ending, low, high)
    return price
