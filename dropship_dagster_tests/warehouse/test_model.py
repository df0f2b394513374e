"""The list of tables and tasks against what the files of sql/ deploy."""

from __future__ import annotations

import re

import pytest

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.stream import TOPICS as ROLES
from dropship_dagster.warehouse import model
from dropship_dagster.warehouse.scripts import read_scripts, variables_of

VARIABLES = variables_of(WarehouseEndpoint("account", "SHOP", "SHOP_WH", None, {}))
STATEMENTS = [statement for script in read_scripts() for statement in script.statements(VARIABLES)]
OF_RETRIES = {"STAGING.RETRIED_EVENTS", "STAGING.SET_ASIDE_EVENTS"}
"""Tables through which messages only pass."""


def created(kind: str, schemas: str) -> dict[str, str]:
    """The statements that create objects of a kind, by their names with the schema."""
    pattern = re.compile(rf"CREATE (?:OR REPLACE |TRANSIENT )?{kind} (?:IF NOT EXISTS )?((?:{schemas})\.\w+)\b")
    found = ((pattern.match(statement), statement) for statement in STATEMENTS)
    return {match[1]: statement for match, statement in found if match}


def test_the_list_has_every_table_that_is_deployed() -> None:
    assert set(created("TABLE", "RAW|STAGING|PROD")) - OF_RETRIES == set(model.TABLES)
    assert len(model.TABLES) == len(set(model.TABLES))


def test_every_topic_of_the_settings_has_its_tables() -> None:
    assert tuple(topic.role for topic in model.TOPICS) == ROLES


def test_the_list_has_every_task_that_is_deployed() -> None:
    assert {name.removeprefix("OPS.") for name in created("TASK", "OPS")} == {"REFRESH", *model.TABLE_OF_TASK}


@pytest.mark.parametrize("table", model.PROD, ids=lambda table: table.name)
def test_a_task_reads_the_streams_and_sources_that_the_list_says(table: model.ProdTable) -> None:
    body = created("TASK", "OPS")[f"OPS.{table.task}"]
    assert set(re.findall(r"\b(?:STAGING|OPS|PROD)\.\w+_STREAM\b", body)) == set(table.streams)
    read = set(re.findall(r"(?:FROM|JOIN) (PROD\.\w+)", body)) - {f"PROD.{table.name}", *table.streams}
    assert read == (set(table.sources) if table.is_derived else set())
    streams = created("STREAM", "RAW|STAGING|OPS|PROD")
    assert table.is_derived or f" ON TABLE {table.sources[0]} " in streams[table.streams[0]]


@pytest.mark.parametrize("table", model.PROD, ids=lambda table: table.name)
def test_a_key_of_the_list_is_the_one_by_which_the_task_merges(table: model.ProdTable) -> None:
    body = created("TASK", "OPS")[f"OPS.{table.task}"]
    matched = re.findall(r"\) s\s+ON (.*?)\s+WHEN ", body, re.DOTALL)[-1]
    assert tuple(re.findall(r"t\.(\w+) = s\.\1", matched)) == table.key


@pytest.mark.parametrize("topic", model.TOPICS, ids=lambda topic: topic.role)
def test_a_staging_task_judges_what_the_list_says(topic: model.Topic) -> None:
    body = created("TASK", "OPS")[f"OPS.{topic.task}"]
    assert set(re.findall(r"INTO (STAGING\.\w+) ", body)) == {
        f"STAGING.{topic.events}", model.REJECTED, "STAGING.RETRIED_EVENTS",
    }  # fmt: skip
    assert set(re.findall(r"\b(?:RAW|STAGING)\.\w+_STREAM\b", body)) == {
        f"RAW.{topic.raw}_STREAM", f"STAGING.RETRIED_{topic.raw}_STREAM",
    }  # fmt: skip
    assert f"{topic.key} AS ENTITY_ID" in body


def test_every_table_of_prod_is_compared_with_the_accepted_events() -> None:
    views = created("VIEW", "OPS")
    for name in model.KEYS:
        assert {f"OPS.EXPECTED_{name}", f"OPS.DIFFERENCES_{name}"} <= views.keys()


def test_the_reports_count_every_table() -> None:
    view = created("VIEW", "PROD")["PROD.V_PIPELINE_STATIONS"]
    counted = re.findall(r"SELECT (\d+)\b.*? FROM ((?:RAW|STAGING|PROD)\.\w+)", view)
    assert tuple(table for _, table in sorted((int(position), table) for position, table in counted)) == model.TABLES
