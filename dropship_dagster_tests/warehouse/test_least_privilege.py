"""Each program as a user who has the one role that docs/snowflake.md gives it, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from snowflake.connector.errors import ProgrammingError

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import connect
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from streamlit_monitor.period import Span
from streamlit_monitor.queries import customers, fulfilment, pipeline, products, sales
from streamlit_monitor.store import Store
from streamlit_monitor.warehouse import Warehouse

NO_PRIVILEGE, NOT_AUTHORIZED = 3001, 2003

PASSWORD = "Of-{}-2026"
As = Callable[[str], WarehouseEndpoint]


@pytest.fixture
def user_of(own_database: WarehouseEndpoint) -> As:
    """Makes a user with a role of the deployment alone: no secondary roles, no other grant."""

    def endpoint(role: str) -> WarehouseEndpoint:
        granted, user = f"{own_database.database}_{role}", f"{role}_PROGRAM"
        with connect(own_database) as connection:
            connection.cursor().execute(
                f"CREATE USER {user} PASSWORD = '{PASSWORD.format(role)}' DEFAULT_ROLE = {granted} "
                "DEFAULT_SECONDARY_ROLES = ()"
            )
            connection.cursor().execute(f"GRANT ROLE {granted} TO USER {user}")
        args = {**own_database.connect_args, "user": user, "password": PASSWORD.format(role)}
        return dataclasses.replace(own_database, connect_args=args)

    return endpoint


@pytest.fixture
def filled(own_database: WarehouseEndpoint, user_of: As, kafka: KafkaEndpoint) -> Pipeline:
    """A shop of one order, sent, loaded by a user with LOADER alone, and carried into PROD."""
    shop = Pipeline(kafka.client_config, user_of("LOADER"))
    order = Order(shop.id(1))
    shop.send(shop.customers, [customer(order.customer_id, 1)])
    shop.send(shop.products, [product("P00001", 1)])
    shop.send(shop.orders, [order.placed(), order.paid(), order.shipped(), b"no event"])
    assert shop.load().events == 6
    assert shop.load().events == 0
    mine = dataclasses.replace(shop, endpoint=own_database)
    mine.tables = shop.tables
    mine.refresh()
    return shop


@pytest.fixture
def store(filled: Pipeline, user_of: As) -> Iterator[Store]:
    """What the dashboard asks, as a user with READER alone."""
    reader = user_of("READER")
    args = reader.connect_args
    settings = Settings.load(
        SNOWFLAKE_ACCOUNT=args["account"], SNOWFLAKE_HOST=args["host"], SNOWFLAKE_PORT=str(args["port"]),
        SNOWFLAKE_PROTOCOL=args["protocol"], SNOWFLAKE_USER=args["user"], SNOWFLAKE_PASSWORD=args["password"],
        SNOWFLAKE_DATABASE=reader.database, SNOWFLAKE_WAREHOUSE=reader.warehouse,
    )  # fmt: skip
    warehouse = Warehouse(settings)
    yield Store(warehouse.query)
    warehouse.close()


def refused(endpoint: WarehouseEndpoint, statement: str) -> int:
    """The number of the error that a statement has to end with."""
    with connect(endpoint) as connection, pytest.raises(ProgrammingError) as told:
        connection.cursor().execute(statement)
    assert told.value.errno is not None
    return told.value.errno


def test_the_loader_loads_and_neither_reads_nor_changes_what_is_not_its_own(filled: Pipeline) -> None:
    loader = filled.endpoint
    for table in ("PROD.ORDERS", "STAGING.ORDER_EVENTS", "PROD.V_KPIS"):
        assert refused(loader, f"SELECT * FROM {table}") == NOT_AUTHORIZED
    for statement in ("DELETE FROM {}", "TRUNCATE TABLE {}", "DROP TABLE {}", "ALTER TABLE {} ADD COLUMN X NUMBER"):
        assert refused(loader, statement.format("RAW.CUSTOMERS")) == NO_PRIVILEGE
    assert refused(loader, "CREATE TABLE RAW.OWN (I NUMBER)") == NO_PRIVILEGE
    assert refused(loader, "CREATE DATABASE OWN") == NO_PRIVILEGE


def test_the_dashboard_asks_everything_about_the_shop_as_a_reader(store: Store) -> None:
    now = datetime.fromisoformat("2026-01-01")
    span = Span(now - timedelta(days=730), now + timedelta(days=730))
    for ask in (
        sales.kpis, sales.trend, sales.parcels, sales.by_channel, sales.by_country, customers.kpis, customers.trend,
        customers.segments, customers.by_country, customers.by_acquisition, fulfilment.funnel, fulfilment.by_country,
        fulfilment.by_supplier, fulfilment.return_reasons, fulfilment.cancel_reasons, products.by_category,
        products.by_size, products.sold_trend, products.sold,
    ):  # fmt: skip
        ask(store, span)
    assert sales.kpis(store, span)["orders"] == 1
    assert sales.catalogue(store) == (1, 1)
    assert len(sales.recent_orders(store, span, 5)) == 1
    assert len(products.top(store, span, 5)) == 1
    assert products.one(store, products.top(store, span, 5).iloc[0]["product_id"]) is not None
    customers.best(store, span, 5, unmasked=True)
    customers.cohorts(store, span.start, span.end)
    fulfilment.late(store, now, 5)
    assert len(products.categories(store)) == 1
    assert pipeline.stations(store)["row_count"].sum() > 0
    assert pipeline.loads(store, 5)["rows_loaded"].sum() == 6
    assert len(pipeline.positions(store)) > 0
    assert pipeline.reject_reasons(store, 5)["messages"].sum() == 1
    pipeline.offsets(store)
    pipeline.latency(store, span.start)


def test_a_reader_is_refused_everything_but_reading_prod(filled: Pipeline, user_of: As) -> None:
    reader = user_of("READER")
    for table in ("RAW.CUSTOMERS", "STAGING.REJECTED_EVENTS", "OPS.KAFKA_OFFSETS"):
        assert refused(reader, f"SELECT * FROM {table}") == NOT_AUTHORIZED
    for statement in (
        "DELETE FROM PROD.ORDERS", "UPDATE PROD.ORDERS SET MARGIN = 0", "DROP VIEW PROD.V_KPIS",
        "CREATE VIEW PROD.OWN AS SELECT 1 AS ONE", f"ALTER WAREHOUSE {reader.warehouse} SET AUTO_SUSPEND = 600",
    ):  # fmt: skip
        assert refused(reader, statement) == NO_PRIVILEGE
    assert refused(reader, "EXECUTE TASK OPS.REFRESH") == NOT_AUTHORIZED
    assert refused(reader, f"USE ROLE {reader.database}_TRANSFORMER") == 3013
