"""The shop going on after its history: a state, and the next messages as a pure function of it.

Time is cut into intervals of about a second, each with a number of slots. A slot carries one event. How many there
are is decided in one of two ways:

- In a time-lapse the shop's clock goes `Pace.clock` times as fast as ours, and what happens in the interval is what
  happens in that time of the shop: orders and customers come by history's demand, which goes on, and orders live as
  long as in history.
- At a rate, for load tests, the interval has as many slots as the rate wants. A slot carries the step of an order that
  has been due longest, a product whose stock has changed, or else a new order or a new customer.

Either way the same state, seed and pace give the same bytes, on any machine and after any kill.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from dropship_dagster.shop.catalogue import suppliers_table
from dropship_dagster.shop.contract import CUSTOMERS, ORDER_EVENTS, ORDER_LINES, ORDERS, PRODUCTS, SUPPLIERS
from dropship_dagster.shop.history import Shop
from dropship_dagster.shop.lifecycle import PLACED, Events
from dropship_dagster.shop.orders import Block
from dropship_dagster.shop.rng import Floats, Ints
from dropship_dagster.shop.text import HOUR_MS
from dropship_dagster.stream.events import (
    Messages,
    customer_messages,
    order_bodies,
    order_event_messages,
    product_messages,
)

_SECOND_US = 1_000_000


@dataclass(frozen=True)
class Pace:
    """Either a time-lapse: `clock` shop seconds a second, no rate and lives of their own length. Or a rate.

    rate: events a second on average. daily_curve: whether the hours of the day differ. life_cycle_speed: how fast
    orders live. clock: 0 at a rate.
    """

    rate: float
    daily_curve: bool
    life_cycle_speed: float
    clock: float = 0.0

    @property
    def speed(self) -> float:
        """Shop seconds a second: at a rate the shop's clock goes as fast as ours."""
        return self.clock or 1.0


def time_lapse(clock: float) -> Pace:
    """The pace of a shop whose clock goes so many times as fast as ours."""
    return Pace(0.0, daily_curve=False, life_cycle_speed=1.0, clock=clock)


@dataclass(frozen=True)
class State:
    """The shop at a moment: its clock, the row of the next order, how many customers there are, its products.

    `waiting` are the steps that are to come, by the moment they are due (epoch ms).
    `announced` are products (indices) whose stock has changed and is still to be told.
    """

    clock_us: int
    next_row: int
    customers: int
    waiting: Events
    stock: Ints
    version: Ints
    announced: Ints


@dataclass(frozen=True)
class Interval:
    """The messages of an interval and the slot of each; `state` is the one afterwards.

    due: for each slot the seconds after the interval's begin at which it is due, and last the interval's length.
    """

    orders: Messages
    order_slots: Ints
    products: Messages
    product_slots: Ints
    customers: Messages
    customer_slots: Ints
    due: Floats
    state: State

    @property
    def slots(self) -> int:
        """How many events there are."""
        return len(self.due) - 1

    @property
    def rate(self) -> float:
        """Slots a second."""
        return float(self.slots / self.due[-1])


