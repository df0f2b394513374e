"""The recipe of docs/snowflake.md, typed as it stands, and the programs as the users that it ends with."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector import DictCursor
from snowflake.connector.errors import ProgrammingError

from dropship_dagster.cli.doctor.account import account as examine
from dropship_dagster.endpoints import KafkaEndpoint, WarehouseEndpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.warehouse import connect, deploy, is_deployed, prepare, refresh, verify
from dropship_dagster.warehouse.costs import credit_quota
from dropship_dagster.warehouse.statements import split_statements
from dropship_dagster_tests.deployed import running_warehouse
from dropship_dagster_tests.warehouse.events import Order, customer, product
from dropship_dagster_tests.warehouse.pipeline import Pipeline

RECIPE = Path(__file__).parents[2] / "docs" / "snowflake.md"
DATABASE, WAREHOUSE = "SHOP", "SHOP_WH"
"""Names that the server has not made by itself."""
PROGRAMS = ("LOADER", "READER", "ORCHESTRATOR")


def block(step: int) -> str:
    """What is to be typed in a step of the recipe."""
    found = re.search(rf"^{step}\. .*?\n\n((?: {{8}}[^\n]*\n)+)", RECIPE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return re.sub(r"^ {8}", "", found[1], flags=re.MULTILINE)


@dataclass(frozen=True)
class Account:
    """A local server that is taken for an account.

    Attributes:
        endpoint: as its first user, who is ACCOUNTADMIN.
        administrator: as the user of the recipe.
        settings: the administrator's, as the recipe's `.env` has them.
    """

    endpoint: WarehouseEndpoint
    administrator: WarehouseEndpoint
    settings: Settings

    def type(self, step: int, public_key: str = "") -> None:
        """Run a step of the recipe in a worksheet."""
        text = block(step).replace("DROPSHIP_WH", WAREHOUSE).replace("'...'", f"'{public_key}'")
        with connect(self.endpoint) as connection:
            for statement in split_statements(text):
                connection.cursor().execute(statement)

    def found(self) -> set[str]:
        """What the doctor finds to be wrong."""
        return {finding.subject for finding in examine(self.settings) if not finding.ok}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A new account on which the recipe was followed up to the deployment."""
    folder = tmp_path_factory.mktemp("account")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    file, private = folder / "rsa_key.p8", serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    file.chmod(0o600)
    given = dict(line.split("=", 1) for line in block(5).splitlines())
    assert set(given) == {
        "SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PRIVATE_KEY_PATH", "SNOWFLAKE_ROLE"
    }  # fmt: skip
    with running_warehouse(folder / "data", "--user", "OWNER") as server:
        args = server.connect_args
        settings = Settings.load(
            **given | {"SNOWFLAKE_ACCOUNT": args["account"], "SNOWFLAKE_PRIVATE_KEY_PATH": str(file)},
            SNOWFLAKE_HOST=args["host"], SNOWFLAKE_PORT=args["port"], SNOWFLAKE_PROTOCOL=args["protocol"],
            SNOWFLAKE_DATABASE=DATABASE, SNOWFLAKE_WAREHOUSE=WAREHOUSE, DROPSHIP_HOME=folder / "home",
        )  # fmt: skip
        owner = dataclasses.replace(server, database=DATABASE, warehouse=WAREHOUSE)
        made = Account(owner, warehouse_endpoint(settings), settings)
        made.type(4, base64.b64encode(public).decode())
        yield made


@pytest.fixture(scope="module")
def deployed(account: Account) -> Account:
    """The same after the whole recipe, with a user for each program."""
    assert account.found() == {"warehouse", "objects"}, "a privilege is missing to deploy"
    report = deploy(account.administrator)
    assert report.left_out == ("08_resource_monitor.sql",)
    account.type(7)
    with connect(account.endpoint) as connection:
        for role in PROGRAMS:
            connection.cursor().execute(
                f"CREATE USER {role}_PROGRAM PASSWORD = 'Of-{role}-2026' DEFAULT_ROLE = {DATABASE}_{role} "
                "DEFAULT_SECONDARY_ROLES = ()"
            )
            connection.cursor().execute(f"GRANT ROLE {DATABASE}_{role} TO USER {role}_PROGRAM")
    return account


def program(account: Account, role: str) -> WarehouseEndpoint:
    args = {**account.endpoint.connect_args, "user": f"{role}_PROGRAM", "password": f"Of-{role}-2026"}
    return dataclasses.replace(account.endpoint, connect_args=args)


def refused(endpoint: WarehouseEndpoint, statement: str) -> int | None:
    with connect(endpoint) as connection, pytest.raises(ProgrammingError) as told:
        connection.cursor().execute(statement)
    return told.value.errno


def test_the_doctor_finds_nothing_to_mend_after_the_recipe(deployed: Account) -> None:
    assert prepare(deployed.administrator) == ()
    assert deployed.found() == set()
    with connect(deployed.endpoint) as connection:
        [monitor] = connection.cursor(DictCursor).execute("SHOW RESOURCE MONITORS").fetchall()
    assert monitor["name"] == f"{WAREHOUSE}_MONITOR"
    assert f"CREDIT_QUOTA = {credit_quota(deployed.administrator.refresh_schedule)} " in block(7)


def test_the_administrator_of_the_recipe_deploys_and_may_not_more(deployed: Account) -> None:
    administrator = deployed.administrator
    assert deploy(administrator).applied == ()
    assert refused(administrator, "USE ROLE ACCOUNTADMIN") == 3013
    assert refused(administrator, "CREATE RESOURCE MONITOR OWN WITH CREDIT_QUOTA = 1") == 3001
    assert refused(administrator, "CREATE USER ANOTHER") == 3001


def test_each_program_works_with_its_own_role_alone(deployed: Account, kafka: KafkaEndpoint) -> None:
    loader, orchestrator, reader = (program(deployed, role) for role in ("LOADER", "ORCHESTRATOR", "READER"))
    with connect(loader) as connection:
        assert is_deployed(connection, DATABASE)
    shop = Pipeline(kafka.client_config, loader)
    order = Order(shop.id(1))
    shop.send(shop.customers, [customer(order.customer_id, 1)])
    shop.send(shop.products, [product("P00001", 1)])
    shop.send(shop.orders, [order.placed(), order.paid(), order.shipped(), b"no event"])
    assert shop.load().events == 6
    assert refresh(loader, timeout=300, as_loader=True).state == "SUCCEEDED", "what consume --follow asks for"
    shop.send(shop.products, [product("P00002", 1)])
    assert shop.load().events == 1
    assert refresh(orchestrator, timeout=300).state == "SUCCEEDED"
    report = verify(orchestrator, client_config=shop.client_config, topics=shop.tables)
    assert report.ok, report.problems
    with connect(reader) as connection:
        assert connection.cursor().execute("SELECT ORDERS FROM PROD.V_KPIS").fetchall() == [(1,)]
    for statement in ("DELETE FROM PROD.ORDERS", "DROP TASK OPS.REFRESH", "CREATE TABLE OPS.OWN (I NUMBER)"):
        assert refused(orchestrator, statement) == 3001
    assert refused(orchestrator, f"PUT file://{RECIPE} @OPS.LOADER") in (2003, 3001)
