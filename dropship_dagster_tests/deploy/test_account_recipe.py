"""The recipe of docs/snowflake.md, typed as it stands, leads to a deployed database with a ceiling for its costs.

The account is an embedded server, whose names are put in for those of the recipe: other tests use it as well.
"""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable

from dropship_dagster.cli.doctor.account import account
from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT, Settings
from dropship_dagster.warehouse import connect, deploy, prepare
from dropship_dagster.warehouse.costs import credit_quota
from dropship_dagster.warehouse.statements import split_statements
from dropship_dagster_tests.warehouse.conftest import empty_database, warehouse

__all__ = ["empty_database", "warehouse"]

TEXT = (PROJECT_ROOT / "docs/snowflake.md").read_text()


def block(number: int) -> str:
    """What is to be typed in a step of the recipe."""
    found = re.search(rf"^{number}\. .*?\n\n((?: {{8}}[^\n]*\n)+)", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return re.sub(r"^ {8}", "", found[1], flags=re.MULTILINE)


def test_the_recipe_works_as_it_stands(empty_database: Callable[[], WarehouseEndpoint], settings: Settings) -> None:
    endpoint = empty_database()
    user, role = f"U{uuid.uuid4().hex[:8].upper()}", f"{endpoint.database}_ADMIN"
    given = dict(line.split("=", 1) for line in block(5).splitlines())
    assert given["SNOWFLAKE_USER"] == "DROPSHIP"
    assert given["SNOWFLAKE_ROLE"] == "DROPSHIP_ADMIN"

    def typed(number: int) -> None:
        text = block(number).replace("DROPSHIP_ADMIN", role).replace("DROPSHIP_WH", endpoint.warehouse)
        with connect(endpoint) as connection:
            for statement in split_statements(re.sub(r"USER( IF NOT EXISTS)? DROPSHIP\b", rf"USER\1 {user}", text)):
                connection.cursor().execute(statement)

    typed(4)
    with connect(endpoint) as connection:  # the embedded server logs in its own user alone
        connection.cursor().execute(f'GRANT ROLE {role} TO USER "{endpoint.connect_args["user"]}"')
    config = as_account(endpoint, role, settings)
    before = {finding.subject for finding in account(config) if not finding.ok}
    assert before == {"warehouse", "objects"}, "no privilege is missing to deploy"

    on_account = dataclasses.replace(endpoint, role=role, is_account=True, refresh_schedule="15 MINUTES")
    report = deploy(on_account)
    assert report.left_out == ("08_resource_monitor.sql",)
    typed(7)
    assert prepare(on_account) == ()
    assert [finding for finding in account(config) if not finding.ok] == []
    with connect(endpoint) as connection:
        monitors = connection.cursor().execute("SHOW RESOURCE MONITORS").fetchall()
    assert any(f"{endpoint.warehouse}_MONITOR" in map(str, monitor) for monitor in monitors)
    assert f"CREDIT_QUOTA = {credit_quota('15 MINUTES')} " in block(7)


def as_account(endpoint: WarehouseEndpoint, role: str, settings: Settings) -> Settings:
    """Settings that name the embedded server as an account."""
    args = endpoint.connect_args
    return Settings.load(
        SNOWFLAKE_ACCOUNT="org-account",
        SNOWFLAKE_USER=args["user"],
        SNOWFLAKE_PASSWORD=args["password"],
        SNOWFLAKE_HOST=args["host"],
        SNOWFLAKE_PORT=args["port"],
        SNOWFLAKE_PROTOCOL=args["protocol"],
        SNOWFLAKE_DATABASE=endpoint.database,
        SNOWFLAKE_WAREHOUSE=endpoint.warehouse,
        SNOWFLAKE_ROLE=role,
        DROPSHIP_HOME=settings.home,
    )
