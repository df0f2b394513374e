"""The recipe of docs/snowflake.md, typed as it stands, and the programs as the users that it ends with."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import ProgrammingError

from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint
from dropship_dagster.warehouse import connect, deploy, is_deployed, refresh, verify
from dropship_dagster_tests.deployed import running_warehouse
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

RECIPE = Path(__file__).parents[2] / "docs" / "snowflake.md"
DATABASE, WAREHOUSE = "SHOP", "SHOP_WH"
"""Names that the server has not made by itself."""


def typed() -> list[str]:
    """The statements of the recipe for the worksheet, in their order."""
    section = RECIPE.read_text().split("## A trial account in ten minutes\n")[1].split("\n## ")[0]
    found = re.findall(r"^ {8}((?:CREATE|GRANT|ALTER) .*);$", section, re.MULTILINE)
    assert len(found) > 3, "the recipe was not found"
    return [statement.replace("DROPSHIP_WH", WAREHOUSE) for statement in found]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseEndpoint]:
    """A new account, as its first user reaches it."""
    with running_warehouse(tmp_path_factory.mktemp("account") / "data", "--user", "OWNER") as endpoint:
        yield dataclasses.replace(endpoint, database=DATABASE, warehouse=WAREHOUSE)


@pytest.fixture(scope="module")
def administrator(account: WarehouseEndpoint) -> WarehouseEndpoint:
    """The user of the recipe, who has deployed sql/ and is no ACCOUNTADMIN."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    before = [statement for statement in typed() if WAREHOUSE not in statement]
    after = [statement for statement in typed() if WAREHOUSE in statement]
    args = {name: value for name, value in account.connect_args.items() if name != "password"}
    args |= {"user": "DROPSHIP", "private_key": private, "role": "DROPSHIP_ADMIN"}
    endpoint = dataclasses.replace(account, role="DROPSHIP_ADMIN", connect_args=args)
    with connect(account) as connection:
        for statement in before:
            connection.cursor().execute(statement.replace("'...'", f"'{base64.b64encode(public).decode()}'"))
        deploy(endpoint)
        for statement in after:
            connection.cursor().execute(statement)
        for role in ("LOADER", "READER", "ORCHESTRATOR"):
            connection.cursor().execute(
                f"CREATE USER {role}_PROGRAM PASSWORD = 'Of-{role}-2026' DEFAULT_ROLE = {DATABASE}_{role} "
                "DEFAULT_SECONDARY_ROLES = ()"
            )
            connection.cursor().execute(f"GRANT ROLE {DATABASE}_{role} TO USER {role}_PROGRAM")
    return endpoint


def program(account: WarehouseEndpoint, role: str) -> WarehouseEndpoint:
    args = {**account.connect_args, "user": f"{role}_PROGRAM", "password": f"Of-{role}-2026"}
    return dataclasses.replace(account, connect_args=args)


def refused(endpoint: WarehouseEndpoint, statement: str) -> int | None:
    with connect(endpoint) as connection, pytest.raises(ProgrammingError) as told:
        connection.cursor().execute(statement)
    return told.value.errno


def test_the_administrator_of_the_recipe_deploys_and_may_not_more(administrator: WarehouseEndpoint) -> None:
    assert deploy(administrator).applied == ()
    assert refused(administrator, "USE ROLE ACCOUNTADMIN") == 3013
    assert refused(administrator, "CREATE RESOURCE MONITOR OWN WITH CREDIT_QUOTA = 1") == 3001
    assert refused(administrator, "CREATE USER ANOTHER") == 3001


def test_each_program_works_with_its_own_role_alone(
    account: WarehouseEndpoint, administrator: WarehouseEndpoint, kafka: KafkaEndpoint
) -> None:
    loader, orchestrator, reader = (program(account, role) for role in ("LOADER", "ORCHESTRATOR", "READER"))
    with connect(loader) as connection:
        assert is_deployed(connection, DATABASE)
    shop = Pipeline(kafka.client_config, loader)
    order = Order(shop.id(1))
    shop.send(shop.customers, [customer(order.customer_id, 1)])
    shop.send(shop.products, [product("P00001", 1)])
    shop.send(shop.orders, [order.placed(), order.paid(), order.shipped(), b"no event"])
    assert shop.load().events == 6
    assert refresh(orchestrator, timeout=300).state == "SUCCEEDED"
    report = verify(orchestrator, client_config=shop.client_config, topics=shop.tables)
    assert report.ok, report.problems
    with connect(reader) as connection:
        assert connection.cursor().execute("SELECT ORDERS FROM PROD.V_KPIS").fetchall() == [(1,)]
    for statement in ("DELETE FROM PROD.ORDERS", "DROP TASK OPS.REFRESH", "CREATE TABLE OPS.OWN (I NUMBER)"):
        assert refused(orchestrator, statement) == 3001
    assert refused(orchestrator, f"PUT file://{RECIPE} @OPS.LOADER") in (2003, 3001)
