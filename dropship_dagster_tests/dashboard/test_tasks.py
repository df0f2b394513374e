"""The graph of the warehouse's tasks, against the statements that create it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from dropship_dagster.warehouse.scripts import read_scripts
from dropship_dagster_tests.dashboard.platform import MARKUP, Platform
from streamlit_monitor import charts
from streamlit_monitor.queries import pipeline
from streamlit_monitor.store import Store

[GRAPH] = [script for script in read_scripts() if script.name.startswith("03_")]
TEXT = "{http://www.w3.org/2000/svg}text"


def test_the_graph_is_the_one_that_the_sql_files_create(store: Store) -> None:
    _, *created = GRAPH.text.split("\nCREATE OR REPLACE TASK OPS.")
    waits = {
        task.split()[0]: frozenset(re.findall(r"OPS\.(\w+)", "".join(re.findall(r"^AFTER .*$", task, re.MULTILINE))))
        for task in created
    }
    assert sum(not above for above in waits.values()) == 1
    assert pipeline.task_graph(store) == waits


def test_each_task_has_its_last_runs_and_no_more_than_asked_for(platform: Platform, store: Store) -> None:
    runs = pipeline.tasks(store, 2, platform.settings.snowflake_database)
    assert set(runs["name"]) == set(pipeline.task_graph(store))
    assert runs.groupby("name").size().max() <= 2
    [(newest,)] = platform.execute(
        "SELECT MAX(SCHEDULED_TIME) FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) "
        "WHERE NAME = 'MERGE_ORDERS' AND STATE = 'SUCCEEDED'"
    )
    assert newest in set(runs.loc[runs["name"] == "MERGE_ORDERS", "scheduled_time"])


@pytest.mark.parametrize("text", ['["DB.OPS.A", "DB.OPS.\\"B\\""]', "[DB.OPS.A, DB.OPS.B]", "['DB.OPS.A', 'DB.OPS.B']"])
def test_predecessors_are_read_in_every_form_that_accounts_show(text: str) -> None:
    assert pipeline._names(text) == {"A", "B"}


@pytest.mark.parametrize("text", [None, "", "[]"])
def test_a_root_waits_for_nothing(text: str | None) -> None:
    assert pipeline._names(text) == frozenset()


def test_a_task_stands_behind_all_it_waits_for_and_its_name_is_text() -> None:
    tasks = [
        charts.Task("LAST", frozenset({"ROOT", MARKUP}), ("FAILED", "SUCCEEDED"), "Succeeded"),
        charts.Task("ROOT", frozenset({"NOT_SEEN"}), ("SKIPPED",), "Nothing to do"),
        charts.Task(MARKUP, frozenset({"ROOT"}), (), "No run lately"),
    ]
    drawn = ElementTree.fromstring(charts.task_graph(tasks))
    places = {"".join(text.itertext()): int(text.attrib["x"]) for text in drawn.iter(TEXT)}
    assert places["ROOT"] < places[MARKUP] < places["LAST"]
    assert not any("onerror" in element.attrib for element in drawn.iter())
