"""What an account costs in a month of 30 days, reckoned from the events and the settings.

Sources: docs.snowflake.com/en/user-guide/cost-understanding-compute for warehouses (an X-Small of the first generation
takes 1 credit an hour, by the second, at least 60 seconds each time it resumes); Snowflake's Service Consumption Table
for Snowpipe Streaming's high-performance architecture, billed by the uncompressed gigabyte of values
(.../user-guide/snowpipe-streaming-high-performance-cost names the table; the figure was read at second hand and is to
be compared with the table of your contract), and for the price of a credit.

What is not documented has "assumed" in its comment; `dropship cost --measured` puts what a database shows in its place.
Nothing here was measured on an account.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from dropship_dagster.settings import TRIGGERED
from dropship_dagster.warehouse.reports import Report

XSMALL_CREDITS_PER_HOUR = 1.0
LEAST_SECONDS = 60
"""Billed each time a warehouse resumes; AUTO_SUSPEND of sql/01_warehouse_db_schemas.sql is as long."""
STREAMING_CREDITS_PER_GB = 0.0037
USD_PER_CREDIT = 2.0
"""Standard edition, AWS US East: an example; yours is in your contract."""
TRIGGER_SECONDS = 30
"""The least time between two runs of a triggered task (docs.snowflake.com/en/user-guide/tasks-triggered)."""

EVENT_BYTES = 230  # assumed: a mean of the shop's events
RUN_SECONDS = 20.0  # assumed: a run of the graph that finds little, on an X-Small
EVENTS_PER_RUN_SECOND = 5_000  # assumed: what a run takes up in each further second
LOAD_SECONDS = 5.0  # assumed: reading, PUT and COPY of a small batch
EVENTS_PER_LOAD_SECOND = 20_000  # assumed: what a load takes up in each further second

MONTH_SECONDS = 30 * 86_400
_HEADROOM = 1.25
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}

Loading = Literal["copy, following", "copy, on the schedule", "streaming"]
LOADINGS: tuple[Loading, ...] = ("copy, following", "copy, on the schedule", "streaming")


@dataclass(frozen=True)
class Traffic:
    """What comes.

    Attributes:
        events_per_second: over day and night.
        bytes_per_event: of keys and values, uncompressed.
        run_seconds: how long a run of the graph takes that finds little.
    """

    events_per_second: float
    bytes_per_event: float = EVENT_BYTES
    run_seconds: float = RUN_SECONDS


@dataclass(frozen=True)
class Cost(Report):
    """A month of one way of loading.

    Attributes:
        loading: COPY by `dropship consume --follow`, COPY by `dropship consume` before each run of the graph, or
            Snowpipe Streaming.
        runs: runs of the graph that found something.
        warehouse_hours: hours that the warehouse was up, for the loader and the graph.
        warehouse_credits, streaming_credits, credits: what each took, and both.
        usd: credits at their price.
    """

    loading: Loading
    schedule: str
    events_per_second: float
    runs: int
    warehouse_hours: float
    warehouse_credits: float
    streaming_credits: float
    credits: float
    usd: float


def month(traffic: Traffic, schedule: str, loading: Loading, usd_per_credit: float = USD_PER_CREDIT) -> Cost:
    """The cost of 30 days.

    A run keeps the warehouse up for its work and the minute until it suspends itself, never longer than until the next
    run begins. A loader that follows gives it no minute of rest once an event comes each minute.
    """
    events = traffic.events_per_second * MONTH_SECONDS
    runs = min(runs_a_month(schedule), math.ceil(events))
    each = events / runs if runs else 0.0
    work = traffic.run_seconds + each / EVENTS_PER_RUN_SECOND
    if loading == "copy, on the schedule":
        work += LOAD_SECONDS + each / EVENTS_PER_LOAD_SECOND
    up = runs * max(LEAST_SECONDS, work + LEAST_SECONDS)
    if loading == "copy, following":
        batches = min(events, MONTH_SECONDS / LEAST_SECONDS)
        up = max(up, batches * (LEAST_SECONDS + LOAD_SECONDS))
    hours = min(up, MONTH_SECONDS) / 3600
    streamed = events * traffic.bytes_per_event / 1e9 * STREAMING_CREDITS_PER_GB if loading == "streaming" else 0.0
    by_warehouse = hours * XSMALL_CREDITS_PER_HOUR
    credit = by_warehouse + streamed
    return Cost(
        loading, schedule, traffic.events_per_second, runs, round(hours, 1), round(by_warehouse, 1), round(streamed, 4),
        round(credit, 1), round(credit * usd_per_credit, 2),
    )  # fmt: skip


def credit_quota(schedule: str) -> int:
    """The resource monitor's credits a month: what loading and the graph take on the schedule, and a quarter more."""
    usual = month(Traffic(1.0), schedule, "copy, on the schedule").credits
    return math.ceil(usual * _HEADROOM / 10) * 10


def runs_a_month(schedule: str) -> int:
    """How often a schedule comes round in 30 days. Of CRON only minute and hour are read, as if every day counted."""
    if schedule == TRIGGERED:
        return MONTH_SECONDS // TRIGGER_SECONDS
    interval = re.fullmatch(r"(\d+) (SECOND|MINUTE|HOUR)S?", schedule)
    if interval:
        return MONTH_SECONDS // (int(interval[1]) * _SECONDS[interval[2]])
    minutes, hours = schedule.split()[2:4]
    return 30 * _times(minutes, 60) * _times(hours, 24)


def _times(field: str, end: int) -> int:
    """How many values of a field of CRON there are: lists of *, a, a-b and steps of them."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first = 0 if low == "*" else int(low)
        last = end - 1 if low == "*" or (step and not high) else int(high or low)
        found |= set(range(first, last + 1, int(step or 1)))
    return len(found)


def table(
    rates: tuple[float, ...] = (10, 100, 1_000), schedules: tuple[str, ...] = ("1 MINUTE", "15 MINUTES", "1 HOUR")
) -> str:
    """The table of docs/snowflake.md, in Markdown: credits (USD) of 30 days."""
    lines = [
        "| events/s | schedule | COPY, `consume --follow` | COPY before each run | Snowpipe Streaming |",
        "|---|---|---|---|---|",
    ]
    for rate in rates:
        for schedule in schedules:
            costs = [month(Traffic(rate), schedule, loading) for loading in LOADINGS]
            cells = " | ".join(f"{cost.credits:,.0f} ({cost.usd:,.0f} USD)" for cost in costs)
            lines.append(f"| {rate:,.0f} | {schedule} | {cells} |")
    return "\n".join(lines)
