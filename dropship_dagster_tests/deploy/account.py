"""`make test-snowflake`: the warehouse's contract and an end-to-end slice on the account of the settings.

Everything is made under names of its own (a database, a warehouse, four roles, a resource monitor, beginning with
DROPSHIP_TEST_) and dropped again. Kafka is the local broker, so that the account alone is on trial.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from dropship_dagster.environment import env_file
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT, Settings

VARIABLE = "DROPSHIP_TEST_SNOWFLAKE_ENV_FILE"
"""Tells the tests that they may use the account; the file of settings that may name it."""

KEPT = "DROPSHIP_TEST_"
"""What the tests keep of the environment begins so; SNOWFLAKE_* travel under it."""


def main(arguments: Sequence[str]) -> int:
    """Run the tests with pytest's arguments; its exit code, or 0 with a sentence when no account is set."""
    try:
        settings = Settings.load()
    except DropshipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not settings.snowflake_account:
        print(
            "Skipped: SNOWFLAKE_ACCOUNT is not set, so there is no account to test on. Set it, SNOWFLAKE_USER and a "
            "credential in .env or the environment (docs/snowflake.md)."
        )
        return 0
    print(f"Testing on account {settings.snowflake_account} as {settings.snowflake_user}; this uses a few credits.")
    handed_on = {f"{KEPT}{name}": value for name, value in os.environ.items() if name.startswith("SNOWFLAKE_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--timeout", "1800", "-k", "not refused"]
    done = subprocess.run(
        [*command, "dropship_dagster_tests/deploy/test_account.py", *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, **handed_on, VARIABLE: str(env_file() or "")},
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
