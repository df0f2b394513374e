"""From order to door, and back: what became of the orders that were placed in a span of time."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from streamlit_monitor.period import Span
from streamlit_monitor.queries.sales import bounds, days
from streamlit_monitor.store import Store

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
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end
"""

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

_LATE = """
SELECT ORDER_ID, PLACED_AT, PROMISED_AT, DATEDIFF('day', PROMISED_AT, CAST(:now AS TIMESTAMP_NTZ)) AS days_late,
  STATUS, COUNTRY, CARRIER, TRACKING_NUMBER, TOTAL
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end AND STATUS IN ('PAID', 'SHIPPED') AND PROMISED_AT < :now
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


def funnel(store: Store, span: Span) -> dict[str, float]:
    """How many were placed, paid, shipped, delivered, returned, cancelled, on_time; days from paid to delivered."""
    row = store.ask(_FUNNEL, **bounds(span)).iloc[0]
    return {str(name): float("nan") if pd.isna(row[name]) else float(row[name]) for name in row.index}


def by_country(store: Store, span: Span) -> pd.DataFrame:
    """name, median_days, p90_days, promised_days (from paid, on average), delivered, late."""
    return store.ask(_BY_COUNTRY, **bounds(span))


def by_supplier(store: Store, span: Span) -> pd.DataFrame:
    """name, country, median_days, p90_days (to a tenth), promised_days (from paid, on average), delivered, late."""
    return store.ask(_BY_SUPPLIER, **days(span))


def late(store: Store, span: Span, now: datetime, limit: int) -> pd.DataFrame:
    """Orders on their way whose promise has passed, the longest first."""
    return store.ask(_LATE, now=now, limit=limit, **bounds(span))


def return_reasons(store: Store, span: Span) -> pd.DataFrame:
    """name, orders, refunded."""
    return store.ask(_REASONS.format(status="RETURNED"), **bounds(span))


def cancel_reasons(store: Store, span: Span) -> pd.DataFrame:
    """name, orders, refunded."""
    return store.ask(_REASONS.format(status="CANCELLED"), **bounds(span))
