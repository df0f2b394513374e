"""Orders and their lines, made a block at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from dropship_dagster.shop.catalogue import Catalogue
from dropship_dagster.shop.config import MAX_LINES, Parameters
from dropship_dagster.shop.contract import ORDER_LINES, ORDERS, TIMESTAMP
from dropship_dagster.shop.demand import SalesCalendar
from dropship_dagster.shop.people import Customers
from dropship_dagster.shop.rng import Choice, Floats, Ints, Rng
from dropship_dagster.shop.text import (
    CUSTOMER_DIGITS,
    DAY_MS,
    HOUR_MS,
    ORDER_DIGITS,
    PRODUCT_DIGITS,
    decimals,
    identifiers,
    labels,
)

_RATE_UNIT = 10_000
_PROMISE_HOUR = 18


@dataclass(frozen=True)
class Block:
    """Orders with consecutive rows (order O00000001 is row 0) and their lines; money in cents, times in epoch ms.

    `line_order` is the position of a line's order within the block; the lines of an order are adjacent.
    """

    row: Ints
    placed_ms: Ints
    customer: Ints
    market: Ints
    channel: Ints
    payment: Ints
    carrier: Ints
    code: Ints
    rate: Ints
    discount: Ints
    fee: Ints
    total: Ints
    promised_ms: Ints
    supplier: Ints
    first_line: Ints
    line_order: Ints
    line_no: Ints
    line_product: Ints
    line_size: Ints
    line_quantity: Ints
    line_price: Ints
    line_cost: Ints

    def __len__(self) -> int:
        return len(self.row)


class Orders:
    """Makes orders from their rows and moments: a pure function of both, whatever the block's size."""

    def __init__(self, parameters: Parameters, rng: Rng, customers: Customers, catalogue: Catalogue) -> None:
        self._parameters = parameters
        self._rng = rng
        self._customers = customers
        self._catalogue = catalogue
        self._sales = SalesCalendar(parameters)
        markets = parameters.countries
        self.payments = sorted({method for market in markets for method in market.payments})
        self._payment_choice = Choice(
            *[[market.payments.get(method, 0) for method in self.payments] for market in markets]
        )
        self.carriers = sorted({carrier.name for market in markets for carrier in market.carriers})
        self.codes = [*(sale.code for sale in parameters.sales), *(code.code for code in parameters.codes)]
        by_name = [{carrier.name: carrier for carrier in market.carriers} for market in markets]
        self._carrier_choice = Choice(
            *[[names[name].share if name in names else 0 for name in self.carriers] for names in by_name]
        )
        self.carrier_days: Ints = np.array(
            [[names[name].days if name in names else (0, 0) for name in self.carriers] for names in by_name],
            dtype=np.int64,
        )
        self._fee: Ints = np.array([market.fee for market in markets], dtype=np.int64)
        self._free_from: Ints = np.array([market.free_from for market in markets], dtype=np.int64)
        suppliers = parameters.suppliers
        self._lead_days: Ints = np.array([entry.lead_time_days for entry in suppliers], dtype=np.int64)
        self._haul: Ints = np.array([entry.haul for entry in suppliers], dtype=np.int64)
        self._percent: Ints = np.array(
            [*(sale.percent for sale in parameters.sales), *(code.percent for code in parameters.codes), 0],
            dtype=np.int64,
        )
        self._channels = list(parameters.orders.channels)
        self._channel_choice = Choice(list(parameters.orders.channels.values()))
        self._line_choice = Choice(parameters.orders.lines)
        self._quantity_choice = Choice(parameters.orders.quantities)

    def block(self, rows: Ints, placed_ms: Ints, registered: Ints | None = None) -> Block:
        """The orders with these rows, placed at these moments (rising); for `registered` see Customers.buyers."""
        rng, catalogue = self._rng, self._catalogue
        count = rng.choose("order.lines", rows, self._line_choice) + 1
        line_order = np.repeat(np.arange(len(rows), dtype=np.int64), count)
        first_line = np.cumsum(count) - count
        line_no = np.arange(len(line_order), dtype=np.int64) - first_line[line_order] + 1
        line_rows = rows[line_order] * MAX_LINES + line_no - 1
        product = self._products(line_rows, placed_ms[line_order])
        price, cost = catalogue.price[product], catalogue.cost[product]
        quantity = rng.choose("line.quantity", line_rows, self._quantity_choice) + 1

        customer = self._customers.buyers(rng, rows, placed_ms, registered)
        market = self._customers.market[customer].astype(np.int64)
        carrier = rng.choose("order.carrier", rows, self._carrier_choice, market)
        subtotal = np.add.reduceat(price * quantity, first_line)
        code = self._codes(rows, placed_ms)
        discount = (subtotal * self._percent[code] + 50) // 100
        fee = np.where(subtotal - discount >= self._free_from[market], 0, self._fee[market])
        supplier = self._slowest(catalogue.supplier[product], first_line, line_order)
        return Block(
            row=rows,
            placed_ms=placed_ms,
            customer=customer,
            market=market,
            channel=rng.choose("order.channel", rows, self._channel_choice),
            payment=rng.choose("order.payment", rows, self._payment_choice, market),
            carrier=carrier,
            code=code,
            rate=self._rates(placed_ms, market),
            discount=discount,
            fee=fee,
            total=subtotal - discount + fee,
            promised_ms=self._promises(placed_ms, supplier, self.carrier_days[market, carrier, 1]),
            supplier=supplier,
            first_line=first_line,
            line_order=line_order,
            line_no=line_no,
            line_product=product,
            line_size=catalogue.size_of(rng, line_rows, product),
            line_quantity=quantity,
            line_price=price,
            line_cost=cost,
        )

    def orders_table(self, block: Block) -> pa.Table:
        """The block's orders, by the contract."""
        markets = self._parameters.countries
        columns = [
            identifiers("O", block.row + 1, ORDER_DIGITS),
            identifiers("C", block.customer + 1, CUSTOMER_DIGITS),
            pa.array(block.placed_ms, TIMESTAMP),
            labels(block.channel, self._channels),
            labels(block.market, [market.code for market in markets]),
            labels(block.market, [market.currency for market in markets]),
            decimals(block.rate, 4),
            labels(block.payment, self.payments),
            labels(block.code, self.codes),
            decimals(block.discount, 2),
            decimals(block.fee, 2),
            decimals(block.total, 2),
            pa.array(block.promised_ms, TIMESTAMP),
        ]
        return pa.table(columns, names=ORDERS.names)

    def lines_table(self, block: Block) -> pa.Table:
        """The block's order lines, by the contract."""
        columns = [
            identifiers("O", block.row[block.line_order] + 1, ORDER_DIGITS),
            pa.array(block.line_no),
            identifiers("P", block.line_product + 1, PRODUCT_DIGITS),
            labels(block.line_size, self._catalogue.sizes),
            pa.array(block.line_quantity),
            decimals(block.line_price, 2),
            decimals(block.line_cost, 2),
        ]
        return pa.table(columns, names=ORDER_LINES.names)

    def _products(self, line_rows: Ints, placed_ms: Ints) -> Ints:
        """Lines rise in time, so each month of the block is one slice."""
        months = placed_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
        edges = [0, *(np.flatnonzero(np.diff(months)) + 1).tolist(), len(months)]
        parts = [self._catalogue.sold(self._rng, line_rows[a:b], int(months[a])) for a, b in pairwise(edges) if b > a]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def _codes(self, rows: Ints, placed_ms: Ints) -> Ints:
        """The code an order carries, or -1: that of the running sale first, else one that is always valid."""
        fraction = self._rng.fractions("order.code", rows)
        sale = self._sales.at(placed_ms)
        shares = np.array([*(sale.code_share for sale in self._parameters.sales), 0.0])
        reached: Floats = shares[sale]
        code = np.where(fraction < reached, sale, -1)
        for index, entry in enumerate(self._parameters.codes, start=len(self._parameters.sales)):
            chosen = (fraction >= reached) & (fraction < reached + entry.share)
            code[chosen] = index
            reached = reached + entry.share
        return code

    def _slowest(self, supplier: Ints, first_line: Ints, line_order: Ints) -> Ints:
        """The supplier of the order that takes longest to the carrier; of two alike, the first in the list."""
        slowness = (self._lead_days + self._haul[:, 1]) * len(self._lead_days) - np.arange(len(self._lead_days))
        slowest = np.maximum.reduceat(slowness[supplier], first_line)
        return (-slowest) % len(self._lead_days)

    def _rates(self, placed_ms: Ints, market: Ints) -> Ints:
        """Units of 0.0001 for 1 EUR on the day: a start value that drifts from week to week."""
        markets = self._parameters.countries
        start = np.array([entry.rate.at_start if entry.rate else 1.0 for entry in markets])[market]
        drift = np.array([entry.rate.drift if entry.rate else 0.0 for entry in markets])[market]
        day = placed_ms // DAY_MS
        week = day // 7
        key = week * 1024 + market
        here = self._rng.fractions("rate.week", key)
        there = self._rng.fractions("rate.week", key + 1024)
        level = here + (there - here) * ((day - week * 7) / 7.0)
        return np.maximum((start * (1.0 + drift * (level * 2.0 - 1.0)) * _RATE_UNIT + 0.5).astype(np.int64), 1)

    def _promises(self, placed_ms: Ints, supplier: Ints, carrier_days: Ints) -> Ints:
        """The evening of the day by which slowest supplier, haul and carrier are done, and a day to spare."""
        days = self._lead_days[supplier] + self._haul[supplier, 1] + carrier_days + 1
        promised: Ints = (placed_ms // DAY_MS + days) * DAY_MS + _PROMISE_HOUR * HOUR_MS
        return promised
