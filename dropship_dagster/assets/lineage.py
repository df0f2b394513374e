"""Column lineage of PROD: from which columns of which tables each column is made (sql/03_streams_tasks).

Most columns keep their name on the way; only the others are listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import dagster as dg

from dropship_dagster.assets import names
from dropship_dagster.warehouse import model

_Source = tuple[str | None, str]
"""Table and column; no table means the table of STAGING that the table of PROD reads."""
_Sources = Mapping[str, list[_Source]]
"""The sources of a column, by its name."""

_VERSIONED: _Sources = {
    "IS_DELETED": [(None, "EVENT_TYPE"), (None, "VERSION")],
    "RECORD_VERSION": [(None, "VERSION"), (None, "EVENT_TYPE")],
    "DELETED_VERSION": [(None, "VERSION"), (None, "EVENT_TYPE")],
}
_HISTORY: _Sources = {
    "IS_DELETED": [(None, "EVENT_TYPE")],
    "VALID_FROM": [(None, "EVENT_TIME")],
    "VALID_TO": [(None, "EVENT_TIME"), (None, "VERSION")],
    "IS_CURRENT": [(None, "VERSION")],
}
_MONEY: list[_Source] = [(None, "TOTAL"), (None, "REFUNDED_AMOUNT"), (None, "EVENT_TYPE"), (None, "VERSION")]
_STEPS = ("PLACED", "PAID", "SHIPPED", "DELIVERED", "CANCELLED", "RETURNED")

_OTHERS: Mapping[str, _Sources] = {
    "customers": _VERSIONED,
    "customers_history": _HISTORY,
    "suppliers": {
        "NAME": [(None, "SUPPLIER_NAME")],
        "COUNTRY": [(None, "SUPPLIER_COUNTRY")],
        "SEEN_IN": [(None, "EVENT_TIME"), (None, "VERSION"), (None, "PRODUCT_ID")],
    },
    "products": _VERSIONED,
    "products_history": _HISTORY,
    "orders": {
        "STATUS": [(None, "EVENT_TYPE"), (None, "VERSION")],
        "REVENUE": _MONEY,
        "COST": [(None, "LINES_COST"), (None, "EVENT_TYPE"), (None, "VERSION")],
        "MARGIN": [*_MONEY, (None, "LINES_COST")],
        **{f"{step}_AT": [(None, "EVENT_TIME"), (None, "EVENT_TYPE")] for step in _STEPS},
        **{f"{step}_VERSION": [(None, "VERSION"), (None, "EVENT_TYPE")] for step in _STEPS},
    },
    "order_lines": {
        "ORDERED_AT": [(None, "EVENT_TIME")],
        **{
            column: [(None, "PAYLOAD")]
            for column in ("LINE_NO", "PRODUCT_ID", "SIZE", "QUANTITY", "UNIT_PRICE", "UNIT_COST", "AMOUNT")
        },
    },
    "daily_sales": {
        "SALES_DATE": [("prod/orders", "PLACED_AT")],
        "COUNTRY": [("prod/orders", "COUNTRY")],
        "CATEGORY": [("prod/products", "CATEGORY")],
        "CHANNEL": [("prod/orders", "CHANNEL")],
        "ORDERS": [("prod/orders", "ORDER_ID")],
        "UNITS": [("prod/order_lines", "QUANTITY")],
        "REVENUE": [("prod/orders", "REVENUE"), ("prod/order_lines", "AMOUNT")],
        "COST": [
            ("prod/order_lines", "QUANTITY"),
            ("prod/order_lines", "UNIT_COST"),
            ("prod/orders", "STATUS"),
            ("prod/orders", "SHIPPED_VERSION"),
        ],
        "MARGIN": [("prod/orders", "REVENUE"), ("prod/order_lines", "UNIT_COST")],
    },
    "daily_product_sales": {
        "SALES_DATE": [("prod/order_lines", "ORDERED_AT")],
        "PRODUCT_ID": [("prod/order_lines", "PRODUCT_ID")],
        "SIZE": [("prod/order_lines", "SIZE")],
        "UNITS_ORDERED": [("prod/order_lines", "QUANTITY")],
        "UNITS": [("prod/order_lines", "QUANTITY"), ("prod/orders", "STATUS")],
        "AMOUNT": [("prod/order_lines", "AMOUNT"), ("prod/orders", "STATUS")],
        "COST": [("prod/order_lines", "QUANTITY"), ("prod/order_lines", "UNIT_COST"), ("prod/orders", "STATUS")],
    },
    "daily_supplier_deliveries": {
        "SALES_DATE": [("prod/order_lines", "ORDERED_AT")],
        "SUPPLIER_ID": [("prod/products", "SUPPLIER_ID")],
        "MINUTES": [("prod/orders", "PAID_AT"), ("prod/orders", "DELIVERED_AT")],
        "ORDERS": [("prod/orders", "ORDER_ID")],
        "LATE": [("prod/orders", "DELIVERED_AT"), ("prod/orders", "PROMISED_AT")],
        "PROMISED_MINUTES": [("prod/orders", "PAID_AT"), ("prod/orders", "PROMISED_AT")],
    },
    "customer_first_orders": {
        "CUSTOMER_ID": [("prod/orders", "CUSTOMER_ID")],
        "ORDER_ID": [("prod/orders", "ORDER_ID")],
        "FIRST_AT": [("prod/orders", "PLACED_AT")],
    },
}


def lineage(table: names.Table, columns: Iterable[str], schemas: Mapping[str, dg.TableSchema]) -> dg.TableColumnLineage:
    """The lineage of a table of PROD.

    Args:
        table: the table.
        columns: its columns, as the warehouse spells them.
        schemas: the columns of every table, by SCHEMA.TABLE, to tell which columns of the same name exist.
    """
    main = None if model.prod_table(table.name.upper()).is_derived else table.upstream[0].to_user_string()
    named = _columns_of(main, schemas) if main else set()
    others = _OTHERS.get(table.name, {})
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for column in columns:
        same = [(main, column)] if column in named else []
        deps[column] = [
            dg.TableColumnDep(names.key(source or main or ""), name) for source, name in others.get(column, same)
        ]
    return dg.TableColumnLineage(deps)


def _columns_of(asset: str, schemas: Mapping[str, dg.TableSchema]) -> set[str]:
    return {column.name for column in schemas[names.table(names.key(asset)).sql_name].columns}
