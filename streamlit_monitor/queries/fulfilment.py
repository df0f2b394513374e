"""From order to door, and back: what became of the orders that were placed in a span of time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from streamlit_monitor.period import Span
from streamlit_monitor.queries.sales import bounds, days
from streamlit_monitor.store import Store

_END = datetime(2200, 1, 1)  # noqa: DTZ001 - naive UTC; no time of the contract lies after it

# What had happened by :known. A period whose parcels are still under way is compared with an earlier one as that was at
# the same age: the quick parcels come first, so what is unfinished looks quicker than what is finished.
_FUNNEL = """
SELECT
  COUNT(*) AS placed,
  COUNT(PAID_AT) AS paid,
  COUNT(SHIPPED_AT) AS shipped,
  COUNT(DELIVERED_AT) AS delivered,
  COUNT(RETURNED_AT) AS returned,
  COUNT(CANCELLED_AT) AS cancelled,
  MEDIAN(DATEDIFF('minute', PAID_AT, DELIVERED_AT)) / 1440 AS median_days,
  PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY DATEDIFF('minute', PAID_AT, DELIVERED_AT)) / 1440 AS p90_days,
  COALESCE(SUM(IFF(DELIVERED_AT <= PROMISED_AT, 1, 0)), 0) AS on_time
FROM (
  SELECT
    PROMISED_AT,
    IFF(PAID_AT <= :known, PAID_AT, NULL) AS PAID_AT,
    IFF(SHIPPED_AT <= :known, SHIPPED_AT, NULL) AS SHIPPED_AT,
    IFF(DELIVERED_AT <= :known, DELIVERED_AT, NULL) AS DELIVERED_AT,
    IFF(RETURNED_AT <= :known, RETURNED_AT, NULL) AS RETURNED_AT,
    IFF(CANCELLED_AT <= :known, CANCELLED_AT, NULL) AS CANCELLED_AT
  FROM PROD.ORDERS
  WHERE PLACED_AT >= :start AND PLACED_AT < :end
)
"""

# The newest step of an order that was placed lately, by the newest order: steps with a wrong year do not count.
_KNOWN = """
SELECT MAX(GREATEST(PLACED_AT, COALESCE(PAID_AT, PLACED_AT), COALESCE(SHIPPED_AT, PLACED_AT),
  COALESCE(DELIVERED_AT, PLACED_AT), COALESCE(RETURNED_AT, PLACED_AT), COALESCE(CANCELLED_AT, PLACED_AT))) AS known
FROM PROD.ORDERS
WHERE PLACED_AT >= :since AND PLACED_AT <= :newest
  AND COALESCE(PAID_AT, PLACED_AT) < :latest AND COALESCE(SHIPPED_AT, PLACED_AT) < :latest
  AND COALESCE(DELIVERED_AT, PLACED_AT) < :latest AND COALESCE(RETURNED_AT, PLACED_AT) < :latest
  AND COALESCE(CANCELLED_AT, PLACED_AT) < :latest
"""
_LIVES = timedelta(days=120)

_BY_COUNTRY = """
SELECT
  o.COUNTRY AS name,
  MEDIAN(DATEDIFF('minute', o.PAID_AT, o.DELIVERED_AT)) / 1440 AS median_days,
  PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY DATEDIFF('minute', o.PAID_AT, o.DELIVERED_AT)) / 1440 AS p90_days,
  AVG(DATEDIFF('minute', o.PAID_AT, o.PROMISED_AT)) / 1440 AS promised_days,
  COUNT(*) AS delivered,
  SUM(IFF(o.DELIVERED_AT > o.PROMISED_AT, 1, 0)) AS late
