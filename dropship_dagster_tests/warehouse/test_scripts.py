"""The files of sql/: every statement parses, every object is explained, every name is safe."""

from __future__ import annotations

import dataclasses
import logging
import re
import subprocess
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.warehouse.errors import DeploymentError
from dropship_dagster.warehouse.scripts import SQL_DIR, read_scripts, variables_of
from dropship_dagster.warehouse.statements import split_statements

ENDPOINT = WarehouseEndpoint("account", "SHOP", "SHOP_WH", None, {})
FIRST_STREAMS = """
RAW.CUSTOMERS_STREAM RAW.PRODUCTS_STREAM RAW.ORDERS_EVENTS_STREAM STAGING.RETRIED_CUSTOMERS_STREAM
STAGING.RETRIED_PRODUCTS_STREAM STAGING.RETRIED_ORDERS_EVENTS_STREAM STAGING.CUSTOMERS_STREAM
STAGING.CUSTOMERS_HISTORY_STREAM STAGING.SUPPLIERS_STREAM STAGING.PRODUCTS_STREAM STAGING.PRODUCTS_HISTORY_STREAM
STAGING.ORDERS_STREAM STAGING.ORDER_LINES_STREAM STAGING.ORDER_STATUS_HISTORY_STREAM OPS.DAILY_SALES_STREAM
OPS.DAILY_PRODUCT_SALES_STREAM PROD.DAILY_SALES_PRODUCTS_STREAM OPS.DAILY_SUPPLIER_DELIVERIES_STREAM
PROD.DAILY_SUPPLIER_DELIVERIES_PRODUCTS_STREAM OPS.CUSTOMER_FIRST_ORDERS_STREAM
"""
"""Those of the first version, which were created before their tables held anything."""
STATEMENTS = [
    pytest.param(statement, id=f"{script.name}-{number}")
    for script in read_scripts()
    for number, statement in enumerate(script.statements(variables_of(ENDPOINT)), start=1)
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_is_snowflake_sql(statement: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="sqlglot")
    body = statement
    if statement.startswith("CREATE OR REPLACE TASK"):
        body = re.split(r"\nAS\b", statement, maxsplit=1)[1].strip()
    if body.startswith("INSERT FIRST"):
        body = body[body.index("\nSELECT * FROM (") :]
    parsed = sqlglot.parse(body, read="snowflake")
    assert len(parsed) == 1
    assert not re.search(r"<%|%>", statement)


def test_files_deployed_once_come_before_those_deployed_on_change() -> None:
    assert [(script.name[:2], script.when) for script in read_scripts()] == [
        ("01", "once"),
        ("02", "once"),
        ("06", "once"),
        ("07", "once"),
        ("03", "on change"),
        ("04", "on change"),
        ("05", "on change"),
        ("08", "on change"),
    ]


def test_every_table_and_view_says_what_it_is() -> None:
    made = [
        statement
        for script in read_scripts()
        for statement in script.statements(variables_of(ENDPOINT))
        if re.match(r"CREATE (OR REPLACE |TRANSIENT )?(TABLE|VIEW|STREAM|TASK|STAGE|SCHEMA|ROLE|DATABASE)", statement)
    ]
    assert len(made) > 60
    for statement in made:
        assert re.search(r"COMMENT\s*=\s*'[^']+'", statement), statement.splitlines()[0]


def test_every_table_declares_its_key() -> None:
    tables = 0
    for script in read_scripts():
        for statement in script.statements(variables_of(ENDPOINT)):
            if not re.match(r"CREATE (TRANSIENT )?TABLE", statement):
                continue
            tables += 1
            assert sqlglot.parse_one(statement, read="snowflake").find(exp.PrimaryKey), statement.splitlines()[0]
    assert tables == 31


@pytest.mark.parametrize("field", ["database", "warehouse", "role"])
@pytest.mark.parametrize("name", ['X"; DROP DATABASE Y; --', "1X", "", "x", "A B", "É"])
def test_a_name_that_is_no_identifier_never_reaches_the_sql(field: str, name: str) -> None:
    endpoint = dataclasses.replace(ENDPOINT, **{field: name})
    if field == "role" and not name:
        assert variables_of(endpoint)["admin_role"] == "ACCOUNTADMIN"
        return
    with pytest.raises(DeploymentError, match="cannot be the"):
        variables_of(endpoint)


def test_an_unknown_variable_names_the_file_and_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "01_x.sql").write_text("-- deploy: once\nSELECT '<% nobody %>';")
    with pytest.raises(
        DeploymentError,
        match=r"01_x.sql uses <% nobody %>.*admin_role, credit_quota, database, refresh_schedule, warehouse",
    ):
        read_scripts(tmp_path)[0].statements(variables_of(ENDPOINT))


