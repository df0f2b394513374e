"""Rules between the tables of PROD, in Snowflake's SQL: money, references, histories.

Nothing else enforces them: keys in Snowflake are declared and not checked.
(docs.snowflake.com/en/sql-reference/constraints-overview)
"""

from __future__ import annotations

from dropship_dagster.assets.names import key
from dropship_dagster.checks.rules import Rule

RULES = (
    Rule(
        key("staging/rejected_events"),
        "no_conflicts",
        "No rejected message contradicts an accepted one. Where some do, two producers or two exports say different "
        "things: `dropship rejected list --reason conflict` shows them.",
        """
        SELECT SOURCE, TOPIC, KAFKA_PARTITION, KAFKA_OFFSET, REJECT_REASON, REJECTED_AT
        FROM STAGING.REJECTED_EVENTS
        WHERE REJECT_REASON LIKE 'conflict: %'
        """,
        critical=False,
    ),
    Rule(
        key("staging/order_events"),
        "no_hole_is_old",
        "No order has waited for more than a day for an event before its newest. What is missing was never sent, or "
        "was rejected: `dropship rejected list`.",
        """
        SELECT ORDER_ID, VERSION, MISSING, FIRST_MISSING, BEHIND_SINCE
        FROM OPS.MISSING_VERSIONS
        WHERE BEHIND_SINCE < DATEADD('day', -1, SYSDATE())
        """,
        critical=False,
    ),
    Rule(
        key("prod/orders"),
        "total_adds_up",
        "TOTAL = sum of the lines - DISCOUNT + SHIPPING_FEE, exactly.",
        """
        SELECT O.ORDER_ID, O.TOTAL, SUM(L.AMOUNT) - O.DISCOUNT + O.SHIPPING_FEE AS EXPECTED
        FROM PROD.ORDERS O JOIN PROD.ORDER_LINES L ON L.ORDER_ID = O.ORDER_ID
        WHERE O.PLACED_AT IS NOT NULL
        GROUP BY O.ORDER_ID, O.TOTAL, O.DISCOUNT, O.SHIPPING_FEE
        HAVING O.TOTAL <> SUM(L.AMOUNT) - O.DISCOUNT + O.SHIPPING_FEE
        """,
    ),
    Rule(
        key("prod/orders"),
        "revenue_adds_up",
        "REVENUE = TOTAL - REFUNDED_AMOUNT, and 0 for a cancelled order.",
        """
        SELECT ORDER_ID, STATUS, TOTAL, REFUNDED_AMOUNT, REVENUE
        FROM PROD.ORDERS
        WHERE PLACED_AT IS NOT NULL AND REVENUE <> IFF(STATUS = 'CANCELLED', 0, TOTAL - REFUNDED_AMOUNT)
        """,
    ),
    Rule(
        key("prod/orders"),
        "margin_adds_up",
        "MARGIN = REVENUE - COST.",
        "SELECT ORDER_ID, REVENUE, COST, MARGIN FROM PROD.ORDERS WHERE MARGIN <> REVENUE - COST",
    ),
    Rule(
        key("prod/orders"),
        "status_is_the_newest",
        "STATUS is that of the event with the highest version.",
        """
        SELECT O.ORDER_ID, O.STATUS, H.EVENT_TYPE
        FROM PROD.ORDERS O
        JOIN (
          SELECT ORDER_ID, EVENT_TYPE
          FROM PROD.ORDER_STATUS_HISTORY
          QUALIFY ROW_NUMBER() OVER (PARTITION BY ORDER_ID ORDER BY VERSION DESC) = 1
        ) H ON H.ORDER_ID = O.ORDER_ID
        WHERE 'order_' || LOWER(O.STATUS) <> H.EVENT_TYPE
        """,
    ),
    Rule(
        key("prod/orders"),
        "customer_exists",
        "Each order's customer is known.",
        """
        SELECT O.ORDER_ID, O.CUSTOMER_ID
        FROM PROD.ORDERS O LEFT JOIN PROD.CUSTOMERS C ON C.CUSTOMER_ID = O.CUSTOMER_ID
        WHERE O.CUSTOMER_ID IS NOT NULL AND C.CUSTOMER_ID IS NULL
        """,
        critical=False,
    ),
    Rule(
        key("prod/order_lines"),
        "order_exists",
        "Each line's order is known.",
        """
        SELECT L.ORDER_ID, L.LINE_NO
        FROM PROD.ORDER_LINES L LEFT JOIN PROD.ORDERS O ON O.ORDER_ID = L.ORDER_ID
        WHERE O.ORDER_ID IS NULL
        """,
    ),
    Rule(
        key("prod/order_lines"),
        "product_exists",
        "Each line's product is known.",
        """
        SELECT L.ORDER_ID, L.LINE_NO, L.PRODUCT_ID
        FROM PROD.ORDER_LINES L LEFT JOIN PROD.PRODUCTS P ON P.PRODUCT_ID = L.PRODUCT_ID
        WHERE P.PRODUCT_ID IS NULL
        """,
        critical=False,
    ),
    Rule(
        key("prod/products"),
        "supplier_exists",
        "Each product's supplier is known.",
        """
        SELECT P.PRODUCT_ID, P.SUPPLIER_ID
        FROM PROD.PRODUCTS P LEFT JOIN PROD.SUPPLIERS S ON S.SUPPLIER_ID = P.SUPPLIER_ID
        WHERE P.SUPPLIER_ID IS NOT NULL AND S.SUPPLIER_ID IS NULL
        """,
    ),
    Rule(
        key("prod/order_status_history"),
        "versions_are_whole",
        "The events of an order are numbered 1, 2, 3 ...; a missing number is an event that has not come yet.",
        """
        SELECT ORDER_ID, COUNT(*) AS EVENTS, MAX(VERSION) AS NEWEST
        FROM PROD.ORDER_STATUS_HISTORY
        GROUP BY ORDER_ID
        HAVING MIN(VERSION) <> 1 OR MAX(VERSION) <> COUNT(DISTINCT VERSION)
        """,
        critical=False,
    ),
    Rule(
        key("prod/customers_history"),
        "one_current_version",
        "Each customer has exactly one current version.",
        """
        SELECT CUSTOMER_ID, COUNT_IF(IS_CURRENT) AS CURRENT_VERSIONS
        FROM PROD.CUSTOMERS_HISTORY
        GROUP BY CUSTOMER_ID
        HAVING COUNT_IF(IS_CURRENT) <> 1
        """,
    ),
    Rule(
        key("prod/products_history"),
        "one_current_version",
        "Each product has exactly one current version.",
        """
        SELECT PRODUCT_ID, COUNT_IF(IS_CURRENT) AS CURRENT_VERSIONS
        FROM PROD.PRODUCTS_HISTORY
        GROUP BY PRODUCT_ID
        HAVING COUNT_IF(IS_CURRENT) <> 1
        """,
    ),
    Rule(
        key("prod/daily_sales"),
        "days_add_up",
        "The revenue of a day's categories is the revenue of the orders of that day.",
        """
        SELECT COALESCE(D.SALES_DATE, O.SALES_DATE) AS SALES_DATE, D.REVENUE, O.REVENUE AS EXPECTED
        FROM (SELECT SALES_DATE, SUM(REVENUE) AS REVENUE FROM PROD.DAILY_SALES GROUP BY SALES_DATE) D
        FULL OUTER JOIN (
          SELECT TO_DATE(PLACED_AT) AS SALES_DATE, SUM(REVENUE) AS REVENUE
          FROM PROD.ORDERS
          WHERE LINE_COUNT > 0
          GROUP BY TO_DATE(PLACED_AT)
        ) O ON O.SALES_DATE = D.SALES_DATE
        WHERE D.REVENUE IS DISTINCT FROM O.REVENUE
        """,
    ),
)