FROM PROD.ORDERS o
WHERE o.PLACED_AT >= :start AND o.PLACED_AT < :end AND o.PAID_AT IS NOT NULL AND o.DELIVERED_AT IS NOT NULL
GROUP BY 1
ORDER BY delivered DESC, name
LIMIT 12
"""

# From the histograms of the days: a median is the first time that half of the orders took at most. An order waits for
# its slowest supplier and counts for each of them.
_BY_SUPPLIER = """
WITH times AS (
  SELECT SUPPLIER_ID, MINUTES, SUM(ORDERS) AS ORDERS, SUM(LATE) AS LATE, SUM(PROMISED_MINUTES) AS PROMISED_MINUTES
  FROM PROD.DAILY_SUPPLIER_DELIVERIES
  WHERE SALES_DATE >= :first AND SALES_DATE < :after
  GROUP BY 1, 2
),
placed AS (
  SELECT
    times.*,
    SUM(ORDERS) OVER (PARTITION BY SUPPLIER_ID ORDER BY MINUTES ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
      AS SO_FAR,
    SUM(ORDERS) OVER (PARTITION BY SUPPLIER_ID) AS DELIVERED
  FROM times
)
SELECT
  COALESCE(s.NAME, p.SUPPLIER_ID) AS name,
  s.COUNTRY,
  MIN(IFF(p.SO_FAR * 2 >= p.DELIVERED, p.MINUTES, NULL)) / 1440 AS median_days,
  MIN(IFF(p.SO_FAR * 10 >= p.DELIVERED * 9, p.MINUTES, NULL)) / 1440 AS p90_days,
  SUM(p.PROMISED_MINUTES) / SUM(p.ORDERS) / 1440 AS promised_days,
  SUM(p.ORDERS) AS delivered,
  SUM(p.LATE) AS late
FROM placed p
LEFT JOIN PROD.SUPPLIERS s ON s.SUPPLIER_ID = p.SUPPLIER_ID
GROUP BY p.SUPPLIER_ID, s.NAME, s.COUNTRY
ORDER BY delivered DESC, name
LIMIT 20
"""

# Whenever they were placed: a parcel that is a month late was not ordered in the last four weeks.
_LATE = """
SELECT ORDER_ID, PLACED_AT, PROMISED_AT, DATEDIFF('day', PROMISED_AT, CAST(:now AS TIMESTAMP_NTZ)) AS days_late,
  STATUS, COUNTRY, CARRIER, TRACKING_NUMBER, TOTAL, COUNT(*) OVER () AS late
FROM PROD.ORDERS
WHERE STATUS IN ('PLACED', 'PAID', 'SHIPPED') AND PROMISED_AT < :now AND PLACED_AT <= :now
ORDER BY PROMISED_AT, ORDER_ID
LIMIT :limit
"""

# {status} is one of two words of this module.
_REASONS = """
SELECT COALESCE(REASON, '?') AS name, COUNT(*) AS orders, SUM(REFUNDED_AMOUNT) AS refunded
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end AND STATUS = '{status}'
GROUP BY 1
ORDER BY orders DESC, name
LIMIT 10
"""


def funnel(store: Store, span: Span, known: datetime = _END) -> dict[str, float]:
    """How many were placed, paid, shipped, delivered, returned, cancelled, on_time; days from paid to delivered.

    Args:
        known: a time; of what came after it nothing is told. By default all is.
    """
    row = store.ask(_FUNNEL, known=known, **bounds(span)).iloc[0]
    return {str(name): float("nan") if pd.isna(row[name]) else float(row[name]) for name in row.index}


def by_country(store: Store, span: Span) -> pd.DataFrame:
    """name, median_days, p90_days, promised_days (from paid, on average), delivered, late."""
    return store.ask(_BY_COUNTRY, **bounds(span))


def by_supplier(store: Store, span: Span) -> pd.DataFrame:
    """name, country, median_days, p90_days (to a tenth), promised_days (from paid, on average), delivered, late."""
    return store.ask(_BY_SUPPLIER, **days(span))


def known_until(store: Store, newest: datetime) -> datetime:
    """The time of the newest step of an order, given that of the newest order: until then the lives are known."""
    found = store.ask(_KNOWN, newest=newest, since=newest - _LIVES, latest=newest + timedelta(days=1)).iloc[0]["known"]
    return newest if pd.isna(found) else max(newest, pd.Timestamp(found).to_pydatetime())


def late(store: Store, now: datetime, limit: int) -> pd.DataFrame:
    """Open orders whose promise has passed, whenever they were placed, the longest first; `late` is how many."""
    return store.ask(_LATE, now=now, limit=limit)


def return_reasons(store: Store, span: Span) -> pd.DataFrame:
    """name, orders, refunded."""
    return store.ask(_REASONS.format(status="RETURNED"), **bounds(span))


def cancel_reasons(store: Store, span: Span) -> pd.DataFrame:
    """name, orders, refunded."""
    return store.ask(_REASONS.format(status="CANCELLED"), **bounds(span))
