"""The tables of the warehouse and the tasks that fill them, each declared once.

Assets, lineage, checks, verify, rebuild, set-aside and retention derive theirs from here; tests compare it with what
sql/ deploys. docs/tutorials/add_a_topic.md adds an entity.
"""

from __future__ import annotations

from dataclasses import dataclass

from dropship_dagster.stream.roles import CUSTOMERS, ORDERS_EVENTS, PRODUCTS


@dataclass(frozen=True)
class Topic:
    """A topic, and the tables that its messages go to.

    Attributes:
        role: of the topic, as `dropship_dagster.stream.roles` has it.
        raw: table of RAW.
        events: table of STAGING for the accepted ones.
        task: fills that table.
        key: its column that names the entity.
        title: what the topic is called in sentences.
        accepted: what the table of STAGING holds, in a sentence.
        seeds: the CSV files that are replayed into the topic, without .csv, the one with a row for each message last;
            none when another program sends its messages.
        about: what the messages tell, in a sentence.
        personal: whether they tell who somebody is.
    """

    role: str
    raw: str
    events: str
    task: str
    key: str
    title: str
    accepted: str
    seeds: tuple[str, ...] = ()
    about: str = ""
    personal: bool = False


@dataclass(frozen=True)
class ProdTable:
    """A table of PROD. The task OPS.MERGE_<NAME> fills it.

    Attributes:
        name: without the schema.
        key: its columns that tell one row from another.
        sources: what its task computes it from, with the schemas: a table of STAGING, or tables of PROD.
        description: in sentences, its grain among them.
        personal: whether it tells who somebody is.
    """

    name: str
    key: tuple[str, ...]
    sources: tuple[str, ...]
    description: str
    personal: bool = False

    @property
    def task(self) -> str:
        """The task that fills it, in OPS."""
        return f"MERGE_{self.name}"

    @property
    def is_derived(self) -> bool:
        """Whether it is computed from tables of PROD."""
        return self.sources[0].startswith("PROD.")

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams of its task, and of them all that is read in it.

        A derived table follows the queue of changed orders, and the products where it holds what they are.
        """
        if not self.is_derived:
            return (f"STAGING.{self.name}_STREAM",)
        followed = (f"PROD.{self.name}_PRODUCTS_STREAM",) if "PROD.PRODUCTS" in self.sources else ()
        return (f"OPS.{self.name}_STREAM", *followed)


TOPICS = (
    Topic(
        CUSTOMERS, "CUSTOMERS", "CUSTOMER_EVENTS", "STAGE_CUSTOMERS", "CUSTOMER_ID", "customers",
        "Accepted customer events, typed. One row per accepted message, by (topic id, partition, offset).",
        ("customers",), "Customers: the full record with its version, keyed by customer.",
        personal=True,
    ),
    Topic(
        PRODUCTS, "PRODUCTS", "PRODUCT_EVENTS", "STAGE_PRODUCTS", "PRODUCT_ID", "products",
        "Accepted product events, typed, each with its supplier. One row per accepted message.",
        ("suppliers", "products"), "Products: the full record with its supplier inside, keyed by product.",
    ),
    Topic(
        ORDERS_EVENTS, "ORDERS_EVENTS", "ORDER_EVENTS", "STAGE_ORDER_EVENTS", "ORDER_ID", "order events",
        "Accepted order events, typed. One row per accepted message; an event that was sent twice is here twice.",
        ("orders", "order_lines", "order_events"), "What happened to the orders, keyed by order.",
    ),
)  # fmt: skip

_CUSTOMER, _PRODUCT, _ORDER = "STAGING.CUSTOMER_EVENTS", "STAGING.PRODUCT_EVENTS", "STAGING.ORDER_EVENTS"
_ORDERS, _LINES, _PRODUCTS = "PROD.ORDERS", "PROD.ORDER_LINES", "PROD.PRODUCTS"

PROD = (
    ProdTable(
        "CUSTOMERS", ("CUSTOMER_ID",), (_CUSTOMER,),
        "Customers. One row per customer, of its newest version, whatever order the events came in.",
        personal=True,
    ),
    ProdTable(
        "CUSTOMERS_HISTORY", ("CUSTOMER_ID", "VERSION"), (_CUSTOMER,),
        "Every version of every customer, with the time from which to which it held. One row per version.",
        personal=True,
    ),
    ProdTable(
        "SUPPLIERS", ("SUPPLIER_ID",), (_PRODUCT,),
        "Suppliers, as the newest product event tells them. One row per supplier.",
    ),
    ProdTable(
        "PRODUCTS", ("PRODUCT_ID",), (_PRODUCT,), "Products. One row per product, of its newest version.",
    ),
    ProdTable(
        "PRODUCTS_HISTORY", ("PRODUCT_ID", "VERSION"), (_PRODUCT,),
        "Every version of every product, with the time from which to which it held. One row per version.",
    ),
    ProdTable(
        "ORDERS", ("ORDER_ID",), (_ORDER,),
        "Orders: newest state, the time of each step, money in EUR. One row per order, whatever order events came in.",
    ),
    ProdTable(
        "ORDER_LINES", ("ORDER_ID", "LINE_NO"), (_ORDER,),
        "What was ordered. One row per line of an order, by (order, line number).",
    ),
    ProdTable(
        "ORDER_STATUS_HISTORY", ("ORDER_ID", "VERSION"), (_ORDER,),
        "Steps in the life of the orders. One row per accepted event of an order, by (order, version).",
    ),
    ProdTable(
        "DAILY_SALES", ("SALES_DATE", "COUNTRY", "CATEGORY", "CHANNEL"), (_ORDERS, _LINES, _PRODUCTS),
        "Sales by day, country, category and channel; only touched days are computed again.",
    ),
    ProdTable(
        "DAILY_PRODUCT_SALES", ("SALES_DATE", "PRODUCT_ID", "SIZE"), (_ORDERS, _LINES),
        "Sales by day, product and size; only touched days are computed again.",
    ),
    ProdTable(
        "DAILY_SUPPLIER_DELIVERIES", ("SALES_DATE", "SUPPLIER_ID", "MINUTES"), (_ORDERS, _LINES, _PRODUCTS),
        "How long deliveries took, by day, supplier and minutes; only touched days are computed again.",
    ),
    ProdTable(
        "CUSTOMER_FIRST_ORDERS", ("CUSTOMER_ID",), (_ORDERS,),
        "When each customer ordered first. One row per customer with an order.",
    ),
)  # fmt: skip
"""In the order in which the tables depend on each other."""

REJECTED = "STAGING.REJECTED_EVENTS"

TABLES = (
    *(f"RAW.{topic.raw}" for topic in TOPICS),
    *(f"STAGING.{topic.events}" for topic in TOPICS),
    REJECTED,
    *(f"PROD.{table.name}" for table in PROD),
)
"""All of them with their schemas, from RAW to PROD."""

TABLE_OF_TASK = {topic.task: f"STAGING.{topic.events}" for topic in TOPICS} | {
    table.task: f"PROD.{table.name}" for table in PROD
}
"""The table each task of the graph fills."""

KEYS = {table.name: table.key for table in PROD}
"""The key of each table of PROD."""


def prod_table(name: str) -> ProdTable:
    """A table of PROD by its name without the schema; KeyError when it is none."""
    return {table.name: table for table in PROD}[name]


def streams_before(name: str) -> tuple[str, ...]:
    """Every stream between STAGING and a table of PROD, those of the tables that it is derived from first."""
    table = prod_table(name)
    sources = [source.removeprefix("PROD.") for source in table.sources if source.startswith("PROD.")]
    return (*(stream for source in sources for stream in streams_before(source)), *table.streams)
