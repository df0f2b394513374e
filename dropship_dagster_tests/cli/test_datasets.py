"""A second data set in a home that holds one: every way to send it is refused, and every way out works as written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dropship_dagster import stream, warehouse
from dropship_dagster.automation.run import JobReport
from dropship_dagster.definitions import run_job
from dropship_dagster.endpoints import kafka_endpoint, warehouse_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster.shop import ShopConfig, generate
from dropship_dagster_tests.resources.fixtures import platform

__all__ = ["platform"]


def dropship(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command with the environment of the test."""
    command = [sys.executable, "-m", "dropship_dagster.cli", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300, check=False)


def own_shop(folder: Path) -> Path:
    generate(ShopConfig(customers=40, products=15, orders=60, seed=9), folder)
    (folder / "manifest.json").unlink()
    return folder


def held(settings: Settings) -> tuple[object, ...]:
    """Every row of PROD's entities, and where the topics end."""
    with warehouse.connect(warehouse_endpoint(settings)) as connection:
        rows = [
            connection.cursor().execute(f"SELECT * FROM PROD.{table} ORDER BY {keys}").fetchall()
            for table, keys in (
                ("CUSTOMERS", "1"),
                ("PRODUCTS", "1"),
                ("ORDERS", "1"),
                ("ORDER_LINES", "1, 2"),
                ("ORDER_STATUS_HISTORY", "1"),
            )
        ]
    return rows, stream.partitions(kafka_endpoint(settings).client_config, settings.topics)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def why(report: JobReport) -> str:
    assert not report.success
    return " ".join(step.sentence for step in report.failed_steps)


def seeded(job: str, seed: int) -> JobReport:
    """A job with the seed of its generator."""
    return run_job(job, run_config={"ops": {"seeds": {"config": {"seed": seed}}}})


def elsewhere(settings: Settings) -> dict[str, str]:
    """Another database and other topics."""
    names = {f"DROPSHIP_TOPIC_{name}": f"other_{name.lower()}" for name in ("CUSTOMERS", "PRODUCTS", "ORDERS_EVENTS")}
    return names | {"SNOWFLAKE_DATABASE": f"{settings.snowflake_database}_2"}


SHARES = "shares identifiers with the generated shop of seed 42"


def test_a_second_data_set_is_refused_or_goes_elsewhere(platform: Settings, tmp_path: Path) -> None:
    for job in ("generate_seeds", "replay_seeds"):
        assert run_job(job).success
    before = held(platform)
    own = own_shop(tmp_path / "own")
    files = content(platform.data_dir)
    assert f"{platform.data_dir} stays as it was" in why(seeded("generate_seeds", 7))
    assert content(platform.data_dir) == files
    done = dropship("produce", "replay", "--dir", str(own))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{SHARES} (50 customers, 20 products, 100 orders)" in done.stderr
    done = dropship("produce", "replay", "--dir", str(own), **elsewhere(platform))
    assert (done.returncode, done.stderr) == (0, "")
    assert held(platform) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_data_set_is_refused_whichever_way_it_comes(platform: Settings, tmp_path: Path) -> None:
    for job in ("generate_seeds", "replay_seeds", "load_topics", "refresh_prod"):
        assert run_job(job).success
    before = held(platform)
    own = own_shop(tmp_path / "own")
    files = content(platform.data_dir)

    done = dropship("demo", DROPSHIP_SEED="7")
    assert done.returncode == 1
    assert f"{platform.data_dir} stays as it was" in done.stdout
    for job in ("generate_seeds", "full_pipeline"):
        assert f"{platform.data_dir} stays as it was" in why(seeded(job, 7)), job
    assert content(platform.data_dir) == files
    assert held(platform) == before
    assert dropship("generate", "--seed", "7").returncode == 0, "asked for by name, it writes the files"
    assert "Nothing was sent: the generated shop of seed 7 (50 customers, 20 products, 100 orders)" in done.stdout
    assert "with the generated shop of seed 42 (50 customers, 20 products, 100 orders)" in done.stdout
    for job in ("replay_seeds", "stream_orders"):
        assert SHARES in why(run_job(job)), job
    assert SHARES in why(seeded("full_pipeline", 7))
    for command in (
        ("replay", "--dir", str(own)),
        ("replay", "--dir", str(own), "--json"),
        ("replay",),
        ("stream", "--duration", "1"),
    ):
        done = dropship("produce", *command)
        assert done.returncode == 1, command
        assert SHARES in done.stderr
        assert not done.stdout
    assert held(platform) == before

    done = dropship("produce", "replay", "--dir", str(own), **elsewhere(platform))
    assert (done.returncode, done.stderr) == (0, "")
    assert held(platform) == before

    done = dropship("produce", "replay", "--dir", str(own), "--allow-shared-ids")
    assert (done.returncode, done.stderr) == (0, "")
    assert seeded("generate_seeds", 42).success
    assert content(platform.data_dir) == files
    assert dropship("produce", "replay").returncode == 0, "the first one goes on"
    # Own sizes for a third one, which is another data set than both.
    done = dropship("demo", "--allow-shared-ids", DROPSHIP_SEED="8")
    assert "was replaced" not in done.stdout
    assert done.returncode == 1
    assert "failed" in done.stdout
    assert "conflict" in done.stdout
    assert content(platform.data_dir) != files
