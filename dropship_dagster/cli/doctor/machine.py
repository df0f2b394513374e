"""This machine: Python, packages, folders, secrets, disk, ports."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.markers import Marker

from dropship_dagster.cli.doctor.finding import Finding
from dropship_dagster.cli.processes import check_free
from dropship_dagster.cli.up import running_pid
from dropship_dagster.environment import env_file, read_env_file
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import PROJECT_ROOT, Settings

_LEAST_FREE_BYTES = 1 << 30
_LOCKED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*])?==(?P<version>[^ ;\\]+)(?: *; *(?P<marker>[^\\]+))?")
_SECRET = re.compile(r"PASSWORD|PASSPHRASE|TOKEN|PRIVATE_KEY$|SECRET|WEBHOOK")
_SHOWN = ("dagster", "confluent-kafka", "snowflake-connector-python", "duckdb", "streamlit")


def machine(config: Settings) -> Iterator[Finding]:
    """Every check of this machine."""
    yield _python()
    yield _packages(PROJECT_ROOT / "requirements.txt")
    yield _versions()
    for folder, variable in (
        (config.home, "DROPSHIP_HOME"),
        (config.data_dir, "DROPSHIP_DATA_DIR"),
        (config.reports_dir, "DROPSHIP_REPORTS_DIR"),
    ):
        yield _folder(folder, variable)
    yield from _secret_files(config)
    yield _disk(config.home)
    yield _port(config, config.dagster_port, "DROPSHIP_DAGSTER_PORT")
    yield _port(config, config.dashboard_port, "DROPSHIP_DASHBOARD_PORT")


def _python() -> Finding:
    ok = (3, 11) <= sys.version_info[:2] < (3, 15)
    seen = f"{sys.version.split()[0]} in {sys.prefix}"
    return Finding("Python", ok, seen, "install Python 3.11, 3.12, 3.13 or 3.14, then `rm -rf .venv && make install`")


def _packages(lock: Path) -> Finding:
    """Compare what is installed with the lock."""
    wrong, count = [], 0
    for line in lock.read_text().splitlines():
        entry = _LOCKED.match(line)
        if not entry or (entry["marker"] and not Marker(entry["marker"].strip()).evaluate()):
            continue
        count += 1
        try:
            found = version(entry["name"])
        except PackageNotFoundError:
            found = "missing"
        if found != entry["version"]:
            wrong.append(f"{entry['name']} {found} (lock: {entry['version']})")
    seen = ", ".join(wrong[:3]) + (" ..." if len(wrong) > 3 else "") if wrong else f"{count}, as in {lock.name}"
    return Finding("packages", not wrong, seen, "rm -rf .venv && make install")


def _versions() -> Finding:
    """What a report of a defect should name."""
    from confluent_kafka import libversion

    seen = ", ".join(f"{name} {version(name)}" for name in _SHOWN)
    return Finding("versions", True, f"dropship {version('dropship')}, {seen}, librdkafka {libversion()[0]}")


def _folder(folder: Path, variable: str) -> Finding:
    """Whether a folder, or the nearest one above it that exists, can be written."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    ok = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    return Finding("folder", ok, str(folder), f"make {nearest} writable, or set {variable} to a folder of yours")


def _secret_files(config: Settings) -> Iterator[Finding]:
    """Whether others on this machine can read the secrets."""
    found = env_file()
    files = [found] if found and _holds_secrets(found) else []
    if config.snowflake_private_key_path:
        files.append(config.snowflake_private_key_path)
    for file in files:
        if not file.exists():
            yield Finding("secrets", False, f"{file} is not there", "set SNOWFLAKE_PRIVATE_KEY_PATH to the key's file")
            continue
        mode = stat.S_IMODE(file.stat().st_mode)
        yield Finding("secrets", not mode & 0o077, f"{file}, mode {mode:04o}", f"chmod 600 {file}")


def _holds_secrets(file: Path) -> bool:
    return any(value and _SECRET.search(name) for name, value in read_env_file(file).items())


def _disk(home: Path) -> Finding:
    nearest = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    ok = free >= _LEAST_FREE_BYTES
    return Finding("disk", ok, f"{free / 1e9:.1f} GB free", "free at least 1 GB, or move DROPSHIP_HOME to another disk")


def _port(config: Settings, port: int, variable: str) -> Finding:
    if running_pid(config):
        return Finding("port", True, f"{port}, served by `dropship up`")
    try:
        check_free(port, variable)
    except DropshipError:
        fix = f"stop what listens there, or set {variable} to another port"
        return Finding("port", False, f"{port} is taken", fix)
    return Finding("port", True, f"{port} is free")
