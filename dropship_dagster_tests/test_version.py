"""One version, wherever it is told: the package, the command, the reports, Dagster, the image, the changelog."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from dagster_shared.libraries import DagsterLibraryRegistry
from packaging.version import Version

from dropship_dagster import __version__
from dropship_dagster.definitions import defs
from dropship_dagster.settings import PROJECT_ROOT

CHANGELOG = (PROJECT_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_RELEASE = re.compile(r"(\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})")
_KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
"""Of keepachangelog.com/en/1.1.0."""


def dropship(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dropship_dagster.cli", *arguments]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)


def releases() -> list[tuple[Version, dt.date]]:
    """Version and day of each section of the changelog but the first, as they stand there."""
    first, *others = _SECTION.findall(CHANGELOG)
    assert first == "Unreleased"
    matches = [_RELEASE.fullmatch(heading) for heading in others]
    assert None not in matches, others
    return [(Version(match[1]), dt.date.fromisoformat(match[2])) for match in matches if match]


def test_the_installed_package_has_it() -> None:
    assert version("dropship") == __version__


@pytest.mark.parametrize("package", ["local-service", "local-kafka", "local-snowflake"])
def test_the_packages_beside_it_are_released_with_it(package: str) -> None:
    assert version(package) == import_module(package.replace("-", "_")).__version__ == __version__


def test_the_command_tells_it_and_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPSHIP_ENV_FILE", "/nowhere/.env")
    done = dropship("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"dropship {__version__}\n", "")


def test_the_report_of_a_command_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DATA_DIR", "REPORTS_DIR"):
        monkeypatch.setenv(f"DROPSHIP_{name}", str(tmp_path / name.lower()))
    try:
        report = json.loads(dropship("doctor", "--json").stdout)
    finally:
        dropship("down")  # the doctor starts the services that it examines
    assert set(report) == {"ok", "findings", "dropship_version"}
    assert report["dropship_version"] == __version__


def test_dagster_shows_it_with_the_code_location() -> None:
    assert defs
    assert DagsterLibraryRegistry.get()["dropship"] == __version__


@pytest.mark.parametrize("file", ["docker-compose.yml", "deploy/helm/consumer.yaml", "deploy/helm/values.yaml"])
def test_every_image_is_tagged_with_it(file: str) -> None:
    tags = re.findall(r"dropship:(\d[\w.]*)|tag: (\d[\d.]*)", (PROJECT_ROOT / file).read_text())
    assert tags
    assert {one or other for one, other in tags} == {__version__}


def test_the_changelog_ends_with_it_and_goes_backwards() -> None:
    found = releases()
    assert str(found[0][0]) == __version__
    assert found == sorted(found, reverse=True)
    assert len({number for number, _ in found}) == len(found)


def test_the_changelog_has_the_kinds_of_change_that_its_format_has_and_in_that_order() -> None:
    for section in _SECTION.split(CHANGELOG)[2::2]:
        kinds = re.findall(r"^### (.+)$", section, re.MULTILINE)
        assert kinds == [kind for kind in _KINDS if kind in kinds]
