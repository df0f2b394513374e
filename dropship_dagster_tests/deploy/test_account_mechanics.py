"""`make test-snowflake` runs on whatever account the settings name, cleans up, and says when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dropship_dagster.endpoints import WarehouseEndpoint
from dropship_dagster.settings import PROJECT_ROOT
from dropship_dagster.warehouse import connect


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropship_dagster_tests.deploy.account", *arguments],
        cwd=PROJECT_ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip


def test_without_an_account_it_says_that_it_was_skipped() -> None:
    done = run()
    assert done.returncode == 0
    assert done.stdout.startswith("Skipped: SNOWFLAKE_ACCOUNT is not set")


def test_half_of_the_settings_is_an_error_that_names_the_other_half() -> None:
    done = run(SNOWFLAKE_ACCOUNT="org-account")
    assert done.returncode == 1
    assert "SNOWFLAKE_USER" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_on_a_server_that_speaks_as_an_account_everything_passes_and_is_dropped_again(
    warehouse: WarehouseEndpoint, tmp_path: Path
) -> None:
    """The user comes from the environment, the rest from the file of settings."""
    args = warehouse.connect_args
    env = tmp_path / "settings.env"
    env.write_text(
        f"SNOWFLAKE_ACCOUNT=org-account\nSNOWFLAKE_PASSWORD={args['password']}\nSNOWFLAKE_HOST={args['host']}\n"
        f"SNOWFLAKE_PORT={args['port']}\nSNOWFLAKE_PROTOCOL={args['protocol']}\n"
    )
    done = run("-q", DROPSHIP_ENV_FILE=str(env), SNOWFLAKE_USER=args["user"])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
    assert args["password"] not in done.stdout + done.stderr
    with connect(warehouse) as connection:
        for kind in ("DATABASES", "WAREHOUSES", "ROLES"):
            rows = connection.cursor().execute(f"SHOW {kind} LIKE 'DROPSHIP_TEST_%'").fetchall()
            assert rows == [], kind
