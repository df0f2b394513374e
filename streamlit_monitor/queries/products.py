"""What sells: products over a span of time, without cancelled orders.

Sales are quantity x price, before discounts, fees and refunds, which belong to orders and not to products; the margin
is that of the sales. V_TOP_PRODUCTS, without a span, says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Literal

import pandas as pd

from streamlit_monitor.period import Span
from streamlit_monitor.queries.points import every_point, point
from streamlit_monitor.queries.sales import bounds, days
from streamlit_monitor.store import Store

Measure = Literal["sales", "units", "margin"]
MEASURES: tuple[Measure, ...] = ("sales", "units", "margin")

_DAY_SECONDS = 86_400

# A span of the pages is whole days, which the warehouse has counted already.
_DAYS = """
  SELECT PRODUCT_ID, SIZE, UNITS, AMOUNT AS SALES, COST
  FROM PROD.DAILY_PRODUCT_SALES
  WHERE SALES_DATE >= :first AND SALES_DATE < :after
"""

# Of one product, where days are too coarse: its lines. Cancelled orders are few: leaving them out is far quicker than
# looking for the order of every line.
_LINES = """
  SELECT
    l.PRODUCT_ID,
    l.SIZE,
    l.ORDERED_AT,
    l.QUANTITY AS UNITS,
    l.AMOUNT AS SALES,
    l.QUANTITY * l.UNIT_COST AS COST
  FROM PROD.ORDER_LINES l
  WHERE l.ORDERED_AT >= :start AND l.ORDERED_AT < :end
    AND NOT EXISTS (
      SELECT 1
      FROM PROD.ORDERS o
      WHERE o.ORDER_ID = l.ORDER_ID AND o.STATUS = 'CANCELLED' AND o.PLACED_AT >= :start AND o.PLACED_AT < :end
    )
"""

_TOP = f"""
WITH sold AS (
  SELECT PRODUCT_ID, SUM(UNITS) AS UNITS, SUM(SALES) AS SALES
  FROM ({_DAYS})
  GROUP BY 1
  HAVING SUM(UNITS) > 0
)
SELECT s.PRODUCT_ID, COALESCE(p.NAME, s.PRODUCT_ID) AS name, p.CATEGORY, s.UNITS, s.SALES
FROM sold s
LEFT JOIN PROD.PRODUCTS p ON p.PRODUCT_ID = s.PRODUCT_ID
ORDER BY s.SALES DESC, s.PRODUCT_ID
LIMIT :limit
"""

# Every product on sale, those nobody bought too. {order} is one of this module's columns and directions.
_RANKING = f"""
WITH sold AS (
  SELECT PRODUCT_ID, SUM(UNITS) AS UNITS, SUM(SALES) AS SALES, SUM(COST) AS COST
  FROM ({_DAYS})
  GROUP BY 1
)
SELECT
  p.PRODUCT_ID,
  COALESCE(p.NAME, p.PRODUCT_ID) AS name,
  p.CATEGORY,
  p.BRAND,
  p.PRICE,
  p.COST,
  p.STOCK,
  COALESCE(s.UNITS, 0) AS units,
  COALESCE(s.SALES, 0) AS sales,
  COALESCE(s.SALES - s.COST, 0) AS margin
FROM PROD.PRODUCTS p
LEFT JOIN sold s ON s.PRODUCT_ID = p.PRODUCT_ID
WHERE NOT p.IS_DELETED
  AND (:category = '' OR p.CATEGORY = :category)
  AND (:search = '' OR CONTAINS(LOWER(p.NAME), LOWER(:search)) OR CONTAINS(LOWER(p.PRODUCT_ID), LOWER(:search)))
ORDER BY {{order}}, p.PRODUCT_ID
LIMIT :limit
"""

_BY_CATEGORY = f"""
SELECT COALESCE(p.CATEGORY, 'UNKNOWN') AS name, SUM(s.UNITS) AS units, SUM(s.SALES) AS sales,
  SUM(s.SALES - s.COST) AS margin
FROM ({_DAYS}) s
LEFT JOIN PROD.PRODUCTS p ON p.PRODUCT_ID = s.PRODUCT_ID
GROUP BY 1
HAVING SUM(s.UNITS) > 0
ORDER BY sales DESC, name
"""

_BY_SIZE = f"""
SELECT COALESCE(NULLIF(s.SIZE, ''), '?') AS name, SUM(s.UNITS) AS units, SUM(s.SALES) AS sales,
  SUM(s.SALES - s.COST) AS margin
