"""A package as somebody has it who wants nothing else of this repository: installed by one command, run by its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_service.service import read_state

NOT_ITS_BUSINESS = ("dropship", "dagster", "pandas", "streamlit", "great-expectations")


def install_alone(package: Path, folder: Path) -> Path:
    """Install a package by its path alone, called from an empty folder; the folder of the commands."""
    (folder / "empty").mkdir()
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", package], cwd=folder / "empty", check=True)
    listed = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout
    assert not {line.partition("==")[0].lower() for line in listed.splitlines()} & set(NOT_ITS_BUSINESS)
    return python.parent


@contextmanager
def started(command: Path, data_dir: Path) -> Iterator[dict[str, Any]]:
    """The service's state while it runs, with no variable of this environment but the path; it ends in order."""
    environment = {"PATH": os.defpath}
    with subprocess.Popen([command, "--data-dir", data_dir], env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"ready ")
            yield read_state(data_dir)
            process.terminate()
            assert process.wait(120) == 0
        finally:
            process.kill()