def test_a_file_that_does_not_say_when_is_refused(tmp_path: Path) -> None:
    (tmp_path / "01_x.sql").write_text("SELECT 1;")
    with pytest.raises(DeploymentError, match=r"01_x\.sql must begin with"):
        read_scripts(tmp_path)


def test_a_folder_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=re.escape(str(tmp_path))):
        read_scripts(tmp_path)


def test_the_shell_script_makes_of_every_file_what_deploy_makes_of_it(tmp_path: Path) -> None:
    """A stand-in for the Snowflake CLI keeps its arguments; its variables are put in as documented for -D."""
    calls = tmp_path / "calls"
    calls.mkdir()
    number = f"$(ls {calls} | wc -l | xargs printf '%03d')"
    (tmp_path / "snow").write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" > {calls}/{number}\n')
    (tmp_path / "snow").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SNOWFLAKE_ROLE": "deployer"}
    subprocess.run([SQL_DIR / "run_all.sh", "-d", "shop"], check=True, env=environment, capture_output=True)
    endpoint = WarehouseEndpoint("account", "SHOP", "DROPSHIP_WH", "DEPLOYER", {}, True, "15 MINUTES")
    expected: dict[str, list[str]] = {}
    scripts = [script for script in read_scripts() if not script.only_as]
    for script in scripts:
        for file, _, statement in script.located(variables_of(endpoint)):
            expected.setdefault(file, []).append(statement)
    found: dict[str, list[str]] = {}
    recorded: dict[str, str] = {}
    for call in sorted(calls.iterdir()):
        if call.read_text().startswith("sql\0--query"):
            recorded.update(re.findall(r"SELECT '([^']+)' AS FILE, '([^']+)' AS CHECKSUM", call.read_text()))
            continue
        _, _, path, *defined = call.read_text().split("\0")[:-1]
        assert defined[::2] == ["-D"] * (len(defined) // 2)
        variables = dict(pair.split("=", 1) for pair in defined[1::2])
        text = re.sub(r"<%\s*(\w+)\s*%>", lambda match, known=variables: known[match[1]], Path(path).read_text())
        found[str(Path(path).relative_to(SQL_DIR))] = split_statements(text)
    assert list(found) == list(expected)
    assert found == expected
    assert recorded == {script.name: script.checksum for script in scripts}
    refused = subprocess.run([SQL_DIR / "run_all.sh", "-d", "a b"], env=environment, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "a b cannot be the database" in refused.stderr


def test_the_files_of_a_folder_are_deployed_alike(tmp_path: Path) -> None:
    (tmp_path / "03_x").mkdir()
    for name, when in (("01_a", "once"), ("02_b", "on change")):
        (tmp_path / "03_x" / f"{name}.sql").write_text(f"-- deploy: {when}\nSELECT 1;")
    with pytest.raises(DeploymentError, match="files of 03_x are deployed together"):
        read_scripts(tmp_path)


def test_the_root_waits_for_every_stream_of_the_graph() -> None:
    graph = next(script for script in read_scripts() if script.name.startswith("03_")).text
    [when] = re.findall(r"ALTER TASK OPS.REFRESH MODIFY WHEN (.*);", graph)
    created = re.findall(r"^CREATE STREAM IF NOT EXISTS (\S+) ON", graph, re.MULTILINE)
    assert when == " OR ".join(f"SYSTEM$STREAM_HAS_DATA('{name}')" for name in created)
    assert len(created) >= 20


def test_a_stream_that_a_later_version_adds_shows_the_rows_that_were_there() -> None:
    """Streams are created IF NOT EXISTS in databases that hold rows already: one of a later version would miss them."""
    graph = next(script for script in read_scripts() if script.name.startswith("03_")).text
    created = re.findall(r"^CREATE STREAM IF NOT EXISTS (\S+) ON ([^;]*);", graph, re.MULTILINE)
    assert {name for name, rest in created if "SHOW_INITIAL_ROWS = TRUE" not in rest} == set(FIRST_STREAMS.split())
