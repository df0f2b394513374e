"""The Dagster instance of this home folder: DAGSTER_HOME, its dagster.yaml, its migrated storage."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from dropship_dagster.endpoints import ServiceError
from dropship_dagster.settings import PROJECT_ROOT, Settings
from local_service import privacy
from local_service.files import locked, replace_durably


def prepare(settings: Settings) -> Path:
    """Make DAGSTER_HOME usable by several processes and put it into this process's environment.

    A fresh SQLite storage that two processes open at once can be left with two alembic heads, which bricks it; so one
    process migrates it, under a lock, before anything else opens it. A DAGSTER_HOME that is set already is respected.

    Raises:
        ServiceError: the storage cannot be migrated.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or settings.home / "dagster")
    privacy.make_folder(home)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    with locked(home / "prepare.lock"):
        _install_config(home)
        _migrate(home)
    return home


def _install_config(home: Path) -> None:
    """Keep the instance's dagster.yaml equal to the project's; somebody's own DAGSTER_HOME keeps its own file."""
    target, wanted = home / "dagster.yaml", (PROJECT_ROOT / "dagster.yaml").read_bytes()
    ours = home / ".dagster.yaml.installed"
    current = target.read_bytes() if target.exists() else None
    if current == wanted or (current is not None and not ours.exists()):
        return
    for path in (ours, target):
        replace_durably(path, wanted)


def _migrate(home: Path) -> None:
    installed = version("dagster")  # without importing it, which costs a second and more
    stamp = home / ".migrated"
    if stamp.exists() and stamp.read_text() == installed:
        return
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "instance", "migrate"],
        env=os.environ,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError(f"Dagster's storage in {home} cannot be migrated: {lines[-1] if lines else 'no message'}", 1)
    stamp.write_text(installed)
