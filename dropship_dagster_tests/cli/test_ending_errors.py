"""How an error ends a command: a sentence for people, a line of JSON where logs are JSON."""

# ruff: noqa: F401, F811 - pytest finds the fixtures that are imported here
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from dropship_dagster.cli.console import sentences, settings
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.supervisor import Supervisor
from dropship_dagster_tests.warehouse.conftest import own_database, own_pipeline
from dropship_dagster_tests.warehouse.events import Order
from dropship_dagster_tests.warehouse.pipeline import Pipeline, wait_until
from dropship_dagster_tests.warehouse.test_metrics import consume, untouched_logging


def dropship(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropship_dagster.cli", *arguments],
        env={**os.environ, "DROPSHIP_HOME": str(home), **variables},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_consumer_that_an_error_ends_says_why_and_how_far_it_got(own_pipeline: Pipeline) -> None:
    consumer = consume(own_pipeline, "--follow", "--no-refresh")
    try:
        own_pipeline.send(own_pipeline.orders, [Order(own_pipeline.id(number)).placed() for number in range(20)])
        count = "SELECT COUNT(*) FROM RAW.ORDERS_EVENTS"
        wait_until(lambda: own_pipeline.value(count) == 20, "20 rows in RAW")
        batches = own_pipeline.rows("SELECT BATCH_ID FROM OPS.LOADS")
        own_pipeline.rows("DROP TABLE OPS.KAFKA_OFFSETS")
        own_pipeline.send(own_pipeline.orders, [Order(own_pipeline.id(20)).placed()])
        _, errors = consumer.communicate(timeout=300)
    finally:
        consumer.kill()
    assert consumer.returncode == 1
    lines = [json.loads(line) for line in errors.splitlines()]
    last = lines[-1]
    assert last["level"] == "ERROR"
    assert "KAFKA_OFFSETS" in last["message"]
    assert last["service"] == "consume"
    assert last["run_id"] == lines[0]["run_id"]
    assert last["last_batch_id"] in {batch for (batch,) in batches}
    assert len(last["positions"]) == 3 * own_pipeline.partitions
    loaded = [place["offset"] for place in last["positions"] if place["topic"] == own_pipeline.orders]
    assert sum(loaded) == 20, "where the next run goes on"


@pytest.mark.parametrize("arguments", [("doctor",), ("consume",), ("deploy",), ("produce", "replay")])
def test_a_wrong_setting_is_one_line_of_json_too(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = dropship(tmp_path, *arguments, DROPSHIP_LOG_FORMAT="json", DROPSHIP_TOPIC_PARTITIONS="many")
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    told = json.loads(line)
    assert (told["level"], told["service"]) == ("ERROR", arguments[0])
    assert told["message"].startswith("DROPSHIP_TOPIC_PARTITIONS")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_defect_names_its_file_and_shows_no_secret_anywhere(
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    untouched_logging: None,
) -> None:
    monkeypatch.setenv("DROPSHIP_LOG_FORMAT", form)
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", "canary")
    settings()
    with pytest.raises(typer.Exit), sentences(tmp_path):
        raise ValueError("nobody thought of canary")
    said = capsys.readouterr().err
    log = tmp_path / "logs" / "errors.log"
    if form == "json":
        told = json.loads(said)
        assert "Traceback" in told["exception"]
        said, told = told["message"], json.dumps(told)
        assert "canary" not in told
    assert "Unexpected ValueError: nobody thought of ***" in said
    assert str(log) in said
    assert "ValueError: nobody thought of ***" in log.read_text()
    assert "canary" not in said + log.read_text()


def test_a_wrong_option_is_the_users_mistake_and_no_defect(tmp_path: Path) -> None:
    ended = dropship(tmp_path, "consume", "--share", "x")
    assert ended.returncode == 2
    assert "--share" in ended.stderr
    assert not (tmp_path / "logs").exists()


def test_validate_before_deploy_is_one_sentence(tmp_path: Path) -> None:
    try:
        ended = dropship(tmp_path / "home", "validate", DROPSHIP_REPORTS_DIR=str(tmp_path / "reports"))
    finally:
        Supervisor(tmp_path / "home").stop("snowflake")
    assert ended.returncode == 1
    assert " ".join(ended.stderr.split()).startswith("Error: The warehouse is not deployed yet")
    assert not (tmp_path / "reports").exists()
