"""The definitions load quickly and whole, whatever the settings say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import yaml

from dropship_dagster.assets import names
from dropship_dagster.checks.expectations.suites import SUITES
from dropship_dagster.definitions import defs
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.warehouse import TABLE_OF_TASK

HEAVY = ("dagster_snowflake", "great_expectations", "snowflake.connector", "pandas", "scipy")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def dg_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`dg` of this environment, in the checkout, without any variable of Dagster's."""
    command = [Path(sys.executable).parent / "dg", *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_the_definitions_validate() -> None:
    done = python("-m", "dagster", "definitions", "validate", "-m", "dropship_dagster.definitions")
    assert done.returncode == 0, done.stderr


def test_the_definitions_validate_without_being_named() -> None:
    done = python("-m", "dagster", "definitions", "validate")
    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location dropship_dagster.definitions" in done.stdout + done.stderr


def test_dg_loads_the_definitions_of_a_checkout_as_it_is() -> None:
    done = dg_command("check", "defs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully." in done.stdout + done.stderr
    assert "active virtual environment" not in done.stdout + done.stderr


def test_dg_lists_what_the_definitions_hold() -> None:
    done = dg_command("list", "defs", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    listed = json.loads(done.stdout)
    assert {asset["asset_key"] for asset in listed["assets"]} == {
        spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()
    }
    assert {sensor["name"] for sensor in listed["sensors"]} == {sensor.name for sensor in defs.sensors or ()}
    assert {one["name"] for one in listed["schedules"]} == {schedule.name for schedule in defs.schedules or ()}


def test_loading_imports_nothing_heavy_and_connects_to_nothing() -> None:
    code = f"import sys, dropship_dagster.definitions; print([name for name in {HEAVY} if name in sys.modules])"
    done = python("-c", code, KAFKA_BOOTSTRAP_SERVERS="nowhere.invalid:1", SNOWFLAKE_ACCOUNT="nobody")
    assert done.stdout.strip() == "[]", done.stderr


def test_every_asset_has_group_description_owner_and_kinds() -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.group_name == spec.key.path[0]
        assert spec.description, spec.key
        assert spec.owners, spec.key
        assert spec.kinds, spec.key


def test_what_holds_personal_data_says_so_from_the_file_to_prod() -> None:
    tagged = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs() if names.PERSONAL_DATA in spec.tags}
    assert tagged == {
        *("seeds/customers", "topics/customers", "raw/customers", "staging/customer_events"),
        *("staging/rejected_events", "prod/customers", "prod/customers_history"),
    }


def test_every_table_that_a_task_fills_is_watched() -> None:
    watched = {key.asset_key for key in defs.resolve_asset_graph().asset_check_keys if key.name == "task_is_healthy"}
    assert watched == {names.key(table.lower().replace(".", "/")) for table in TABLE_OF_TASK.values()}


def test_every_table_of_prod_has_a_suite_of_expectations() -> None:
    assert {suite.table for suite in SUITES} == set(names.PROD_TABLES)


def test_the_code_location_has_one_name_everywhere() -> None:
    """`dagster job launch -m` queues a run under it, and the daemon of `dropship up` looks for it."""
    tools = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["tool"]
    local = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())["load_from"][0]["python_module"]
    containers = yaml.safe_load((PROJECT_ROOT / "deploy" / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    projects = {tools["dagster"]["code_location_name"], tools["dg"]["project"]["code_location_name"]}
    found = {*projects, local["location_name"], containers["location_name"]}
    assert found == {"dropship_dagster.definitions"}


def test_the_graph_leads_from_the_files_to_the_report() -> None:
    graph = defs.resolve_asset_graph()
    ancestors = graph.get_ancestor_asset_keys(names.REPORT_KEY)
    assert names.key("seeds/orders") in ancestors
    assert names.key("topics/orders_events") in ancestors
    assert names.key("raw/orders_events") in ancestors
    assert names.key("prod/daily_sales") in ancestors


def test_no_asset_has_so_many_checks_that_the_ui_suffers() -> None:
    counted: dict[dg.AssetKey, int] = {}
    for key in defs.resolve_asset_graph().asset_check_keys:
        counted[key.asset_key] = counted.get(key.asset_key, 0) + 1
    assert max(counted.values()) < 50


def test_the_instance_file_is_one_that_dagster_accepts(tmp_path: object) -> None:
    content = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=content) as instance:
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
