"""The Snowflake CLI, which brings a connector of its own: `snow sql` and sql/run_all.sh on the local warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_snowflake_tests.server import Server, Session

ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dropship-tests" / "snowflake-cli"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

Snow = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder with `snow`, installed once into an environment of its own: its dependencies are not ours."""
    folder = CACHE / "bin"
    if not (CACHE / "installed").exists():
        uv = [sys.executable, "-m", "uv"]
        for command in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(CACHE)],
            [*uv, "pip", "install", "--python", str(folder / "python"), "snowflake-cli"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
            if done.returncode:
                pytest.skip(f"the Snowflake CLI cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        (CACHE / "installed").touch()
    return folder


@pytest.fixture
def run(programs: Path, server: Server, tmp_path: Path) -> Snow:
    """Runs a command with `snow` on its path, whose default connection is the server."""
    state = server.state
    config = tmp_path / "config.toml"
    config.write_text(
        'default_connection_name = "embedded"\n[cli.logs]\nsave_logs = false\n[connections.embedded]\n'
        + "".join(f'{key} = "{state[key]}"\n' for key in ("account", "user", "password", "host", "protocol"))
        + f'port = {state["port"]}\ndatabase = "{state["database"]}"\n'
    )
    config.chmod(0o600)
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path), "SNOWFLAKE_HOME": str(tmp_path)}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            arguments, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done

    return command


def test_snow_sql_runs_queries_and_statements(run: Snow, database: str) -> None:
    found = run("snow", "sql", "--database", database, "--format", "json", "-q", "SELECT 1 AS A, 'x' AS B")
    assert json.loads(found.stdout) == [{"A": 1, "B": "x"}]
    run("snow", "sql", "--database", database, "-q", "CREATE TABLE T (A NUMBER); INSERT INTO T VALUES (1), (2)")
    found = run("snow", "sql", "--database", database, "--format", "json", "-q", "SELECT SUM(A) AS N FROM T")
    assert json.loads(found.stdout) == [{"N": 3}]


def test_the_files_of_the_project_are_deployed_by_run_all(run: Snow, session: Session, database: str) -> None:
    name = f"{database}_SHOP"
    run("sh", "sql/run_all.sh", "-d", name, "-w", f"{name}_WH")
    session.run(f"USE DATABASE {name}")
    tables = {row[0] for row in session.run("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES")}
    assert {"ORDERS_EVENTS", "ORDER_EVENTS", "DAILY_SALES"} <= tables
    tasks = session.run("SHOW TASKS IN DATABASE")
    assert {"REFRESH", "STAGE_ORDER_EVENTS", "MERGE_ORDERS"} <= {row[1] for row in tasks}
    session.run(f"DROP DATABASE {name}")
