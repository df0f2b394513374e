"""What happens to an order after it was placed: payment, dispatch, delivery, cancellation, return."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dropship_dagster.shop.catalogue import Catalogue
from dropship_dagster.shop.config import Parameters
from dropship_dagster.shop.contract import EVENT_TYPES, ORDER_EVENTS, TIMESTAMP
from dropship_dagster.shop.orders import Block, Orders
from dropship_dagster.shop.rng import Choice, Floats, Ints, Rng
from dropship_dagster.shop.text import (
    DAY_MS,
    HOUR_MS,
    ORDER_DIGITS,
    decimals,
    digits_of,
    fixed_width,
    identifiers,
    labels,
)

PLACED, PAID, SHIPPED, DELIVERED, CANCELLED, RETURNED = range(len(EVENT_TYPES))

_SYSTEM_REASONS = ("payment_failed", "out_of_stock")
_LATE_REASON = "arrived_late"
_TRACKING_DIGITS = 12
_TRACKING_STEP = 618_033_988_749  # coprime to 10: consecutive orders get distinct, scattered numbers
_SUNDAY = 3  # 1970-01-01, day 0, was a Thursday

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Events:
    """Steps of orders: row of the order, version, type, epoch ms; -1 where a step carries nothing."""

    order: Ints
    version: Ints
    type: Ints
    time_ms: Ints
    carrier: Ints
    reason: Ints
    refunded: Ints

    def __len__(self) -> int:
        return len(self.order)

    def take(self, chosen: Ints | Mask) -> Events:
        """The chosen steps."""
        return Events(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @staticmethod
    def concatenate(parts: list[Events]) -> Events:
        """The steps of all parts, one part after the other."""
        return Events(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Events)}
        )

    @staticmethod
    def none() -> Events:
        """No steps."""
        return Events(**{field.name: np.empty(0, dtype=np.int64) for field in fields(Events)})


class LifeCycle:
    """Decides the life of orders; like the orders themselves a pure function of seed and row."""

    def __init__(self, parameters: Parameters, rng: Rng, catalogue: Catalogue, orders: Orders) -> None:
        self._rules = parameters.life_cycle
        self._rng = rng
        self._catalogue = catalogue
        self._orders = orders
        suppliers = parameters.suppliers
        self._lead_days: Ints = np.array([entry.lead_time_days for entry in suppliers], dtype=np.int64)
        self._reliability: Floats = np.array([entry.reliability / 100.0 for entry in suppliers])
        self._window: Ints = np.array([entry.return_window_days for entry in suppliers], dtype=np.int64)
        self._haul: Ints = np.array([entry.haul for entry in suppliers], dtype=np.int64)
        self._returns: Floats = np.array([entry.returns / 100.0 for entry in parameters.categories])
        self._payment_delay: Ints = np.array(
            [parameters.payment_delays[name] for name in orders.payments], dtype=np.int64
        )
        self._cancel_choice = Choice(list(self._rules.cancel_reasons.values()))
        self._return_choice = Choice(list(self._rules.return_reasons.values()))
        names = dict.fromkeys(
            [*_SYSTEM_REASONS, _LATE_REASON, *self._rules.cancel_reasons, *self._rules.return_reasons]
        )
        self.reasons = list(names)
        self._cancel_reason: Ints = np.array(
            [self.reasons.index(name) for name in self._rules.cancel_reasons], dtype=np.int64
        )
        self._return_reason: Ints = np.array(
            [self.reasons.index(name) for name in self._rules.return_reasons], dtype=np.int64
        )
        self._prefix = np.frombuffer("".join(_prefixes(orders.carriers)).encode(), dtype=np.uint8).reshape(-1, 2)

    @property
    def longest_days(self) -> int:
        """No life lasts longer, in days."""
        payment = int(self._payment_delay.max()) // 86_400 + 1
        carrier = int(self._orders.carrier_days.max())
        slowest = int((self._lead_days * 3 + self._haul[:, 1] + self._window).max())
        return payment + carrier + slowest + 7

    def events(self, block: Block) -> Events:
        """All steps of the block's orders, order by order, versions rising."""
        rng, rules, rows = self._rng, self._rules, block.row
        fails = rng.chance("life.fails", rows, rules.never_paid)
        paid = self._paid(block)
        shipped = self._shipped(block, paid)
        delivered = self._delivered(block, shipped)
        unreliable = (1.0 - self._reliability[block.supplier]) * rules.unreliable_cancels
        out_of_stock = ~fails & rng.chance("life.stock", rows, unreliable)
        withdrawn = ~fails & ~out_of_stock & rng.chance("life.withdrawn", rows, rules.customer_cancels)
        cancelled = fails | out_of_stock | withdrawn
        lost = rng.chance("life.lost", rows, rules.lost_parcels)
        arrived = ~cancelled & ~lost
        late = delivered > block.promised_ms
        comes_back = arrived & self._comes_back(block, late)

        waited = rng.fractions("life.cancelled", rows)
        cancelled_ms = np.where(
            fails,
            block.placed_ms + HOUR_MS + (waited * (23 * HOUR_MS)).astype(np.int64),
            paid + 1 + (waited * np.maximum(shipped - paid - 2, 0)).astype(np.int64),
        )
        reason = np.where(fails, 0, 1)
        reason[withdrawn] = self._cancel_reason[rng.choose("life.cancel_reason", rows[withdrawn], self._cancel_choice)]
        return _interleave(
            block,
            {
                PLACED: (block.placed_ms, np.ones(len(rows), dtype=bool)),
                PAID: (paid, ~fails),
                SHIPPED: (shipped, ~cancelled),
                DELIVERED: (delivered, arrived),
                CANCELLED: (cancelled_ms, cancelled),
                RETURNED: (self._returned(block, delivered), comes_back),
            },
            cancel_reason=reason,
            return_reason=self._return_reasons(block, late),
            cancel_refund=np.where(fails, 0, block.total),
            return_refund=self._refunds(block),
        )

    def table(self, events: Events) -> pa.Table:
        """Steps as rows of order_events.csv, by the contract."""
        columns = [
            identifiers("O", events.order + 1, ORDER_DIGITS),
            pa.array(events.version),
            labels(events.type, EVENT_TYPES),
            pa.array(events.time_ms, TIMESTAMP),
            labels(events.carrier, self._orders.carriers),
            self._tracking_numbers(events),
            labels(events.reason, self.reasons),
            decimals(events.refunded, 2, nulls=events.refunded < 0),
        ]
        return pa.table(columns, names=ORDER_EVENTS.names)

    def _paid(self, block: Block) -> Ints:
        low, high = self._payment_delay[block.payment, 0], self._payment_delay[block.payment, 1]
        fraction = self._rng.fractions("life.paid", block.row)
        paid: Ints = block.placed_ms + 1 + low * 1000 + (fraction * fraction * (high - low) * 1000.0).astype(np.int64)
        return paid

    def _shipped(self, block: Block, paid: Ints) -> Ints:
        """Within the lead time when the supplier keeps its word, else up to twice that and a day."""
        lead = np.maximum(self._lead_days[block.supplier], 1) * DAY_MS
        on_time = self._rng.chance("life.reliable", block.row, self._reliability[block.supplier])
        fraction = self._rng.fractions("life.shipped", block.row)
        share = np.where(on_time, 0.25 + 0.65 * fraction, 1.1 + 1.1 * fraction)
        ready = paid + (share * lead).astype(np.int64) + np.where(on_time, 0, DAY_MS)
        return self._in_hours("life.ship_hour", block.row, ready, 8, 10)

    def _delivered(self, block: Block, shipped: Ints) -> Ints:
        days = self._orders.carrier_days[block.market, block.carrier]
        haul = self._haul[block.supplier]
        transit = days[:, 0] + self._rng.below("life.transit", block.row, days[:, 1] - days[:, 0] + 1)
        transit += haul[:, 0] + self._rng.below("life.haul", block.row, haul[:, 1] - haul[:, 0] + 1)
        return self._in_hours(
            "life.door_hour", block.row, shipped + np.maximum(transit, 1) * DAY_MS - 12 * HOUR_MS, 9, 10
        )

    def _in_hours(self, column: str, rows: Ints, after: Ints, opens: int, hours: int) -> Ints:
        """The first moment within the opening hours (UTC) of a day but Sunday that does not lie before `after`."""
        moment = opens * HOUR_MS + (self._rng.fractions(column, rows) * (hours * HOUR_MS)).astype(np.int64)
        day = after // DAY_MS
        day += after - day * DAY_MS > moment
        day += (day - _SUNDAY) % 7 == 0
        within: Ints = day * DAY_MS + moment
        return within

    def _comes_back(self, block: Block, late: Mask) -> Mask:
        """By the sub-category that is returned most among the order's lines."""
        share = np.maximum.reduceat(self._returns[self._catalogue.category[block.line_product]], block.first_line)
        share = share * np.where(late, self._rules.late_return_factor, 1.0)
        return self._rng.chance("life.returned", block.row, share)

    def _returned(self, block: Block, delivered: Ints) -> Ints:
        """When the refund is made: within the return window of the order's slowest supplier."""
        window = self._window[block.supplier] * DAY_MS - HOUR_MS
        fraction = self._rng.fractions("life.return_day", block.row)
        returned: Ints = delivered + HOUR_MS + (fraction * (window - HOUR_MS)).astype(np.int64)
        return returned

    def _return_reasons(self, block: Block, late: Mask) -> Ints:
        reason = self._return_reason[self._rng.choose("life.return_reason", block.row, self._return_choice)]
        arrived_late = self.reasons.index(_LATE_REASON)
        punctual = (reason == arrived_late) & ~late
        reason[punctual] = self._return_reason[0] if self._return_reason[0] != arrived_late else arrived_late
        return reason

    def _refunds(self, block: Block) -> Ints:
        """What was paid for the goods; of several lines sometimes the first alone, with its share of the discount."""
        goods = block.total - block.fee
        lines = np.diff(np.append(block.first_line, len(block.line_order)))
        partial = (lines > 1) & self._rng.chance("life.partial", block.row, self._rules.partial_returns)
        first = block.line_price[block.first_line] * block.line_quantity[block.first_line]
        subtotal = goods + block.discount
        return np.where(partial, first * goods // np.maximum(subtotal, 1), goods)

    def _tracking_numbers(self, events: Events) -> pa.Array:
        """Two letters of the carrier and twelve digits, distinct for every order; NULL but for dispatches."""
        none = events.carrier < 0
        numbers = (events.order + 1) * _TRACKING_STEP % 10**_TRACKING_DIGITS
        rows = np.empty((len(events), 2 + _TRACKING_DIGITS), dtype=np.uint8)
        rows[:, :2] = self._prefix[events.carrier]
        rows[:, 2:] = digits_of(numbers, _TRACKING_DIGITS)
        full = fixed_width(rows)
        return pa.StringArray.from_buffers(
            len(events), full.buffers()[1], full.buffers()[2], pa.py_buffer(np.packbits(~none, bitorder="little"))
        )


def _prefixes(carriers: list[str]) -> list[str]:
    """Two capitals a carrier, of its name."""
    letters = ["".join(letter for letter in name.upper() if letter.isascii() and letter.isalpha()) for name in carriers]
    return [(word + "XX")[:2] for word in letters]


def _interleave(
    block: Block,
    steps: dict[int, tuple[Ints, Mask]],
    *,
    cancel_reason: Ints,
    return_reason: Ints,
    cancel_refund: Ints,
    return_refund: Ints,
) -> Events:
    """The steps of an order one after the other: the dictionary's order is the order in which they can happen."""
    happens = np.stack([mask for _, mask in steps.values()], axis=1)
    moments = np.stack([moment for moment, _ in steps.values()], axis=1)
    version: Ints = np.cumsum(happens, axis=1, dtype=np.int64)
    order, column = np.nonzero(happens)
    kind = np.array(list(steps), dtype=np.int64)[column]
    cancelled, returned = kind == CANCELLED, kind == RETURNED
    reason = np.full(len(order), -1, dtype=np.int64)
    reason[cancelled] = cancel_reason[order[cancelled]]
    reason[returned] = return_reason[order[returned]]
    refunded = np.full(len(order), -1, dtype=np.int64)
    refunded[cancelled] = cancel_refund[order[cancelled]]
    refunded[returned] = return_refund[order[returned]]
    return Events(
        order=block.row[order],
        version=version[order, column],
        type=kind,
        time_ms=moments[order, column],
        carrier=np.where(kind == SHIPPED, block.carrier[order], -1),
        reason=reason,
        refunded=refunded,
    )
