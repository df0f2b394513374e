"""What the dashboard loads before it shows anything."""

import subprocess
import sys

from dropship_dagster.settings import PROJECT_ROOT

HEAVY = ("dagster", "dagster_snowflake", "great_expectations", "sqlalchemy", "plotly", "matplotlib")


def test_the_pages_come_without_dagster_and_without_great_expectations() -> None:
    code = f"import sys; import streamlit_monitor.navigation; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
