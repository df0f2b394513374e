"""Revenue, orders and customers over a span of time.

An order belongs to the time it was placed. REVENUE is what stays after cancellations and refunds, as in
docs/data-contracts.md.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pandas as pd

from streamlit_monitor.period import Span
from streamlit_monitor.queries.points import every_point, point
from streamlit_monitor.store import Store

# How long after it was placed an order may still be delivered or come back.
_OLDEST = timedelta(days=120)

_KPIS = """
SELECT
  COUNT(*) AS orders,
  COALESCE(SUM(IFF(STATUS <> 'CANCELLED', 1, 0)), 0) AS kept_orders,
  COALESCE(SUM(REVENUE), 0) AS revenue,
  COALESCE(SUM(MARGIN), 0) AS margin,
  COALESCE(SUM(UNITS), 0) AS units,
  COUNT(DISTINCT CUSTOMER_ID) AS customers
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end
"""

_TREND = f"""
SELECT
  {point("PLACED_AT")} AS point,
  COUNT(*) AS orders,
  COUNT_IF(STATUS <> 'CANCELLED') AS kept_orders,
  SUM(REVENUE) AS revenue,
  SUM(MARGIN) AS margin
  {{customers}}
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end
GROUP BY 1
ORDER BY 1
"""
_CUSTOMERS = ", COUNT(DISTINCT CUSTOMER_ID) AS customers"

# What arrived and what came back in the span, whenever it was ordered: what sold yesterday cannot have come back yet.
# The bound on PLACED_AT spares long histories.
_PARCELS = f"""
SELECT
  {point("MOMENT")} AS point,
  SUM(DELIVERED) AS delivered,
  SUM(ON_TIME) AS on_time,
  SUM(RETURNED) AS returned
FROM (
  SELECT DELIVERED_AT AS MOMENT, 1 AS DELIVERED, IFF(DELIVERED_AT <= PROMISED_AT, 1, 0) AS ON_TIME, 0 AS RETURNED
  FROM PROD.ORDERS
  WHERE PLACED_AT >= :oldest AND PLACED_AT < :end AND DELIVERED_AT >= :start AND DELIVERED_AT < :end
  UNION ALL
  SELECT RETURNED_AT, 0, 0, 1
  FROM PROD.ORDERS
  WHERE PLACED_AT >= :oldest AND PLACED_AT < :end AND RETURNED_AT >= :start AND RETURNED_AT < :end
)
GROUP BY 1
ORDER BY 1
"""

# The column is one of two names of this module, never a value from outside.
_BY = """
SELECT {column} AS name, COUNT(*) AS orders, SUM(REVENUE) AS revenue
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end
GROUP BY 1
ORDER BY revenue DESC, name
LIMIT 12
"""

_RECENT = """
SELECT ORDER_ID, PLACED_AT, STATUS, COUNTRY, CHANNEL, UNITS, TOTAL
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end
ORDER BY PLACED_AT DESC, ORDER_ID DESC
LIMIT :limit
"""

_CATALOGUE = """
SELECT
  (SELECT COUNT(*) FROM PROD.CUSTOMERS WHERE NOT IS_DELETED) AS customers,
  (SELECT COUNT(*) FROM PROD.PRODUCTS WHERE NOT IS_DELETED) AS products
"""


_FIRST_ORDER = "SELECT MIN(PLACED_AT) AS first FROM PROD.ORDERS"

_ANY_ORDER = "SELECT COUNT(*) AS orders FROM PROD.ORDERS WHERE PLACED_AT >= :start AND PLACED_AT < :end"


def first_order(store: Store) -> datetime | None:
    """When the first order was placed; None while there is none."""
    first = store.ask(_FIRST_ORDER).iloc[0]["first"]
    return None if pd.isna(first) else pd.Timestamp(first).to_pydatetime()


def any_order(store: Store, span: Span) -> bool:
    """Whether an order was placed in the span."""
    return bool(store.ask(_ANY_ORDER, **bounds(span)).iloc[0]["orders"])


def kpis(store: Store, span: Span) -> dict[str, float]:
    """The figures of the cards; ratios are NaN where nothing can be divided."""
    row = store.ask(_KPIS, **bounds(span)).iloc[0]
    figures = {str(name): float(row[name]) for name in row.index}
    figures |= {
        str(name): float(total)
        for name, total in parcels(store, span)[["delivered", "on_time", "returned"]].sum().items()
    }
    figures["order_value"] = ratio(figures["revenue"], figures["kept_orders"])
    figures["return_rate"] = ratio(figures["returned"], figures["delivered"])
    figures["on_time_rate"] = ratio(figures["on_time"], figures["delivered"])
    return figures


def trend(store: Store, span: Span, *, customers: bool = True) -> pd.DataFrame:
    """A row a point of the span, zero where nothing was sold: at, orders, kept_orders, revenue, margin, customers.

    Args:
        customers: to count them takes longer than all the rest; without, the column is missing.
    """
    sql = _TREND.format(customers=_CUSTOMERS if customers else "")
    return every_point(store.ask(sql, step=span.step, **bounds(span)), span)


def parcels(store: Store, span: Span) -> pd.DataFrame:
    """A row a point of the span: at, delivered, on_time (of those), returned."""
    oldest = span.start - _OLDEST
    return every_point(store.ask(_PARCELS, step=span.step, oldest=oldest, **bounds(span)), span)


def by_channel(store: Store, span: Span) -> pd.DataFrame:
    """name, orders, revenue; most revenue first."""
    return store.ask(_BY.format(column="CHANNEL"), **bounds(span))


def by_country(store: Store, span: Span) -> pd.DataFrame:
    """name (ISO 3166-1 alpha-2), orders, revenue; most revenue first."""
    return store.ask(_BY.format(column="COUNTRY"), **bounds(span))


def recent_orders(store: Store, span: Span, limit: int) -> pd.DataFrame:
    """The newest orders: order_id, placed_at, status, country, channel, units, total."""
    return store.ask(_RECENT, limit=limit, **bounds(span))


def catalogue(store: Store) -> tuple[int, int]:
    """How many customers and products there are now."""
    row = store.ask(_CATALOGUE).iloc[0]
    return int(row["customers"]), int(row["products"])


def bounds(span: Span) -> dict[str, Any]:
    """The parameters `start` and `end` of a query."""
    return {"start": span.start, "end": span.end}


def days(span: Span) -> dict[str, Any]:
    """The parameters `first` and `after` (days) of a query that reads what is counted by day.

    Raises:
        ValueError: the span ends within a day.
    """
    after = span.end.date()
    if span.end.time() != time.min:
        raise ValueError(f"{span} is not whole days")
    return {"first": span.start.date(), "after": after}


def ratio(part: float, whole: float) -> float:
    """A part of a whole; NaN when there is no whole."""
    return part / whole if whole else float("nan")
