"""What the dashboard loads before it shows anything."""

import subprocess
import sys

import pytest

from dropship_dagster.settings import PROJECT_ROOT

HEAVY = ("dagster", "dagster_snowflake", "great_expectations", "sqlalchemy", "plotly", "matplotlib")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("dropship_dagster.cli.app", (*HEAVY, "snowflake.connector", "pandas", "streamlit")),
        ("streamlit_monitor.server", (*HEAVY, "snowflake.connector", "pandas", "altair")),
        ("streamlit_monitor.navigation", (*HEAVY, "altair")),
    ],
    ids=["the command", "the server", "the figures"],
)
def test_what_is_shown_first_does_not_wait_for_what_is_needed_later(module: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
