"""The tutorials do what they say, step by step, in a copy of the project."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dropship_dagster.cli.app import app
from dropship_dagster_tests.tutorials import DROPSHIP, TUTORIALS, Command, Copy, blocks, commands

REVIEWS = "SELECT REVIEW_ID, RATING FROM PROD.REVIEWS ORDER BY REVIEW_ID"
PAGE = '''
from streamlit.testing.v1 import AppTest

script = """
import sys
sys.path.insert(0, ".")
from streamlit_monitor import controls, navigation
from streamlit_monitor.views import reviews

navigation.pages()
controls.draw("Title", about_orders=False)
reviews.page()
"""
app = AppTest.from_string(script, default_timeout=300).run()
assert not app.exception, app.exception
print([heading.value for heading in app.subheader])
print(app.dataframe[0].value.to_json(orient="records"))
'''

CHECKS = """
from dropship_dagster.definitions import defs

for key in defs.resolve_asset_graph().asset_check_keys:
    print(f"{key.asset_key.to_user_string()}:{key.name}")
"""


def typed(name: str) -> list[Command]:
    """The commands of a tutorial."""
    return [command for block in blocks(name) if block.language == "console" for command in commands(block)]


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    copy = Copy.make(tmp_path, DROPSHIP_ORDERS="300", DROPSHIP_CUSTOMERS="100", DROPSHIP_PRODUCTS="30")
    yield copy
    copy.run(*DROPSHIP, "down")


def test_a_topic_is_declared_wherever_it_must_be(copy: Copy) -> None:
    copy.follow("add_a_topic.md", only_files=True)
    lists = "dropship_dagster_tests/warehouse/test_model.py"
    tests = copy.run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", lists)
    assert tests.returncode == 0, tests.stdout
    assert "reviews" in copy.run(sys.executable, "-m", "pytest", "-q", "--collect-only", lists).stdout


def test_a_rule_is_changed_in_the_sql_and_in_the_list_alike(copy: Copy) -> None:
    copy.follow("change_a_rule.md", only_files=True)
    [compared, _] = typed("change_a_rule.md")
    copy.type(compared)


def test_a_check_is_an_asset_check_once_it_is_written(copy: Copy) -> None:
    copy.follow("write_a_check.md", only_files=True)
    listed = copy.run(sys.executable, "-c", CHECKS).stdout.splitlines()
    assert {"prod/products:cost_is_at_least_0", "prod/order_lines:sold_above_cost"} <= set(listed)


@pytest.mark.parametrize("name", sorted(path.name for path in TUTORIALS.glob("*.md")))
def test_every_option_of_a_command_is_one_that_its_help_names(name: str) -> None:
    for command in typed(name):
        program, *words = shlex.split(command.line)
        if program == "dropship":
            subcommand = [word for word in words[:2] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
            said = CliRunner().invoke(app, [*subcommand, "--help"], env={"COLUMNS": "240", "NO_COLOR": "1"})
            assert said.exit_code == 0, command.line
            assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", said.output))


@pytest.mark.parametrize("name", sorted(path.name for path in TUTORIALS.glob("*.md")))
def test_a_shell_finds_no_variable_of_its_own_in_a_command(name: str) -> None:
    for command in typed(name):
        read = subprocess.run(["sh", "-uc", f"set -- {command.line}"], capture_output=True, text=True, check=False)
        assert (read.returncode, read.stderr) == (0, ""), command.line


def test_the_code_of_the_new_topic_passes_the_linters(copy: Copy) -> None:
    copy.follow("add_a_topic.md", only_files=True)
    files = [block.title for block in blocks("add_a_topic.md") if block.title and block.title.endswith(".py")]
    for tool in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)):
        checked = copy.run(sys.executable, "-m", *tool, *files)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_a_topic_is_added_as_the_tutorial_says(copy: Copy) -> None:
    copy.follow("add_a_topic.md")
    expected = [{"REVIEW_ID": f"R00000{number}", "RATING": rating} for number, rating in ((1, 4), (2, 5), (3, 5))]
    assert json.loads(copy.run(*DROPSHIP, "sql", "--json", REVIEWS).stdout) == expected
    assert copy.run(sys.executable, "-m", "dropship_dagster.stream.reviews", "reviews.csv").returncode == 0
    for command in ("consume", "refresh"):
        assert copy.run(*DROPSHIP, command).returncode == 0
    assert json.loads(copy.run(*DROPSHIP, "sql", "--json", REVIEWS).stdout) == expected
    verdict = json.loads(copy.run(*DROPSHIP, "verify", "--json").stdout)
    assert (verdict["status"], verdict["prod"]["REVIEWS"]["rows"]) == ("right", 3)
    page = copy.run(sys.executable, "-c", PAGE)
    assert page.returncode == 0, page.stdout
    heading, rows = page.stdout.splitlines()[-2:]
    assert heading == "['Reviews by product']"
    assert [(row["reviews"], row["rating"]) for row in json.loads(rows)] == [(2, 4.5), (1, 5.0)]


@pytest.mark.slow
def test_a_check_is_seen_to_fail_and_the_graph_is_read_as_the_tutorials_say(copy: Copy) -> None:
    copy.type(Command("dropship demo", 0, ()))
    copy.follow("write_a_check.md")
    copy.follow("read_the_graph.md")


@pytest.mark.slow
def test_a_changed_rule_rejects_its_example_as_the_tutorial_says(copy: Copy) -> None:
    copy.follow("change_a_rule.md")
