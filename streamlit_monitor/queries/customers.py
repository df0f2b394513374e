"""Who buys: new and returning customers, cohorts, segments. Names leave the warehouse masked unless asked for."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from streamlit_monitor.period import Span
from streamlit_monitor.queries.points import every_point, point
from streamlit_monitor.queries.sales import bounds
from streamlit_monitor.store import Store

_ORIGINS_SHOWN = 10

_KPIS = """
SELECT
  COUNT(*) AS customers,
  COUNT_IF(ORDERS > 1) AS repeaters,
  COALESCE(SUM(REVENUE), 0) AS revenue
FROM (
  SELECT CUSTOMER_ID, COUNT(*) AS ORDERS, SUM(REVENUE) AS REVENUE
  FROM PROD.ORDERS
  WHERE PLACED_AT >= :start AND PLACED_AT < :end
  GROUP BY 1
)
"""

_TREND = f"""
SELECT {point("PLACED_AT")} AS point, COUNT(DISTINCT CUSTOMER_ID) AS customers
FROM PROD.ORDERS
WHERE PLACED_AT >= :start AND PLACED_AT < :end
GROUP BY 1
ORDER BY 1
"""

_NEW_TREND = f"""
SELECT {point("FIRST_AT")} AS point, COUNT(*) AS customers
FROM PROD.CUSTOMER_FIRST_ORDERS
WHERE FIRST_AT >= :start AND FIRST_AT < :end
GROUP BY 1
ORDER BY 1
"""

_COHORTS = """
SELECT cohort, age, COUNT(*) AS customers
FROM (
  SELECT DISTINCT
    DATE_TRUNC('month', f.FIRST_AT) AS cohort,
    DATEDIFF('month', f.FIRST_AT, o.PLACED_AT) AS age,
    o.CUSTOMER_ID
  FROM PROD.CUSTOMER_FIRST_ORDERS f
  JOIN PROD.ORDERS o ON o.CUSTOMER_ID = f.CUSTOMER_ID
  WHERE f.FIRST_AT >= :oldest AND f.FIRST_AT < :end AND o.PLACED_AT >= :oldest AND o.PLACED_AT < :end
)
GROUP BY 1, 2
ORDER BY 1, 2
"""

# Recency, frequency and money as of the end of the span. The limits are those of docs/dashboard.md.
_SEGMENTS = """
WITH bought AS (
  SELECT
    CUSTOMER_ID,
    DATEDIFF('day', MAX(PLACED_AT), CAST(:end AS TIMESTAMP_NTZ)) AS RECENCY,
    COUNT(*) AS FREQUENCY,
    SUM(REVENUE) AS MONEY
  FROM PROD.ORDERS
  WHERE PLACED_AT < :end AND STATUS <> 'CANCELLED'
  GROUP BY 1
)
SELECT
  CASE
    WHEN RECENCY <= 90 AND FREQUENCY >= 5 THEN 'champions'
    WHEN RECENCY <= 180 AND FREQUENCY >= 3 THEN 'loyal'
    WHEN RECENCY <= 90 AND FREQUENCY = 1 THEN 'new'
    WHEN RECENCY <= 180 THEN 'promising'
    WHEN RECENCY <= 365 AND FREQUENCY >= 3 THEN 'at_risk'
    WHEN RECENCY <= 365 THEN 'sleeping'
    ELSE 'lost'
  END AS name,
  COUNT(*) AS customers,
  SUM(MONEY) AS revenue,
  AVG(FREQUENCY) AS frequency,
  AVG(RECENCY) AS recency
FROM bought
GROUP BY 1
"""

SEGMENTS = ("champions", "loyal", "new", "promising", "at_risk", "sleeping", "lost")
"""Their names, the keenest first."""

_ORIGINS = """
SELECT COALESCE(c.COUNTRY, '?') AS country, COALESCE(c.ACQUISITION_CHANNEL, '?') AS acquisition,
  SUM(o.REVENUE) AS revenue
