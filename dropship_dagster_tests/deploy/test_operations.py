"""The commands of the documents: each parses, and the procedures of docs/operations.md do what they promise."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.main import get_command

from dropship_dagster.cli.app import app
from dropship_dagster.settings import PROJECT_ROOT

DOCUMENTS = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]
# A command stands in backquotes or on a line of a block; what is meant by `...` and <...> is left to the reader.
_COMMAND = re.compile(r"(?:^|`|\s\s)(?:\.venv/bin/)?dropship ((?:[a-z]|--).*?)(?:`|$)", re.MULTILINE)
FIRST_OF_ORDERS = "TOPIC = 'orders_events' AND KAFKA_PARTITION = 0"
_OPERATIONS = (PROJECT_ROOT / "docs/operations.md").read_text()


def commands() -> list[tuple[str, str]]:
    """Document and command, wherever one is written."""
    return sorted({(path.name, match[1]) for path in DOCUMENTS for match in _COMMAND.finditer(path.read_text())})


@pytest.mark.parametrize(("document", "line"), commands())
def test_a_command_that_a_document_shows_is_one(document: str, line: str) -> None:
    words = [word for word in shlex.split(line.replace("\\$", "$"), comments=True) if word != "..."]
    assert_command(words, f"{document}: dropship {line}")


def test_the_consumers_on_kubernetes_run_a_command_as_the_image_does() -> None:
    manifest = yaml.safe_load((PROJECT_ROOT / "deploy/helm/consumer.yaml").read_text())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    module, *words = container["args"]
    assert module == "dropship_dagster.cli"
    assert_command(words, "deploy/helm/consumer.yaml")
    port = container["ports"][0]["containerPort"]
    assert f"--metrics-port={port}" in words
    values = yaml.safe_load((PROJECT_ROOT / "deploy/helm/values.yaml").read_text())
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert code["dagsterApiGrpcArgs"] == ["-m", "dropship_dagster.definitions"]
    assert code["podSecurityContext"] == manifest["spec"]["template"]["spec"]["securityContext"]


def test_the_pods_on_kubernetes_get_no_variables_of_services_that_bear_our_names() -> None:
    manifest = yaml.safe_load((PROJECT_ROOT / "deploy/helm/consumer.yaml").read_text())
    assert manifest["spec"]["template"]["spec"]["enableServiceLinks"] is False
    values = yaml.safe_load((PROJECT_ROOT / "deploy/helm/values.yaml").read_text())
    runs = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert runs["podSpecConfig"]["enableServiceLinks"] is False


def assert_command(words: list[str], where: str) -> None:
    """Command and names of options alone are looked at: a document leaves out what a reader puts in."""
    words = list(words)
    group = get_command(app)
    context = typer.Context(group, info_name="dropship")
    while isinstance(group, typer.core.TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = group.get_command(context, name)
        assert command is not None, f"{where}: there is no `dropship {name}`"
        group, context = command, typer.Context(command, parent=context, info_name=name)
    known = {option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}
    assert asked <= known, where


def procedure(heading: str) -> list[str]:
    """The lines of the block under a heading."""
    found = re.search(rf"^## {re.escape(heading)}\n.*?^```sh\n(.*?)^```", _OPERATIONS, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1].splitlines()


class Home:
    """A platform of a test's own, driven by commands alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        # The console script in .venv holds the path of another checkout when the tree was copied.
        script = bin_folder / "dropship"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dropship_dagster.cli "$@"\n')
        script.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT_ROOT),
            "DROPSHIP_HOME": str(folder / "home"),
            "DROPSHIP_DATA_DIR": str(folder / "data"),
            "DROPSHIP_REPORTS_DIR": str(folder / "reports"),
            "DROPSHIP_CUSTOMERS": "30",
            "DROPSHIP_PRODUCTS": "15",
            "DROPSHIP_ORDERS": "60",
            "DROPSHIP_TOPIC_PARTITIONS": "2",
        }

    def run(self, line: str, *, code: int = 0) -> str:
        """A line of a shell; its output."""
        done = subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=240,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def follow(self, heading: str, **values: object) -> str:
        """Run the procedure, its placeholders put in; everything it printed."""
        printed = []
        for line in procedure(heading):
            for name, value in values.items():
                line = line.replace(f"<{name.replace('_', ' ')}>", str(value))
            assert not re.search(r"<[a-z ]+>", line), line
            printed.append(self.run(line))
        return "".join(printed)

    def sql(self, statement: str) -> list[dict[str, object]]:
        return json.loads(self.run(f"dropship sql --json {shlex.quote(statement)}"))  # type: ignore[no-any-return]

    def admin(self) -> AdminClient:
        services = json.loads(self.run("dropship services status --json"))
        return AdminClient({"bootstrap.servers": services["kafka"]["bootstrap_servers"]})

    def prod(self) -> list[dict[str, object]]:
        return self.sql("SELECT ORDER_ID, STATUS, TOTAL, VERSION FROM PROD.ORDERS ORDER BY ORDER_ID")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A filled platform; the tests leave it sound."""
    platform = Home(tmp_path_factory.mktemp("operations"))
    try:
        platform.run("dropship generate")
        for line in procedure("Re-create a topic"):
            platform.run(line)
        yield platform
    finally:
        platform.run("dropship services down")


slow = [pytest.mark.slow, pytest.mark.timeout(900)]


class TestProcedures:
    """In this order, on one platform; each ends with `dropship verify`, which fails it when anything is wrong."""

    pytestmark = slow

    def test_a_part_is_loaded_again_from_an_offset_and_prod_is_as_it_was(self, home: Home) -> None:
        before = home.prod()
        assert len(before) == 60
        (begin,) = home.sql(f"SELECT TOPIC_ID, NEXT_OFFSET FROM OPS.KAFKA_OFFSETS WHERE {FIRST_OF_ORDERS}")
        topic_id, end = begin["TOPIC_ID"], int(str(begin["NEXT_OFFSET"]))
        printed = home.follow("Replay from an offset", topic_id=topic_id, partition=0, offset=end // 2)
        assert f"Loaded {end - end // 2} events" in printed
        assert home.prod() == before

    def test_the_offsets_of_a_time_are_found(self, home: Home) -> None:
        assert "FIRST_OFFSET" in home.follow("Replay from a time", time="2000-01-01 00:00:00")

    def test_a_restored_backup_goes_on_from_its_offsets(self, home: Home) -> None:
        before = home.prod()
        home.follow("Back up")
        home.run("dropship sql 'DELETE FROM PROD.ORDERS'")
        home.follow("Restore")
        assert home.prod() == before

    def test_an_accepted_gap_is_recorded_and_loading_goes_on(self, home: Home) -> None:
        home.run("dropship produce replay")
        place = TopicPartition("orders_events", 0)
        admin = home.admin()
        (row,) = home.sql(f"SELECT NEXT_OFFSET FROM OPS.KAFKA_OFFSETS WHERE {FIRST_OF_ORDERS}")
        place.offset = int(str(row["NEXT_OFFSET"])) + 5
        admin.delete_records([place])[place].result(120)
        assert "--accept-gaps" in home.run("dropship consume", code=1)
        assert "lost" in home.follow("Accept a gap")

    def test_a_topic_made_again_is_loaded_beside_the_old_one(self, home: Home) -> None:
        before = home.prod()
        admin = home.admin()
        admin.delete_topics(["orders_events"])["orders_events"].result(120)
        home.follow("Re-create a topic")
        assert home.prod() == before

    def test_rejected_messages_are_listed_and_tried_again(self, home: Home) -> None:
        home.follow("Rejected messages")

    def test_an_upgrade_stops_deploys_and_looks(self, home: Home) -> None:
        home.run("dropship services down")
        home.environment |= {"DROPSHIP_DAGSTER_PORT": "30126", "DROPSHIP_DASHBOARD_PORT": "30127"}
        assert "FAIL" not in home.follow("Upgrade")
