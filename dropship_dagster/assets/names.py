"""The platform's assets by name: groups, keys and what stands on what. The one place that lists the tables.

Keys follow the warehouse: ["prod", "orders"] is <database>.PROD.ORDERS. A test compares the list with what sql/
deploys.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from dropship_dagster.settings import Settings, SettingsError

SEEDS = "seeds"
TOPICS = "topics"
RAW = "raw"
STAGING = "staging"
PROD = "prod"
REPORTS = "reports"

FRESH = dg.FreshnessPolicy.time_window(warn_window=dt.timedelta(hours=24), fail_window=dt.timedelta(hours=48))
"""The tables of the warehouse are written at least once a day, by the schedule or by live traffic."""

PERSONAL_DATA = "dropship/personal-data"
_PERSONAL = frozenset({"customers", "customers_history", "customer_events", "rejected_events"})

REPORT_KEY = dg.AssetKey([REPORTS, "validation"])


@dataclass(frozen=True)
class Table:
    """A table of the warehouse: its asset, and the assets that its rows come from."""

    schema: str
    name: str
    description: str
    upstream: tuple[dg.AssetKey, ...]

    @property
    def key(self) -> dg.AssetKey:
        """The asset's key: schema and table in lower case."""
        return dg.AssetKey([self.schema, self.name])

    @property
    def sql_name(self) -> str:
        """SCHEMA.TABLE, as the warehouse spells it."""
        return f"{self.schema}.{self.name}".upper()


def tags(name: str) -> dict[str, str]:
    """Tags of an asset, by its name without the group: whether it holds what tells who somebody is."""
    return {PERSONAL_DATA: "yes"} if name in _PERSONAL else {}


def key(name: str) -> dg.AssetKey:
    """The key of `group/name`."""
    return dg.AssetKey(name.split("/"))


def _table(name: str, description: str, *upstream: str) -> Table:
    schema, table = name.split("/")
    return Table(schema, table, description, tuple(key(each) for each in upstream))


RAW_TABLES = (
    _table(
        "raw/customers",
        "Messages of the customers topic, as they came. A row a message, by (topic id, partition, offset).",
        "topics/customers",
    ),
    _table(
        "raw/products",
        "Messages of the products topic, as they came. A row a message, by (topic id, partition, offset).",
        "topics/products",
    ),
    _table(
        "raw/orders_events",
        "Messages of the order events topic, as they came. A row a message, by (topic id, partition, offset).",
        "topics/orders_events",
    ),
)

STAGING_TABLES = (
    _table(
        "staging/customer_events",
        "Accepted customer events, typed. A row an accepted message, by (topic id, partition, offset).",
        "raw/customers",
    ),
    _table(
        "staging/product_events",
        "Accepted product events, typed, each with its supplier. A row an accepted message.",
        "raw/products",
    ),
    _table(
        "staging/order_events",
        "Accepted order events, typed. A row an accepted message; an event that was sent twice is here twice.",
        "raw/orders_events",
    ),
    _table(
        "staging/rejected_events",
        "Messages that broke a rule, with the reason; `dropship rejected retry` sends them again. A row a message.",
        "raw/customers",
        "raw/products",
        "raw/orders_events",
    ),
)

PROD_TABLES = (
    _table(
        "prod/customers",
        "Customers. A row a customer, of its newest version, whatever order the events came in.",
        "staging/customer_events",
    ),
    _table(
        "prod/customers_history",
        "Every version of every customer, with the time from which to which it held. A row a version.",
        "staging/customer_events",
    ),
    _table(
        "prod/suppliers",
        "Suppliers, as the newest product event tells them. A row a supplier.",
        "staging/product_events",
    ),
    _table("prod/products", "Products. A row a product, of its newest version.", "staging/product_events"),
    _table(
        "prod/products_history",
        "Every version of every product, with the time from which to which it held. A row a version.",
        "staging/product_events",
    ),
    _table(
        "prod/orders",
        "Orders: newest state, the time of each step, money in EUR. A row an order, whatever order events came in.",
        "staging/order_events",
    ),
    _table(
        "prod/order_lines",
        "What was ordered. A row a line of an order, by (order, line number).",
        "staging/order_events",
    ),
    _table(
        "prod/order_status_history",
        "Steps in the life of the orders. A row an accepted event of an order, by (order, version).",
        "staging/order_events",
    ),
    _table(
        "prod/daily_sales",
        "Sales by day, country, category and channel; only touched days are computed again.",
        "prod/orders",
        "prod/order_lines",
        "prod/products",
        "prod/products_history",
    ),
    _table(
        "prod/daily_product_sales",
        "Sales by day, product and size; only touched days are computed again.",
        "prod/orders",
        "prod/order_lines",
    ),
    _table(
        "prod/daily_supplier_deliveries",
        "How long deliveries took, by day, supplier and minutes; only touched days are computed again.",
        "prod/orders",
        "prod/order_lines",
        "prod/products",
        "prod/products_history",
    ),
    _table(
        "prod/customer_first_orders", "When each customer ordered first. A row a customer with an order.", "prod/orders"
    ),
)

WAREHOUSE_TABLES = RAW_TABLES + STAGING_TABLES + PROD_TABLES


def table(asset: dg.AssetKey) -> Table:
    """The table of an asset; KeyError when it is none."""
    return {each.key: each for each in WAREHOUSE_TABLES}[asset]


def database() -> str:
    """The database's name for descriptions; settings that cannot be read fail the run later, not the code location."""
    try:
        return Settings.load().snowflake_database
    except SettingsError:
        return str(Settings.model_fields["snowflake_database"].default)


def table_specs(tables: tuple[Table, ...], owner: str) -> Iterator[dg.AssetSpec]:
    """The specs of a schema's tables."""
    prefix = database()
    for each in tables:
        yield dg.AssetSpec(
            each.key,
            deps=each.upstream,
            description=each.description,
            group_name=each.schema,
            kinds={"snowflake", "table"},
            owners=[owner],
            tags=tags(each.name),
            freshness_policy=FRESH,
            metadata={"dagster/table_name": f"{prefix}.{each.sql_name}"},
        )