class Simulation:
    """Makes intervals for one shop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._parameters = shop.config.parameters
        self._suppliers = suppliers_table(self._parameters).cast(SUPPLIERS.schema)
        self._products = shop.catalogue.table().cast(PRODUCTS.schema)

    def first_state(self, life_cycle_speed: float) -> State:
        """The shop where its history ends: open orders go on, at the stream's speed."""
        shop, end = self._shop, self._parameters.period.end_ms
        waiting = shop.open_events()
        due = end + ((waiting.time_ms - end) / life_cycle_speed).astype(np.int64)
        return State(
            clock_us=end * 1000,
            next_row=shop.config.orders,
            customers=shop.config.customers,
            waiting=replace(waiting, time_ms=due),
            stock=shop.catalogue.stock.copy(),
            version=np.ones(shop.catalogue.count, dtype=np.int64),
            announced=np.empty(0, dtype=np.int64),
        )

    def next_interval(self, state: State, pace: Pace) -> Interval:
        """What happens in about the next second."""
        if pace.clock:
            return self._by_demand(state, pace.clock)
        rate = self._rate(state.clock_us, pace)
        slots = max(1, round(rate))
        slot_us = state.clock_us + (np.arange(slots) * (_SECOND_US / rate)).astype(np.int64)
        slot_ms: Ints = slot_us // 1000

        told = state.announced[:slots]
        used = len(told)
        steps, step_slots = _due_steps(state.waiting, slot_ms, used)
        free = np.ones(slots, dtype=bool)
        free[:used] = False
        free[step_slots] = False
        free_slots = np.flatnonzero(free)
        # Orders and customers are never more than the free slots there were: their sum numbers the slot.
        number = state.next_row + state.customers + np.arange(len(free_slots), dtype=np.int64)
        signs_up = self._shop.order_rng.chance("stream.signs_up", number, self._parameters.stream.sign_up_share)
        customer_slots, order_slots = free_slots[signs_up], free_slots[~signs_up]
        customers = state.customers + len(customer_slots)
        self._shop.customers.grow(customers)

        rows: Ints = np.arange(state.next_row, state.next_row + len(order_slots), dtype=np.int64)
        waiting = state.waiting.take(np.arange(len(steps), len(state.waiting)))
        new_stock, changed, block = state.stock, np.empty(0, dtype=np.int64), None
        placed = Events.none()
        if len(rows):
            registered = state.customers + np.cumsum(signs_up)[~signs_up]
            block = self._shop.orders.block(rows, slot_ms[order_slots], registered)
            placed, later = self._lives(block, pace.life_cycle_speed)
            waiting = _by_due(Events.concatenate([waiting, later]))
            new_stock, changed = self._sell(state.stock, block)

        happened = Events.concatenate([replace(steps, time_ms=slot_ms[step_slots]), placed])
        slots_of = np.concatenate([step_slots, order_slots])
        order = np.argsort(slots_of, kind="stable")
        version = state.version.copy()
        version[told] += 1
        after = State(
            clock_us=state.clock_us + round(slots * _SECOND_US / rate),
            next_row=state.next_row + len(rows),
            customers=customers,
            waiting=waiting,
            stock=new_stock,
            version=version,
            announced=_without_repeats(np.concatenate([state.announced[used:], changed])),
        )
        return Interval(
            orders=self._order_messages(happened.take(order), block),
            order_slots=slots_of[order],
            products=self._product_messages(told, state.stock, version, slot_ms),
            product_slots=np.arange(used, dtype=np.int64),
            customers=self._customer_messages(state.customers, customers, slot_ms[customer_slots]),
            customer_slots=customer_slots,
            due=np.arange(slots + 1) / rate,
            state=after,
        )

    def _by_demand(self, state: State, clock: float) -> Interval:
        """What happens in a second of a time-lapse.

        Orders, customers and steps have the moments that they would have in a longer history; only what is overdue,
        because the clock was moved forward, happens at the interval's begin. So the events do not depend on `clock`.
        """
        end_us = state.clock_us + round(clock * _SECOND_US)
        begin, end = (-(-moment // 1000) for moment in (state.clock_us, end_us))
        shop, told = self._shop, state.announced
        signed_up = shop.customers.registrations_after(begin, end)
        placed_ms = shop.demand.moments_after(shop.config.orders, begin, end)
        customers = state.customers + len(signed_up)
        shop.customers.grow(customers)

        due = int(np.searchsorted(state.waiting.time_ms, end, side="left"))
        steps = state.waiting.take(np.arange(due))
        happened = replace(steps, time_ms=np.maximum(steps.time_ms, begin))
        waiting = state.waiting.take(np.arange(due, len(state.waiting)))
        new_stock, changed, block = state.stock, np.empty(0, dtype=np.int64), None
        if len(placed_ms):
            rows: Ints = np.arange(state.next_row, state.next_row + len(placed_ms), dtype=np.int64)
            registered = state.customers + np.searchsorted(signed_up, placed_ms, side="right")
            block = shop.orders.block(rows, placed_ms, registered)
            events = shop.life_cycle.events(block)
            here = events.time_ms < end
            happened = Events.concatenate([happened, events.take(here)])
            waiting = _by_due(Events.concatenate([waiting, events.take(~here)]))
            new_stock, changed = self._sell(state.stock, block)
        happened = _by_due(happened)

        version = state.version.copy()
        version[told] += 1
        told_ms: Ints = np.full(len(told), begin, dtype=np.int64)
        slots, times = _in_order(told_ms, signed_up, happened.time_ms)
        return Interval(
            orders=self._order_messages(happened, block),
            order_slots=slots[2],
            products=self._product_messages(told, state.stock, version, told_ms),
            product_slots=slots[0],
            customers=self._customer_messages(state.customers, customers, signed_up),
            customer_slots=slots[1],
            due=np.append((times * 1000 - state.clock_us) / _SECOND_US / clock, 1.0),
            state=State(
                clock_us=end_us,
                next_row=state.next_row + len(placed_ms),
                customers=customers,
                waiting=waiting,
                stock=new_stock,
                version=version,
                announced=changed,
            ),
        )

    def _rate(self, clock_us: int, pace: Pace) -> float:
        if not pace.daily_curve:
            return pace.rate
        hours = self._parameters.demand.hours
        hour = clock_us // 1000 // HOUR_MS % 24
        return max(pace.rate * hours[hour] * len(hours) / sum(hours), pace.rate / 100)

    def _lives(self, block: Block, speed: float) -> tuple[Events, Events]:
        """The placements, and the steps that follow, due after the real distance divided by the speed."""
        events = self._shop.life_cycle.events(block)
        placed_ms = block.placed_ms[events.order - block.row[0]]
        due = placed_ms + ((events.time_ms - placed_ms) / speed).astype(np.int64)
        events = replace(events, time_ms=due)
        is_placed = events.type == PLACED
        compressed = block.placed_ms + ((block.promised_ms - block.placed_ms) / speed).astype(np.int64)
        block.promised_ms[:] = compressed
        return events.take(is_placed), events.take(~is_placed)

    def _sell(self, stock: Ints, block: Block) -> tuple[Ints, Ints]:
        """The stock after the sales and the supplies they cause, and the products to announce."""
        rules = self._parameters.products
        sold = np.bincount(block.line_product, weights=block.line_quantity, minlength=len(stock)).astype(np.int64)
        left = stock - sold
        short = left < rules.restock_below
        supplies = np.where(short, -((left - rules.restock_below) // rules.restock_by), 0)
        left = left + supplies * rules.restock_by
        changed = (left // rules.announce_step != stock // rules.announce_step) | short
        return left, np.flatnonzero(changed)

    def _order_messages(self, events: Events, block: Block | None) -> Messages:
        orders = self._shop.orders
        table = self._shop.life_cycle.table(events).cast(ORDER_EVENTS.schema)
        if block is None:
            return order_event_messages(table, pa.array([], pa.string()))
        counts = np.diff(np.append(block.first_line, len(block.line_order)))
        told = order_bodies(
            orders.orders_table(block).cast(ORDERS.schema), orders.lines_table(block).cast(ORDER_LINES.schema), counts
        )
        return order_event_messages(table, told)

    def _customer_messages(self, start: int, stop: int, signed_up_ms: Ints) -> Messages:
        rows = self._shop.customers.table(start, stop, signed_up_ms)
        return customer_messages(rows.cast(CUSTOMERS.schema))

    def _product_messages(self, told: Ints, stock: Ints, version: Ints, slot_ms: Ints) -> Messages:
        rows = self._products.take(pa.array(told))
        rows = rows.set_column(PRODUCTS.names.index("stock"), "stock", pa.array(stock[told]))
        rows = rows.set_column(PRODUCTS.names.index("version"), "version", pa.array(version[told]))
        return product_messages(rows, self._suppliers, times_ms=slot_ms[: len(told)])


def _due_steps(waiting: Events, slot_ms: Ints, first_free: int) -> tuple[Events, Ints]:
    """The steps that get a slot, the one due longest first, and the slots: none before it is due, one each."""
    due = int(np.searchsorted(waiting.time_ms, slot_ms[-1], side="right"))
    count = np.arange(due)
    earliest = np.maximum(np.searchsorted(slot_ms, waiting.time_ms[:due], side="left"), first_free)
    slots = count + np.maximum.accumulate(earliest - count) if due else count
    fitting = int(np.searchsorted(slots, len(slot_ms), side="left"))
    return waiting.take(np.arange(fitting)), slots[:fitting].astype(np.int64)


def _in_order(*times: Ints) -> tuple[list[Ints], Ints]:
    """Slots for events of several kinds by their times, of equal ones the first kind first; and all times, rising."""
    joined = np.concatenate(times)
    order = np.argsort(joined, kind="stable")
    slots: Ints = np.empty(len(joined), dtype=np.int64)
    slots[order] = np.arange(len(joined))
    return np.split(slots, np.cumsum([len(each) for each in times[:-1]])), joined[order]


def _by_due(events: Events) -> Events:
    return events.take(np.lexsort((events.version, events.order, events.time_ms)))


def _without_repeats(indices: Ints) -> Ints:
    """Each index once, where it came first."""
    _, first = np.unique(indices, return_index=True)
    return indices[np.sort(first)]