FROM ({_DAYS}) s
LEFT JOIN PROD.PRODUCTS p ON p.PRODUCT_ID = s.PRODUCT_ID
WHERE (:category = '' OR p.CATEGORY = :category) AND (:product = '' OR s.PRODUCT_ID = :product)
GROUP BY 1
HAVING SUM(s.UNITS) > 0
ORDER BY units DESC, name
LIMIT 20
"""

_CATEGORIES = "SELECT DISTINCT CATEGORY FROM PROD.PRODUCTS WHERE NOT IS_DELETED AND CATEGORY IS NOT NULL ORDER BY 1"

_ONE = """
SELECT p.PRODUCT_ID, p.NAME, p.CATEGORY, p.SUBCATEGORY, p.BRAND, p.MATERIAL, p.COLOUR, p.PRICE, p.COST, p.STOCK,
  s.NAME AS supplier, s.COUNTRY AS supplier_country, s.LEAD_TIME_DAYS
FROM PROD.PRODUCTS p
LEFT JOIN PROD.SUPPLIERS s ON s.SUPPLIER_ID = p.SUPPLIER_ID
WHERE p.PRODUCT_ID = :product
"""

_ONE_TREND = f"""
SELECT
  {point("ORDERED_AT")} AS point,
  SUM(UNITS) AS units,
  SUM(SALES) AS sales,
  SUM(SALES - COST) AS margin
FROM ({_LINES})
WHERE PRODUCT_ID = :product
GROUP BY 1
ORDER BY 1
"""

_ONE_TREND_BY_DAY = f"""
SELECT
  {point("SALES_DATE")} AS point,
  SUM(UNITS) AS units,
  SUM(AMOUNT) AS sales,
  SUM(AMOUNT - COST) AS margin
FROM PROD.DAILY_PRODUCT_SALES
WHERE SALES_DATE >= :first AND SALES_DATE < :after AND PRODUCT_ID = :product
GROUP BY 1
ORDER BY 1
"""

_SOLD_TREND = f"""
SELECT
  {point("ORDERED_AT")} AS point,
  COUNT(DISTINCT PRODUCT_ID) AS products
FROM PROD.ORDER_LINES
WHERE ORDERED_AT >= :start AND ORDERED_AT < :end
GROUP BY 1
ORDER BY 1
"""

_SOLD = """
SELECT COUNT(DISTINCT PRODUCT_ID) AS products
FROM PROD.ORDER_LINES
WHERE ORDERED_AT >= :start AND ORDERED_AT < :end
"""


@dataclass(frozen=True)
class Choice:
    """Which products; empty means all of them."""

    category: str = ""
    search: str = ""


def top(store: Store, span: Span, limit: int) -> pd.DataFrame:
    """product_id, name, category, units, sales; best first."""
    return store.ask(_TOP, limit=limit, **days(span))


def ranking(
    store: Store, span: Span, measure: Measure, choice: Choice, limit: int, *, worst_first: bool = False
) -> pd.DataFrame:
    """product_id, name, category, brand, price, cost, stock, units, sales, margin of the products on sale.

    Of those that sell least, the ones that tie up most money come first.
    """
    column = MEASURES[MEASURES.index(measure)]
    order = f"{column} ASC, p.STOCK * p.COST DESC" if worst_first else f"{column} DESC"
    sql = _RANKING.format(order=order)
    return store.ask(sql, category=choice.category, search=choice.search, limit=limit, **days(span))


def by_category(store: Store, span: Span) -> pd.DataFrame:
    """name, units, sales, margin; best first."""
    return store.ask(_BY_CATEGORY, **days(span))


def by_size(store: Store, span: Span, category: str = "", product: str = "") -> pd.DataFrame:
    """name, units, sales, margin; most units first."""
    return store.ask(_BY_SIZE, category=category, product=product, **days(span))


def categories(store: Store) -> list[str]:
    """The categories of the products on sale."""
    return [str(name) for name in store.ask(_CATEGORIES)["category"]]


def one(store: Store, product: str) -> pd.Series | None:
    """A product's record with its supplier; None when there is no such product."""
    found = store.ask(_ONE, product=product)
    return None if found.empty else found.iloc[0]


def one_trend(store: Store, span: Span, product: str) -> pd.DataFrame:
    """A row a point of the span: at, units, sales, margin of one product."""
    if span.step >= _DAY_SECONDS and span.end.time() == time.min:
        found = store.ask(_ONE_TREND_BY_DAY, step=span.step, product=product, start=span.start, **days(span))
    else:
        found = store.ask(_ONE_TREND, step=span.step, product=product, **bounds(span))
    return every_point(found, span)


def sold_trend(store: Store, span: Span) -> pd.DataFrame:
    """A row a point of the span: at, products (different ones ordered)."""
    return every_point(store.ask(_SOLD_TREND, step=span.step, **bounds(span)), span)


def sold(store: Store, span: Span) -> int:
    """How many different products were ordered."""
    return int(store.ask(_SOLD, **bounds(span)).iloc[0]["products"])