FROM PROD.ORDERS o
LEFT JOIN PROD.CUSTOMERS c ON c.CUSTOMER_ID = o.CUSTOMER_ID
WHERE o.PLACED_AT >= :start AND o.PLACED_AT < :end
GROUP BY 1, 2
"""

# {person} is one of the two below: what is masked does not leave the warehouse.
_BEST = """
SELECT
  b.CUSTOMER_ID,
  {person},
  c.COUNTRY,
  c.SEGMENT,
  b.ORDERS,
  b.REVENUE,
  b.LAST_AT
FROM (
  SELECT CUSTOMER_ID, COUNT(*) AS ORDERS, SUM(REVENUE) AS REVENUE, MAX(PLACED_AT) AS LAST_AT
  FROM PROD.ORDERS
  WHERE PLACED_AT >= :start AND PLACED_AT < :end
  GROUP BY 1
  ORDER BY REVENUE DESC, CUSTOMER_ID
  LIMIT :limit
) b
LEFT JOIN PROD.CUSTOMERS c ON c.CUSTOMER_ID = b.CUSTOMER_ID
ORDER BY b.REVENUE DESC, b.CUSTOMER_ID
"""

_MASKED = "LEFT(c.NAME, 1) || REPEAT('•', 5) AS name"
_UNMASKED = "c.NAME AS name, c.EMAIL"


def kpis(store: Store, span: Span) -> dict[str, float]:
    """customers who ordered, new_customers (first order ever), repeaters (more than one order), revenue."""
    row = store.ask(_KPIS, **bounds(span)).iloc[0]
    found = {str(name): float(row[name]) for name in row.index}
    return {**found, "new_customers": float(_new(store, span).sum())}


def trend(store: Store, span: Span) -> pd.DataFrame:
    """A row a point of the span: at, customers, new_customers, returning."""
    found = every_point(store.ask(_TREND, step=span.step, **bounds(span)), span)
    found["new_customers"] = _new(store, span)
    found["returning"] = found["customers"] - found["new_customers"]
    return found


def _new(store: Store, span: Span) -> pd.Series:
    """How many ordered for the first time ever, a value a point of the span."""
    return every_point(store.ask(_NEW_TREND, step=span.step, **bounds(span)), span)["customers"]


def cohorts(store: Store, oldest: datetime, end: datetime) -> pd.DataFrame:
    """cohort (month of the first order), age (months since), customers who ordered then."""
    return store.ask(_COHORTS, oldest=oldest, end=end)


def segments(store: Store, span: Span) -> pd.DataFrame:
    """name, customers, revenue, frequency (orders), recency (days), as of the end of the span; the keenest first."""
    found = store.ask(_SEGMENTS, end=span.end)
    return found.sort_values("name", key=lambda names: names.map(SEGMENTS.index), ignore_index=True)


def by_country(store: Store, span: Span) -> pd.DataFrame:
    """name (ISO 3166-1 alpha-2), revenue; most revenue first."""
    return _by_origin(store, span, "country")


def by_acquisition(store: Store, span: Span) -> pd.DataFrame:
    """name (how they found the shop), revenue; most revenue first."""
    return _by_origin(store, span, "acquisition")


def _by_origin(store: Store, span: Span, column: str) -> pd.DataFrame:
    """One question for both: looking for the customer of every order is what takes long."""
    found = store.ask(_ORIGINS, **bounds(span)).rename(columns={column: "name"})
    totals: pd.DataFrame = found.groupby("name")["revenue"].sum().reset_index()
    return totals.sort_values(["revenue", "name"], ascending=[False, True]).head(_ORIGINS_SHOWN)


def best(store: Store, span: Span, limit: int, *, unmasked: bool = False) -> pd.DataFrame:
    """customer_id, name, country, segment, orders, revenue, last_at; most revenue first.

    Args:
        unmasked: the whole name instead of its first letter, and the column email.
    """
    sql = _BEST.format(person=_UNMASKED if unmasked else _MASKED)
    return store.ask(sql, limit=limit, **bounds(span))
