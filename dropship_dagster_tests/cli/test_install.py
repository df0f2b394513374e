"""The set-up script, run as `make install` runs it, on a lock of the few packages that install the project itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dropship_dagster import __version__
from dropship_dagster.settings import PROJECT_ROOT

BUILD_PACKAGES = ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a space in its name, with a short lock."""
    checkout = tmp_path / "my shop"
    (checkout / "scripts").mkdir(parents=True)
    for name in ("scripts/install.sh", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT_ROOT / name, checkout / name)
    for package in ("dropship_dagster", "streamlit_monitor"):
        (checkout / package).mkdir()
        shutil.copy(PROJECT_ROOT / package / "__init__.py", checkout / package)
    for package in ("service", "kafka", "snowflake"):
        source, copy = PROJECT_ROOT / f"packages/local-{package}", checkout / f"packages/local-{package}"
        (copy / f"src/local_{package}").mkdir(parents=True)
        for name in ("pyproject.toml", "README.md", "LICENSE", f"src/local_{package}/__init__.py"):
            shutil.copy(source / name, copy / name)
    lock = (PROJECT_ROOT / "requirements.txt").read_text()
    entries = re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE)
    (checkout / "requirements.txt").write_text(
        "".join(entry for entry in entries if entry.split("==")[0] in BUILD_PACKAGES)
    )
    return checkout


def install(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(checkout / "scripts/install.sh"), "requirements.txt"],
        env={**os.environ, "PYTHON": sys.executable, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def imports_the_project(checkout: Path) -> bool:
    code = "import dropship_dagster; print(dropship_dagster.__file__)"
    python = checkout / ".venv/bin/python"
    found = subprocess.run([python, "-I", "-c", code], cwd="/", capture_output=True, text=True, check=False)
    return str(checkout) in found.stdout


def test_it_installs_in_a_path_with_spaces_and_again_only_when_the_lock_has_changed(checkout: Path) -> None:
    first = install(checkout)
    assert first.returncode == 0, first.stderr
    assert imports_the_project(checkout)
    second = install(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    lock = checkout / "requirements.txt"
    lock.write_text(lock.read_text() + "# changed\n")
    again = install(checkout)
    assert again.returncode == 0
    assert "Installing" in again.stderr


@pytest.mark.slow
def test_a_new_version_is_installed_again(checkout: Path) -> None:
    assert install(checkout).returncode == 0
    module = checkout / "dropship_dagster/__init__.py"
    module.write_text(module.read_text().replace(__version__, "9.8.7"))
    assert install(checkout).returncode == 0
    code = "import importlib.metadata; print(importlib.metadata.version('dropship'))"
    command = [checkout / ".venv/bin/python", "-I", "-c", code]
    assert subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout.strip() == "9.8.7"


@pytest.mark.slow
def test_an_interrupted_installation_is_made_again_from_nothing(checkout: Path) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/.installing").touch()
    (checkout / ".venv/rubbish").touch()
    result = install(checkout)
    assert result.returncode == 0, result.stderr
    assert "incomplete" in result.stderr
    assert not (checkout / ".venv/rubbish").exists()
    assert imports_the_project(checkout)


def test_a_python_that_is_too_old_is_named_in_one_line(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "cksum", "rm", "pwd", "grep"):
        (tools / name).symlink_to(shutil.which(name) or pytest.fail(f"{name} is missing"))
    old = tools / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.18" && exit 0\nexit 1\n')
    old.chmod(0o755)
    result = install(checkout, PATH=str(tools), PYTHON="")
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "3.11" in result.stderr
    assert "Python 3.8.18" in result.stderr
